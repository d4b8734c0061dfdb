package gateway

import (
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

func (u *upstreamConn) send(x *exchange, within time.Duration) error {
	u.timed.writeStall = x.to.stall
	if !x.body.streams() {
		u.timed.writeStall = min(u.timed.writeStall, within)
	}
	r := &x.request
	u.WriteRequestLine(r.Method, x.target())
	u.WriteField(hostName, x.authority())
	for i := range r.Fields {
		if f := &r.Fields[i]; x.forwards(f) {
			u.WriteField(f.Name, f.Value)
		}
	}
	for _, f := range x.added() {
		u.WriteField(f.Name, f.Value)
	}
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
	if x.route.rewrite != nil {
		return x.rewritten()
	}
	if len(r.Target) > 0 && (r.Target[0] == '/' || r.Target[0] == '*') {
		return r.Target
	}
	target := append([]byte(nil), r.Path...) // absolute form: rare
	if r.Query != nil {
		target = append(append(target, '?'), r.Query...)
	}
	return target
}

// authority is the request's host; the endpoint's address where HTTP/1.0 named
// none.
func (x *exchange) authority() []byte {
	if w := x.route.rewrite; w != nil && w.host != nil {
		return w.host
	}
	if x.request.Host != nil {
		return x.request.Host
	}
	return []byte(x.asked.endpoint.address)
}

// added are the fields that Afloat adds to the request.
func (x *exchange) added() []http1.Field {
	e, o := &x.extras, &x.originator
	e.reset()
	if !x.session.outbound() {
		e.add(nameForwardedFor, o.via)
		e.add(nameForwardedProto, o.scheme)
		if o.host != nil {
			e.add(nameForwardedHost, o.host)
		}
		if o.port != nil {
			e.add(nameForwardedPort, o.port)
		}
	}
	e.add(nameRequestID, x.record.RequestID)
	if t := &x.record.Trace; t.joined() {
		from := len(e.text)
		e.text = t.appendTraceParent(e.text, x.span)
		e.add(nameTraceParent, e.text[from:len(e.text):len(e.text)])
	}
	x.addClaims()
	if x.mirrored {
		e.add(nameMirror, valueMirror)
	}
	x.to.requestEdits.addTo(e)
	return e.fields
}

// addedBack are the fields that Afloat adds to the response.
func (x *exchange) addedBack() []http1.Field {
	x.extras.reset()
	if x.record.RequestID != nil { // else the request could not be read
		x.extras.add(nameRequestID, x.record.RequestID)
	}
	if x.lasting {
		x.extras.addInt(nameAttempt, int64(x.record.Tries))
	}
	if x.cacheStatus != "" {
		x.extras.addText(nameCacheStatus, x.cacheStatus)
	}
	if x.record.Reason == ReasonRateLimited {
		x.addLimits()
	}
	if a := x.session.listener.alternative.Load(); a != nil {
		x.extras.add(nameAltSvc, *a)
	}
	if x.location != nil {
		x.extras.add(nameLocation, x.location)
	}
	if x.route != nil && x.route.sticky != nil {
		x.settle()
	}
	if x.route != nil && x.route.cors != nil {
		x.permit(x.route.cors)
	}
	x.greet()
	x.editsBack().addTo(&x.extras)
	return x.extras.fields
}

var (
	nameAltSvc         = []byte("Alt-Svc")
	nameForwardedFor   = []byte("X-Forwarded-For")
	nameForwardedProto = []byte("X-Forwarded-Proto")
	nameForwardedHost  = []byte("X-Forwarded-Host")
	nameForwardedPort  = []byte("X-Forwarded-Port")
	nameRequestID      = []byte("X-Request-Id")
	nameTraceParent    = []byte("Traceparent")
	nameCacheStatus    = []byte("Cache-Status")
	nameLocation       = []byte("Location")
	nameContentType    = []byte("Content-Type")
	nameMirror         = []byte("Afloat-Mirror")
	valueMirror        = []byte("1")
)

// forwards reports whether a field of the request is passed on. Those that
// Afloat writes itself are not.
func (x *exchange) forwards(f *http1.Field) bool {
	return x.request.Forward(f) && !claim(f.Name) && !(x.record.Trace.joined() && names(f.Name, "traceparent")) && (!provenance(f.Name) || x.session.outbound()) && !x.to.requestEdits.drops(f.Name)
}

// forwardsBack reports whether a field of the response is passed on.
func (x *exchange) forwardsBack(f *http1.Field) bool {
	if x.permission(f.Name) {
		return false
	}
	if names(f.Name, "alt-svc") && x.session.listener.alternative.Load() != nil {
		return false // it speaks of the endpoint's own ports
	}
	return x.response.Forward(f) && !names(f.Name, "x-request-id") && !(x.lasting && names(f.Name, "afloat-attempt")) && !x.to.responseEdits.drops(f.Name)
}

// claim reports whether a field says which request it is, or how it is to be
// treated on its way.
func claim(name []byte) bool {
	switch len(name) {
	case len("X-Request-Id"):
		return names(name, "x-request-id")
	case len("Afloat-Priority"):
		return names(name, "afloat-priority")
	case len("Afloat-Timeout-Ms"):
		return names(name, "afloat-timeout-ms")
	case len("Afloat-Attempt"):
		return names(name, "afloat-attempt")
	}
	return false
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
	case len("X-Forwarded-Client-Cert"):
		return names(name, "x-forwarded-client-cert")
	}
	return false
}

// hyphened is a name as names wants it.
func hyphened(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "-") }

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
