package gateway

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// attempt asks one endpoint and waits until its response begins. What is on the
// stack meanwhile every request under way holds: the rest is in functions of its
// own.
func (x *exchange) attempt() (o outcome) {
	start := x.takeNow()
	for {
		x.chooseVersion()
		held, left := x.held()
		if held {
			start = time.Now()
			x.chooseVersion()
		}
		patient := left > 0
		if x.chooseEndpoint(&o, start, patient) {
			break
		}
		if !patient {
			return o
		} // else another was faster
	}
	if x.race != nil {
		x.race.arm(x)
	}
	o = x.ask(x.asked.endpoint, start)
	x.assess(&o, start)
	return o
}

// chooseEndpoint begins a try. It returns false, and why in o, where there is no
// endpoint for it, or for one that is patient none that is worth it.
func (x *exchange) chooseEndpoint(o *outcome, start time.Time, patient bool) bool {
	c, ok := x.home()
	var reason Reason
	var retryAfter time.Duration
	if !ok {
		c, reason, retryAfter = x.among().choose(demand{x.tried, x.draw(), start, patient, !x.repeatable()})
	}
	if reason != "" {
		err := &policy.Rejected{Policy: "breaker", Reason: policy.ErrOpen, RetryAfter: retryAfter}
		*o = outcome{class: policy.Shed, reason: reason, err: err, retryAfter: retryAfter}
		return false
	}
	if x.asked = c; x.version != nil && !x.pinned {
		x.version.requests.Add(1)
	}
	x.tried = append(x.tried, c.endpoint)
	x.record.Tries++
	x.record.Endpoint = c.endpoint.address
	x.began, x.late, x.forgiven = start, 0, false
	if x.record.Trace.joined() {
		x.beginSpan(&c, start)
	}
	return true
}

// assess tells everybody concerned how the try went that began at start.
func (x *exchange) assess(o *outcome, start time.Time) {
	e, now := x.asked.endpoint, later(start)
	x.reached = x.reached || o.sent
	class := o.class
	if x.lane.cut() {
		*o = outcome{class: policy.Ignored, reason: ReasonClientGone, err: errOvertaken, sent: o.sent}
		class = policy.Ignored
	}
	if e.service.lag.stalledSince(start, now) {
		x.stood, x.forgiven, class = true, o.late(), policy.Ignored // how long it took says nothing
	} else {
		o.slow = e.tooSlow(now.Sub(x.began))
	}
	if x.record.Trace.joined() {
		x.endSpan(o, now)
	}
	if o.status != 0 || class != policy.Shed { // else it was not asked
		e.tried(class, now, now.Sub(x.began), x.late, o.err)
	}
	if x.asked.scouts {
		x.among().returned(o)
	}
	if o.status != 0 {
		x.record.FirstByte = now.Sub(x.record.Start)
		if !x.stood && !o.repeatable(x) {
			x.room.Answered() // how long the body takes says nothing about the load
		}
	}
}

// draw is what the choice of an endpoint depends on: the request's key where
// endpoints are picked by one.
func (x *exchange) draw() uint64 {
	c := x.to.service.config.Load()
	if c.Balance.byKey() {
		return c.Hash.draw(&x.request, x.originator.client)
	}
	return rand.Uint64()
}

// ask sends the request to the endpoint and reads the response's head. A kept
// connection that its endpoint closed just then is replaced by a new one.
func (x *exchange) ask(e *endpoint, start time.Time) outcome {
	e.await()
	defer e.waiting.Add(-1)
	if x.fault != nil {
		if o, spoilt := x.spoilTry(e, start); spoilt {
			return o
		}
	}
	for fresh := false; ; fresh = true {
		u, within, err := x.connect(e, fresh, start)
		if err != nil {
			if x.lane.cut() {
				return outcome{class: policy.Ignored, err: errOvertaken}
			}
			return x.unreachable(e, err, within)
		}
		x.upstream = u
		if x.lane != nil {
			x.lane.hold(u)
		}
		err = u.send(x, within)
		if err == nil {
			err = x.awaitResponse(u, start)
		}
		if err == nil {
			return x.classify()
		}
		if x.lane.cut() {
			return outcome{class: policy.Ignored, err: errOvertaken, sent: true}
		}
		if u.reused() && !fresh && x.body.replayable() && (errors.Is(err, errUnprocessed) || isBroken(err) && idempotent(x.request.Method)) {
			e.pool.wary.Store(warySpan)
			x.drop()
			continue
		}
		return x.failed(err)
	}
}

// connect returns what the try that began at start may use, and for how long.
func (x *exchange) connect(e *endpoint, fresh bool, start time.Time) (u upstream, within time.Duration, err error) {
	if e.pool.multiplexes(x) {
		within = x.tryLeft(start, time.Now())
		u, err = e.pool.stream(x.bound(), within)
		return u, within, err
	}
	if !fresh {
		if kept := e.pool.reuse(start, !x.body.streams() && idempotent(x.request.Method)); kept != nil {
			return kept, x.tryLeft(start, start), nil
		}
	}
	within = x.tryLeft(start, time.Now())
	u, err = e.pool.dial(x.bound(), within)
	return u, within, err
}

// errOvertaken is why a try was cut off.
var errOvertaken = errors.New("another try was faster")

// bound is what connecting ends with.
func (x *exchange) bound() context.Context {
	if x.lane != nil {
		return x.lane.ctx
	}
	return context.Background()
}

// endProbe ends what the try proves to a half-open breaker as soon as its
// response has begun: a stream may take longer than a probe, and for ever. An
// endpoint that was ejected because it was slow is not let back in while it is.
func (x *exchange) endProbe(o *outcome) {
	if x.asked.endpoint.breaker.State() != policy.BreakerHalfOpen {
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
		if x.forgiven {
			class = policy.Ignored
		}
		x.asked.permit.Done(class)
		if s := x.presentSpan(); s != nil {
			s.BreakerAfter = e.breaker.State().String()
		}
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
