package http1

// Take makes r a request that came in another form than this codec's, such as
// HTTP/2. It holds the parts to the same rules as ReadRequest, so that nothing
// can be sent in them over HTTP/1.1 that a strict parser would take for
// something else; the byte slices stay the caller's. Where the body's length is
// not known, f.Chunked stands for that. A *ProtocolError says what is wrong.
func (r *Request) Take(method string, target, host []byte, fields []Field, f Framing, l *Limits) error {
	*r = Request{Method: method, Target: target, Host: host, Minor: 1, Framing: f, KeepAlive: true}
	limits := l.filled()
	switch {
	case len(method) == 0 || !tokenChars.holds([]byte(method)):
		return bad("invalid method")
	case len(method) > methodBytesMax:
		return refuse(501, "method is too long")
	case method == "CONNECT":
		return refuse(501, "CONNECT is not served")
	case len(target) > limits.TargetBytesMax:
		return refuse(414, "target is too long")
	case len(target) == 0 || target[0] != '/' && string(target) != "*":
		return bad("invalid form of target")
	}
	if err := r.parseTarget(); err != nil {
		return err
	}
	if err := checkHost(host); err != nil {
		return err
	}
	var err error
	if r.Fields, err = take(fields, limits.FieldsMax, &r.traits); err != nil {
		return err
	}
	return r.settleTaken()
}

// settleTaken holds what the fields say against what was said beside them.
func (r *Request) settleTaken() error {
	t := &r.traits
	switch {
	case t.hosts > 1:
		return bad("repeated Host")
	case t.hosts == 1 && !EqualFold(t.host, string(r.Host)):
		return bad("Host differs from the authority")
	case t.lengths > 1:
		return bad("repeated Content-Length")
	case t.expectOther:
		return refuse(417, "unknown expectation")
	case t.lengths == 0:
		return nil
	}
	n, err := parseLength(t.length)
	if err == nil && (r.Framing.Chunked || n != r.Framing.Length) {
		return bad("Content-Length differs from the body's")
	}
	return err
}

// Take makes r a response that came in another form than this codec's, to a
// request with the given method. It is as strict as ReadResponse.
func (r *Response) Take(status int, fields []Field, f Framing, method string, l *Limits) error {
	*r = Response{Status: status, Minor: 1, KeepAlive: true}
	limits := l.filled()
	if status < 100 || status > 999 {
		return asUpstream(bad("invalid status code"))
	}
	var err error
	if r.Fields, err = take(fields, limits.FieldsMax, &r.traits); err != nil {
		return asUpstream(err)
	}
	r.bodiless = status < 200 || status == 204 || status == 304 || method == "HEAD"
	if !r.bodiless {
		r.Framing = f
	}
	return nil
}

// TakeTrailers returns the fields after a body that may be passed on, or a
// *ProtocolError. Those that decide on framing, routing or identity are dropped:
// some recipients merge trailers into the head.
func TakeTrailers(fields []Field, l *Limits) ([]Field, error) {
	limits := l.filled()
	if len(fields) > limits.FieldsMax {
		return nil, bad("too many trailers")
	}
	kept := fields[:0]
	for _, f := range fields {
		if !tokenChars.holds(f.Name) || len(f.Name) == 0 || !cleanValue(f.Value) {
			return nil, bad("invalid byte in a trailer")
		}
		if !forbiddenTrailer(f.Name) {
			kept = append(kept, f)
		}
	}
	return kept, nil
}

// ForbiddenTrailer reports whether a field may not stand after a body.
func ForbiddenTrailer(name string) bool { return forbiddenTrailer([]byte(name)) }

// take checks fields and notes what they say. Fields of one connection alone
// have no place where there is none of HTTP/1.1 (RFC 9113, 8.2.2).
func take(fields []Field, most int, t *traits) ([]Field, error) {
	if len(fields) > most {
		return nil, refuse(431, "too many fields")
	}
	for _, f := range fields {
		switch {
		case len(f.Name) == 0 || !tokenChars.holds(f.Name):
			return nil, bad("invalid byte in a field name")
		case !cleanValue(f.Value):
			return nil, bad("invalid byte in a field value")
		}
		switch identify(f.Name) {
		case nameConnection, nameTransferEncoding, nameUpgrade:
			return nil, bad("a field of one connection alone")
		}
		if err := t.note(f); err != nil {
			return nil, err
		}
	}
	return fields, nil
}
