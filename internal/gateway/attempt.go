package gateway

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// attempt asks one endpoint and waits until its response begins.
func (x *exchange) attempt(limit *policy.AdaptivePermit) outcome {
	c, reason, retryAfter := x.to.service.choose(x.tried)
	if reason != "" {
		err := &policy.Rejected{Policy: "breaker", Reason: policy.ErrOpen, RetryAfter: retryAfter}
		return outcome{class: policy.Shed, reason: reason, err: err, retryAfter: retryAfter}
	}
	x.asked = c
	e := c.endpoint
	x.tried = append(x.tried, e)
	x.record.Tries++
	x.record.Endpoint = e.address
	start := time.Now()
	x.began, x.late = start, 0
	o := x.ask(e, start)
	now := time.Now()
	o.slow = e.tooSlow(now.Sub(x.began))
	if o.status != 0 || o.class != policy.Shed { // else it was not asked
		e.tried(o.class, now, now.Sub(x.began), x.late, o.err)
	}
	if o.status != 0 {
		x.record.FirstByte = now.Sub(x.record.Start)
		if limit != nil && !o.repeatable(x) {
			limit.Answered() // how long the body takes says nothing about the load
		}
	}
	return o
}

// ask sends the request to the endpoint and reads the response's head. A kept
// connection that its endpoint closed just then is replaced by a new one.
func (x *exchange) ask(e *endpoint, start time.Time) outcome {
	e.await()
	defer e.waiting.Add(-1)
	for fresh := false; ; fresh = true {
		u, within := (*upstream)(nil), x.tryLeft(start, start)
		if !fresh {
			u = e.pool.reuse()
		}
		if u == nil {
			var err error
			within = x.tryLeft(start, time.Now())
			if u, err = e.pool.dial(context.Background(), within); err != nil {
				return x.unreachable(e, err, within)
			}
		}
		x.upstream = u
		err := x.send(u, within)
		if err == nil {
			err = x.awaitResponse(u, start)
		}
		if err == nil {
			return x.classify()
		}
		if u.reused && isBroken(err) && x.body.replayable() && idempotent(x.request.Method) {
			x.drop()
			continue
		}
		return x.failed(err)
	}
}

// endProbe ends what the try proves to a half-open breaker as soon as its
// response has begun: a stream may take longer than a probe, and for ever. An
// endpoint that was ejected because it was slow is not let back in while it is.
func (x *exchange) endProbe(o *outcome) {
	if x.asked.endpoint.breaker.Status().State != policy.BreakerHalfOpen {
		return
	}
	class := o.class
	if o.slow && x.asked.endpoint.slowly.Load() {
		class = policy.Failure
	}
	x.asked.permit.Done(class)
}

// endTry tells the breaker of the endpoint asked last how the call went, once
// it is over.
func (x *exchange) endTry(class policy.Class) {
	if e := x.asked.endpoint; e != nil {
		x.asked.permit.Done(class)
		e.inFlight.Add(-1)
		x.asked = choice{}
	}
}

// tryLeft is how long the try that began at start may take yet.
func (x *exchange) tryLeft(start, now time.Time) time.Duration {
	left := time.Duration(1<<63 - 1)
	if x.to.tryTimeout > 0 {
		left = x.to.tryTimeout - now.Sub(start)
	}
	if !x.deadline.IsZero() {
		left = min(left, x.deadline.Sub(now))
	}
	return max(left, 1)
}

// isBroken reports whether err is a connection that its peer closed.
func isBroken(err error) bool {
	var op *net.OpError
	return !expired(err) && (errors.As(err, &op) || isEOF(err))
}
