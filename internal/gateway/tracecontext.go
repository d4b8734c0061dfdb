package gateway

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
)

// TraceContext is a request's place in a distributed trace (W3C Trace Context,
// level 2). Its zero value is none.
type TraceContext struct {
	TraceID [16]byte
	// Parent is the span of whoever sent the request; zero: it began the trace.
	Parent [8]byte
	// Span is the request's own; zero: Afloat takes no part in traces.
	Span [8]byte
	// Sampled is whether those who take part should keep the trace.
	Sampled bool
}

// Valid reports whether there is a trace.
func (t *TraceContext) Valid() bool { return t.TraceID != [16]byte{} }

// joined reports whether Afloat adds spans to the trace.
func (t *TraceContext) joined() bool { return t.Span != [8]byte{} }

// parseTraceParent reads a traceparent field. Ok is false where there is none, or
// one that is not valid.
func parseTraceParent(value []byte) (t TraceContext, ok bool) {
	const size = len("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	if len(value) < size || value[2] != '-' || value[35] != '-' || value[52] != '-' {
		return t, false
	}
	var version, flags [1]byte
	for _, part := range []struct{ to, from []byte }{
		{version[:], value[:2]}, {t.TraceID[:], value[3:35]}, {t.Parent[:], value[36:52]}, {flags[:], value[53:55]},
	} {
		if !decodeLower(part.to, part.from) {
			return TraceContext{}, false
		}
	}
	// What a later version adds stands behind another hyphen.
	if version[0] == 0xff || len(value) > size && (version[0] == 0 || value[size] != '-') {
		return TraceContext{}, false
	}
	t.Sampled = flags[0]&1 != 0
	return t, t.Valid() && t.Parent != [8]byte{}
}

// decodeLower reads hexadecimal digits, of which capital ones are not valid.
func decodeLower(to, from []byte) bool {
	for _, b := range from {
		if b >= 'A' && b <= 'F' {
			return false
		}
	}
	_, err := hex.Decode(to, from)
	return err == nil
}

// appendTraceParent appends a traceparent field whose span is that of a try.
func (t *TraceContext) appendTraceParent(b []byte, span [8]byte) []byte {
	b = hex.AppendEncode(append(b, "00-"...), t.TraceID[:])
	b = hex.AppendEncode(append(b, '-'), span[:])
	if t.Sampled {
		return append(b, "-03"...) // and the trace's id is random
	}
	return append(b, "-02"...)
}

// join makes the request a part of the trace, or begins one. A share of the
// traces that it begins is sampled, the same by every Afloat.
func (t *TraceContext) join(share float64, believed bool) {
	if !t.Valid() {
		binary.BigEndian.PutUint64(t.TraceID[:8], rand.Uint64())
		binary.BigEndian.PutUint64(t.TraceID[8:], rand.Uint64()|1)
	}
	if !believed {
		const whole = 1 << 56 // level 2 has the lower 7 bytes random
		low := binary.BigEndian.Uint64(t.TraceID[8:]) & (whole - 1)
		t.Sampled = float64(low) < share*whole
	}
	t.Span = newSpan()
}

// child is the place of a request that this one gives rise to.
func (t TraceContext) child() TraceContext {
	if t.joined() {
		t.Parent, t.Span = t.Span, newSpan()
	}
	return t
}

func newSpan() (id [8]byte) {
	binary.BigEndian.PutUint64(id[:], rand.Uint64()|1)
	return id
}

// findTrace finds the request's trace, and takes part in it where traces are
// kept. Whether it is to be sampled is believed of trusted peers.
func (x *exchange) findTrace() {
	share := x.session.listener.gateway.traces
	t, given := parseTraceParent(x.request.Get("Traceparent"))
	if share != nil {
		t.join(*share, given && x.originator.trusted)
	}
	x.record.Trace = t
}
