package http1

import "bytes"

// parse reads a complete head, the empty line included, of an answer to a
// request with the given method.
func (r *Response) parse(head []byte, method string, l *Limits) error {
	end := bytes.IndexByte(head, '\n')
	if err := r.parseLine(head[:end-1]); err != nil {
		return asUpstream(err)
	}
	var err error
	t := &r.traits
	if r.Fields, err = parseFields(head[end+1:], r.Fields, l.FieldsMax, t); err != nil {
		return asUpstream(err)
	}
	declared, err := t.framing(r.Minor)
	if err != nil {
		return asUpstream(err)
	}
	r.KeepAlive = t.persists(r.Minor)
	if t.wantsUpgrade && t.upgrades == 1 {
		r.Upgrade = t.upgrade
	}
	return asUpstream(r.settleFraming(declared, method))
}

func (r *Response) parseLine(line []byte) error {
	const length = len("HTTP/1.1 200")
	if len(line) < length || line[8] != ' ' {
		return bad("invalid status line")
	}
	var err error
	if r.Minor, err = parseVersion(line[:8]); err != nil {
		return err
	}
	for _, b := range line[9:length] {
		if !isDigit(b) {
			return bad("invalid status code")
		}
		r.Status = r.Status*10 + int(b-'0')
	}
	if r.Status < 100 {
		return bad("invalid status code")
	}
	// The space before an empty reason is missing often enough to be allowed.
	if len(line) == length {
		return nil
	}
	if line[length] != ' ' {
		return bad("invalid status code")
	}
	if r.Reason = line[length+1:]; !cleanValue(r.Reason) {
		return bad("invalid byte in the reason")
	}
	return nil
}

// settleFraming applies what the status and the request's method say about the
// body (RFC 9112, 6.3).
func (r *Response) settleFraming(declared Framing, method string) error {
	informational := r.Status < 200
	tunnel := r.Status == 101 || method == "CONNECT" && r.Status/100 == 2
	r.bodiless = informational || r.Status == 204 || r.Status == 304 || method == "HEAD" || tunnel
	switch {
	case informational && !declared.None():
		return bad("framing in an informational response")
	case r.Status == 204 && declared.Chunked:
		return bad("Transfer-Encoding in a 204")
	case tunnel:
		r.KeepAlive = false
	case r.bodiless:
		// Bytes may follow a 204 that declares some: read no further.
		r.KeepAlive = r.KeepAlive && (r.Status != 204 || declared.None())
	case r.traits.lengths == 0 && !declared.Chunked:
		r.Framing = Framing{UntilClose: true}
		r.KeepAlive = false
	default:
		r.Framing = declared
	}
	return nil
}

// asUpstream turns a refusal of a response into what the client is told.
func asUpstream(err error) error {
	if refused, ok := err.(*ProtocolError); ok {
		refused.Status = 502
	}
	return err
}
