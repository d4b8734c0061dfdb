package gateway

import (
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// send writes the request to an endpoint, which must read it within the time
// given, or a streamed body for as long as that moves at all.
func (x *exchange) send(u *upstream, within time.Duration) error {
	u.timed.writeStall = x.to.service.config.Load().StallTimeout
	if !x.body.streams() {
		u.timed.writeStall = min(u.timed.writeStall, within)
	}
	r := &x.request
	u.WriteRequestLine(r.Method, x.target())
	if r.Host != nil {
		u.WriteField(hostName, r.Host)
	} else { // HTTP/1.0 knows no Host, and HTTP/1.1 must have one
		u.WriteFieldString("Host", u.pool.endpoint.address)
	}
	for i := range r.Fields {
		if f := &r.Fields[i]; r.Forward(f) && !provenance(f.Name) {
			u.WriteField(f.Name, f.Value)
		}
	}
	x.writeProvenance(u)
	if r.Upgrade != nil {
		u.WriteFieldString("Connection", "Upgrade")
		u.WriteField(upgradeName, r.Upgrade)
	}
	if !r.Framing.None() || r.Method == "POST" || r.Method == "PUT" || r.Method == "PATCH" {
		u.WriteFraming(r.Framing)
	}
	u.EndHead()
	return x.body.send(u)
}

var (
	hostName    = []byte("Host")
	upgradeName = []byte("Upgrade")
)

// target is the request target in origin form.
func (x *exchange) target() []byte {
	r := &x.request
	if len(r.Target) > 0 && (r.Target[0] == '/' || r.Target[0] == '*') {
		return r.Target
	}
	target := append([]byte(nil), r.Path...) // absolute form: rare
	if r.Query != nil {
		target = append(append(target, '?'), r.Query...)
	}
	return target
}

// writeProvenance says where the request came from. What a client claims of
// it is not passed on: nobody can tell whether it is true.
func (x *exchange) writeProvenance(u *upstream) {
	u.WriteFieldString("X-Forwarded-For", x.session.address)
	u.WriteFieldString("X-Forwarded-Proto", "http")
	if x.request.Host != nil {
		u.WriteField([]byte("X-Forwarded-Host"), x.request.Host)
	}
}

// provenance reports whether a field claims where a request came from.
func provenance(name []byte) bool {
	switch len(name) {
	case len("Forwarded"):
		return names(name, "forwarded") || names(name, "x-real-ip")
	case len("X-Forwarded-For"):
		return names(name, "x-forwarded-for")
	case len("X-Forwarded-Host"): // and X-Forwarded-Port
		return names(name, "x-forwarded-host") || names(name, "x-forwarded-port")
	case len("X-Forwarded-Proto"):
		return names(name, "x-forwarded-proto")
	}
	return false
}

// names reports whether a field has a name, given in lower case. Underscores
// count as hyphens: programs after CGI see the two as one.
func names(field []byte, lower string) bool {
	if len(field) != len(lower) {
		return false
	}
	for i, b := range field {
		switch {
		case b >= 'A' && b <= 'Z':
			b += 'a' - 'A'
		case b == '_':
			b = '-'
		}
		if b != lower[i] {
			return false
		}
	}
	return true
}

// writeResponseHead gives the client the head of the endpoint's response, and
// returns how its body is framed and whether the connection can go on.
func (x *exchange) writeResponseHead(keep bool) (http1.Framing, bool) {
	c, r := x.session.conn, &x.response
	f := r.Framing
	switch {
	case r.Bodiless():
		f = http1.Framing{}
	case x.request.Minor == 0 && (f.Chunked || f.UntilClose):
		f, keep = http1.Framing{UntilClose: true}, false
	case f.UntilClose:
		f = http1.Framing{Chunked: true} // so that the client can tell a whole body from a broken one
	}
	c.WriteStatusLine(r.Status, r.Reason)
	for i := range r.Fields {
		if field := &r.Fields[i]; r.Forward(field) {
			c.WriteField(field.Name, field.Value)
		}
	}
	if !r.Bodiless() {
		c.WriteFraming(f)
	}
	x.writeConnection(keep)
	c.EndHead()
	x.answered = true
	return f, keep
}

func (x *exchange) writeConnection(keep bool) {
	switch {
	case !keep:
		x.session.conn.WriteFieldString("Connection", "close")
	case x.request.Minor == 0:
		x.session.conn.WriteFieldString("Connection", "keep-alive")
	}
}
