package gateway

import (
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// TrySpan is a request's try at an endpoint, as a part of its trace.
type TrySpan struct {
	Span     [8]byte
	Endpoint string
	Start    time.Time
	// Took is the time until the response began, or the try failed.
	Took time.Duration
	// Status of the response; 0 where none began.
	Status int
	Class  policy.Class
	// Reason and Error say why none did.
	Reason Reason
	Error  string
	// Breaker is the state of the endpoint's breaker when the try began, and
	// BreakerAfter when it had been counted; empty where the request ended first.
	Breaker, BreakerAfter string
	// Zone and Priority are the endpoint's.
	Zone     string
	Priority int
	// Hedge is whether the try ran beside the one before it, and Scout whether
	// it looked for an end of an outage.
	Hedge, Scout bool
}

// trySpansMax bounds the tries of a request that are kept.
const trySpansMax = 32

// beginSpan begins the span of a try, whose id goes to the endpoint. That of a
// twin is there already.
func (x *exchange) beginSpan(c *choice, start time.Time) {
	if x.span == [8]byte{} || len(x.spans) > 0 {
		x.span = newSpan()
	}
	if len(x.spans) < trySpansMax {
		set := c.endpoint.settings.Load()
		x.spans = append(x.spans, TrySpan{Span: x.span, Endpoint: c.endpoint.address, Start: start, Scout: c.scouts,
			Breaker: c.endpoint.breaker.State().String(), Zone: set.Zone, Priority: set.Priority})
	}
}

// presentSpan is the span of the present try, or nil where it has none.
func (x *exchange) presentSpan() *TrySpan {
	if n := len(x.spans); n > 0 && x.spans[n-1].Span == x.span {
		return &x.spans[n-1]
	}
	return nil
}

// endSpan ends the span of the present try.
func (x *exchange) endSpan(o *outcome, now time.Time) {
	s := x.presentSpan()
	if s == nil {
		return // there were too many
	}
	s.Took, s.Status, s.Class, s.Reason = now.Sub(s.Start), o.status, o.class, o.reason
	if o.err != nil {
		s.Error = o.err.Error()
	}
}

// addTwin adds the try beside the one before it: what it came to, or, where
// nobody waited for that, that it was cut off.
func (x *exchange) addTwin(r *race, y *exchange, waited bool) {
	if !x.record.Trace.joined() || len(x.spans) >= trySpansMax {
		return
	}
	s := TrySpan{Span: r.span, Start: r.began, Took: time.Since(r.began), Class: policy.Ignored, Error: errOvertaken.Error()}
	if waited && len(y.spans) > 0 {
		s = y.spans[0]
	}
	s.Hedge = true
	x.spans = append(x.spans, s)
}
