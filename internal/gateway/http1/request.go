package http1

import "bytes"

// parse reads a complete head, the empty line included.
func (r *Request) parse(head []byte, l *Limits) error {
	end := bytes.IndexByte(head, '\n')
	if err := r.parseLine(head[:end-1], l); err != nil {
		switch {
		case string(head) == prefaceHead:
			return ErrHTTP2
		case bytes.IndexByte(head[:end], '/') < 0 && !bytes.HasPrefix(head, []byte("PROXY ")):
			return ErrNotHTTP
		}
		return err
	}
	var err error
	t := &r.traits
	if r.Fields, err = parseFields(head[end+1:], r.Fields, l.FieldsMax, t); err != nil {
		return err
	}
	if err := r.settleHost(); err != nil {
		return err
	}
	if r.Framing, err = t.framing(r.Minor); err != nil {
		return err
	}
	if t.expectOther && r.Minor == 1 {
		return refuse(417, "unknown expectation")
	}
	r.ExpectContinue = t.expectContinue && r.Minor == 1 && !r.Framing.None()
	r.KeepAlive = t.persists(r.Minor)
	r.Upgrade = t.protocols(r.Minor)
	return nil
}

func (r *Request) parseLine(line []byte, l *Limits) error {
	first := bytes.IndexByte(line, ' ')
	last := bytes.LastIndexByte(line, ' ')
	if first < 0 || first == last {
		return bad("request line is not of three parts")
	}
	method, target := line[:first], line[first+1:last]
	if len(method) == 0 || !tokenChars.holds(method) {
		return bad("invalid method")
	}
	if len(method) > methodBytesMax {
		return refuse(501, "method is too long")
	}
	var err error
	if r.Minor, err = parseVersion(line[last+1:]); err != nil {
		return err
	}
	if len(target) == 0 {
		return bad("empty target")
	}
	if len(target) > l.TargetBytesMax {
		return refuse(414, "target is too long")
	}
	r.Method, r.Target = internMethod(method), target
	if r.Method == "CONNECT" {
		return refuse(501, "CONNECT is not served")
	}
	return r.parseTarget()
}

// settleHost checks the Host field even where an absolute target overrides it.
func (r *Request) settleHost() error {
	t := &r.traits
	switch {
	case t.hosts > 1:
		return bad("repeated Host")
	case t.hosts == 0 && r.Minor == 1:
		return bad("missing Host")
	case t.hosts == 0:
		return nil
	}
	if err := checkHost(t.host); err != nil {
		return err
	}
	if r.Host == nil {
		r.Host = t.host
	}
	return nil
}

// parseVersion accepts HTTP/1.0 and HTTP/1.1 and returns the minor number.
func parseVersion(p []byte) (int, error) {
	const prefix = "HTTP/"
	if len(p) != 8 || string(p[:5]) != prefix || !isDigit(p[5]) || p[6] != '.' || !isDigit(p[7]) {
		return 0, bad("invalid HTTP version")
	}
	if p[5] != '1' || p[7] > '1' {
		return 0, refuse(505, "HTTP version is not supported")
	}
	return int(p[7] - '0'), nil
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// internMethod returns the method as a string, without an allocation for those
// in common use.
func internMethod(p []byte) string {
	switch string(p) {
	case "GET":
		return "GET"
	case "POST":
		return "POST"
	case "HEAD":
		return "HEAD"
	case "PUT":
		return "PUT"
	case "DELETE":
		return "DELETE"
	case "PATCH":
		return "PATCH"
	case "OPTIONS":
		return "OPTIONS"
	case "TRACE":
		return "TRACE"
	case "CONNECT":
		return "CONNECT"
	}
	for _, method := range registeredMethods {
		if string(p) == method {
			return method
		}
	}
	return string(p)
}

// registeredMethods are the rest of the IANA registry.
var registeredMethods = [...]string{
	"PROPFIND", "REPORT", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "PROPPATCH", "SEARCH", "ACL", "BASELINE-CONTROL",
	"BIND", "CHECKIN", "CHECKOUT", "LABEL", "LINK", "MERGE", "MKACTIVITY", "MKCALENDAR", "MKREDIRECTREF",
	"MKWORKSPACE", "ORDERPATCH", "PRI", "REBIND", "UNBIND", "UNCHECKOUT", "UNLINK", "UPDATE", "UPDATEREDIRECTREF",
	"VERSION-CONTROL",
}
