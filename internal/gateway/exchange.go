package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
	"github.com/afloat-dev/afloat/policy"
)

// exchange is a request and its response. A session uses one again and again.
type exchange struct {
	session *session
	request http1.Request
	host    []byte // without port, in lower case
	scratch [64]byte
	record  Record

	route    *route
	to       *destination
	deadline time.Time // of the response's begin; zero: none
	body     requestBody
	tried    []*endpoint
	triedMem [4]*endpoint

	asked    choice        // of the present try
	upstream *upstream     // of the present try
	began    time.Time     // when the present try did, or the end of what it streamed
	late     time.Duration // of the present try's time, what its endpoint has counted
	response http1.Response
	answered bool // a response has begun to go to the client
}

func (x *exchange) begin(start time.Time) {
	x.record = Record{
		Start:    start,
		Client:   x.session.client,
		Listener: x.session.listener.address,
		Method:   x.request.Method,
		Host:     x.request.Host,
		Path:     x.request.Path,
	}
	x.route, x.to, x.upstream = nil, nil, nil
	x.deadline = time.Time{}
	x.body.prepare(x)
	x.tried = x.triedMem[:0]
	x.answered = false
}

// run serves the request and reports whether the connection can serve another.
func (x *exchange) run(start time.Time) (keep bool) {
	x.begin(start)
	defer x.end()
	if !x.request.Framing.None() {
		x.request.Upgrade = nil // nobody may switch protocols in the middle of a body
	}
	x.host = hostOnly(x.request.Host, x.scratch[:])
	if !x.findRoute() {
		return x.refuse(404, ReasonNoRoute, "no route matches the request")
	}
	x.route.counts.requests.Add(1)
	x.record.Route, x.record.Service = x.route.name, x.to.service.name
	if limit := x.route.limit; limit != nil {
		if err := limit.Admit(context.Background()); err != nil {
			x.route.counts.limited.Add(1)
			return x.reject(429, ReasonRateLimited, "the route's rate limit is reached", err)
		}
	}
	if keep, done := x.injectFault(); done {
		return keep
	}
	if status, reason, why := x.body.collect(); status != 0 {
		return x.refuse(status, reason, why)
	}
	if x.to.timeout > 0 {
		x.deadline = time.Now().Add(x.to.timeout)
	}
	return x.limited()
}

// findRoute finds the request's route, and a service that stays until the
// exchange ends.
func (x *exchange) findRoute() bool {
	for {
		x.route = x.session.listener.gateway.table.Load().find(&x.request, x.host)
		if x.route == nil {
			return false
		}
		if to := x.route.pick(); to.service.enter() {
			x.to = to
			return true
		} // else a new table took the place of that one just now
	}
}

// end gives back what the exchange still holds.
func (x *exchange) end() {
	if x.asked.endpoint != nil { // it panics
		x.endTry(policy.Failure)
		x.drop()
	}
	x.body.release()
	if x.to != nil {
		x.to.service.leave()
	}
}

// injectFault delays or aborts the request where the route says so.
func (x *exchange) injectFault() (keep, done bool) {
	if x.route.fault == nil {
		return false, false
	}
	delay, abort := x.route.fault.Decide()
	if delay > 0 && !x.session.pause(delay) {
		return x.clientGone(), true
	}
	if abort {
		return x.refuse(x.route.fault.AbortStatus(), ReasonFault, "a fault was injected"), true
	}
	return false, false
}

// limited runs the tries under the service's concurrency limit.
func (x *exchange) limited() (keep bool) {
	s := x.to.service
	if s.config.Load().Concurrency.Disabled {
		keep, _ = x.try(nil)
		return keep
	}
	permit, err := s.concurrency.AcquireWithin(context.Background(), x.left())
	if err != nil {
		return x.reject(503, ReasonOverloaded, "the service has as many requests as it can bear", err)
	}
	class := policy.Failure // of a panic
	defer func() { permit.Done(class) }()
	keep, class = x.try(&permit)
	if x.body.streamed && class == policy.Success {
		class = policy.Shed // gives the place back and teaches nothing: the client decided how long it took
	}
	return keep
}

// try asks endpoints until one gives an answer that is final.
func (x *exchange) try(limit *policy.AdaptivePermit) (keep bool, class policy.Class) {
	tries := x.to.retry.Begin()
	for {
		o := x.attempt(limit)
		if !o.repeatable(x) {
			return x.finish(&o)
		}
		left := x.left()
		wait, again, _ := tries.Again(o.class, o.retryAfter, left)
		if !again {
			return x.finish(&o)
		}
		x.endTry(o.class)
		x.drop()
		if tries.Count() == 2 && o.retryAfter == 0 && x.otherUsable() {
			wait = 0 // another endpoint did not fail: it need not be spared
		}
		if !x.session.pause(wait) {
			return x.clientGone(), policy.Ignored
		}
	}
}

// left is the time until the deadline; zero when there is none.
func (x *exchange) left() time.Duration {
	if x.deadline.IsZero() {
		return 0
	}
	return max(time.Until(x.deadline), 1)
}

// otherUsable reports whether an endpoint is there that was not tried yet.
func (x *exchange) otherUsable() bool {
	for _, e := range *x.to.service.endpoints.Load() {
		if e.usable() && !contains(x.tried, e) {
			return true
		}
	}
	return false
}

// finish gives the client what the last try brought.
func (x *exchange) finish(o *outcome) (keep bool, class policy.Class) {
	switch {
	case o.status == 101:
		x.endProbe(o)
		keep, class = x.tunnel()
	case o.status != 0 && (o.class == policy.Success || x.route.fallback == nil):
		x.endProbe(o)
		keep, class = x.relay(o)
	case o.reason == ReasonClientGone:
		keep, class = x.clientGone(), policy.Ignored
	default:
		x.drop()
		class = o.class
		keep = x.reject(o.answer(), o.reason, o.words(), o.err)
	}
	x.endTry(class)
	return keep, class
}

// drop closes the present try's connection: its exchange did not end well.
func (x *exchange) drop() {
	if x.upstream != nil {
		x.body.settle(x.upstream)
		x.upstream.pool.discard(x.upstream)
		x.upstream = nil
	}
}

// clientGone ends an exchange that nobody waits for any more.
func (x *exchange) clientGone() bool {
	x.drop()
	x.record.Status, x.record.Reason = 499, ReasonClientGone
	x.done()
	return false
}

// done tells the observer that the exchange has ended.
func (x *exchange) done() {
	x.record.Duration = time.Since(x.record.Start)
	if x.record.FirstByte == 0 {
		x.record.FirstByte = x.record.Duration
	}
	x.record.RequestBytes = x.body.bytes
	if x.to != nil {
		x.to.observer.Request(&x.record)
	} else {
		x.session.listener.gateway.unrouted.Request(&x.record)
	}
}

func contains(all []*endpoint, e *endpoint) bool {
	for _, one := range all {
		if one == e {
			return true
		}
	}
	return false
}

// Why a try was given up.
var (
	errTimeout    = errors.New("no response in time")
	errHung       = errors.New("the endpoint hangs")
	errClientGone = errors.New("the client went away")
)
