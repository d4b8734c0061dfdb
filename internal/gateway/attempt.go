package gateway

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
	"github.com/afloat-dev/afloat/policy"
)

// outcome is how a try ended. Its class is for the breaker and the retry.
type outcome struct {
	class      policy.Class
	choice     choice
	status     int    // of the response that has begun; 0 for none
	reason     Reason // why there is no response
	err        error
	retryAfter time.Duration
	sent       bool // the request may have reached the endpoint
}

// end tells the endpoint's breaker how the call went, once it is over.
func (o *outcome) end(x *exchange, class policy.Class) {
	if o.choice.endpoint == nil {
		return
	}
	o.choice.permit.Done(class)
	o.choice.endpoint.inFlight.Add(-1)
	o.choice.endpoint = nil
}

// attempt asks one endpoint and waits until its response begins.
func (x *exchange) attempt(limit *policy.AdaptivePermit) outcome {
	c, reason, retryAfter := x.to.service.choose(x.tried)
	if reason != "" {
		err := &policy.Rejected{Policy: "breaker", Reason: policy.ErrOpen, RetryAfter: retryAfter}
		return outcome{class: policy.Shed, reason: reason, err: err, retryAfter: retryAfter}
	}
	e := c.endpoint
	e.inFlight.Add(1)
	x.tried = append(x.tried, e)
	x.record.Tries++
	x.record.Endpoint = e.address
	start := time.Now()
	x.late = 0
	e.await()
	o := x.ask(c, start)
	e.waiting.Add(-1)
	o.choice = c
	now := time.Now()
	e.tried(o.class, now, now.Sub(start), x.late, o.err)
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
func (x *exchange) ask(c choice, start time.Time) outcome {
	e := c.endpoint
	for fresh := false; ; fresh = true {
		var u *upstream
		if !fresh {
			u = e.pool.reuse()
		}
		if u == nil {
			var err error
			if u, err = e.pool.dial(context.Background(), x.tryLeft(start, time.Now())); err != nil {
				return x.unreachable(e, err)
			}
		}
		x.upstream = u
		err := x.send(u)
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

func (x *exchange) unreachable(e *endpoint, err error) outcome {
	if errors.Is(err, errConnections) {
		return outcome{class: policy.Shed, reason: ReasonOverloaded, err: err}
	}
	err = shortError(err)
	e.markDown("connecting failed: " + err.Error())
	return outcome{class: policy.Failure, reason: ReasonUnreachable, err: err}
}

// failed is the outcome of a try whose response did not begin.
func (x *exchange) failed(err error) outcome {
	o := outcome{class: policy.Failure, reason: ReasonReset, err: shortError(err), sent: true}
	_, protocol := errors.AsType[*http1.ProtocolError](err)
	var body *bodyError
	switch {
	case errors.Is(err, errClientGone):
		o.class, o.reason = policy.Ignored, ReasonClientGone
	case errors.As(err, &body):
		o.class, o.reason, o.err = policy.Ignored, body.reason(), body.cause
	case errors.Is(err, errTimeout), errors.Is(err, errHung):
		o.reason, o.err = ReasonTimeout, err
	case protocol:
		o.reason, o.err = ReasonBadResponse, err
	}
	return o
}

// classify is the outcome of a response that has begun.
func (x *exchange) classify() outcome {
	o := outcome{class: policy.Success, status: x.response.Status, sent: true}
	if o.status < 500 || o.status == 501 || o.status == 505 {
		return o
	}
	o.class = policy.Failure
	o.err = statusError(o.status)
	if after := x.response.Get("Retry-After"); after != nil && o.status == 503 {
		o.class = policy.Shed // the service refuses to protect itself
		if n, err := strconv.Atoi(string(after)); err == nil && n >= 0 && n < 1e6 {
			o.retryAfter = time.Duration(n) * time.Second
		}
	}
	return o
}

type statusError int

func (e statusError) Error() string { return "status " + strconv.Itoa(int(e)) }

// repeatable reports whether the outcome is one that may be tried again.
func (o *outcome) repeatable(x *exchange) bool {
	if o.class != policy.Failure || !x.body.replayable() {
		return false
	}
	on := x.to.retryOn
	if !o.sent {
		return on.connectFailure
	}
	if !idempotent(x.request.Method) && !x.to.service.config.Load().RetryNonIdempotent {
		return false
	}
	switch {
	case o.status == 502 || o.status == 503 || o.status == 504:
		return on.unavailable || on.status5xx
	case o.status != 0:
		return on.status5xx
	case o.reason == ReasonTimeout:
		return on.timeout
	}
	return on.reset
}

// idempotent reports whether a method may be repeated (RFC 9110, 9.2.2).
func idempotent(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE":
		return true
	}
	return false
}

// answer is the status that stands for an outcome without a response.
func (o *outcome) answer() int {
	switch {
	case o.status != 0:
		return o.status
	case o.reason == ReasonBadRequest:
		return 400
	case o.reason == ReasonTooLarge:
		return 413
	case o.reason == ReasonClientSlow:
		return 408
	case o.reason == ReasonTimeout:
		return 504
	case o.class == policy.Shed, o.reason == ReasonUnreachable:
		return 503
	}
	return 502
}

// words explain an outcome to the client.
func (o *outcome) words() string {
	switch o.reason {
	case ReasonNoEndpoint:
		return "the service has no endpoint"
	case ReasonBreakerOpen:
		return "every endpoint of the service is ejected"
	case ReasonUnreachable:
		return "the service cannot be reached"
	case ReasonTimeout:
		return "the service did not answer in time"
	case ReasonBadResponse:
		return "the service's answer is not valid HTTP"
	case ReasonOverloaded:
		return "the service has as many connections as it may"
	case ReasonTooLarge:
		return tooLarge
	case ReasonBadRequest, ReasonClientSlow:
		return o.err.Error()
	}
	return "the service broke the connection off"
}

// lookInterval is how often a wait for a response looks around: whether the
// client has gone, or the endpoint was found to hang.
const lookInterval = 100 * time.Millisecond

// awaitResponse reads the response's head. While the request's body is still
// on its way the time does not count.
func (x *exchange) awaitResponse(u *upstream, start time.Time) error {
	var end time.Time
	for {
		now := time.Now()
		if end.IsZero() || x.body.sending() {
			end = now.Add(x.tryLeft(start, now))
		}
		by := now.Add(lookInterval)
		if set := u.timed.readSet; set.After(now.Add(lookInterval/2)) && set.Before(by) {
			by = set // near enough: leave the deadline as it is
		}
		if end.Before(by) {
			by = end
		}
		err := x.readResponse(u, by)
		if err == nil {
			final, err := x.final()
			if final || err != nil {
				return err
			}
			continue
		}
		if !expired(err) {
			return err
		}
		if broken := x.body.broken(); broken != nil {
			return &bodyError{broken}
		}
		now = time.Now()
		if x.late == 0 {
			x.late = u.pool.endpoint.overdue(now.Sub(start))
		}
		switch {
		case !now.Before(end):
			return errTimeout
		case x.session.closed.Load(), !x.body.sending() && x.session.conn.Gone():
			return errClientGone
		case !x.body.sending() && u.pool.endpoint.hangs.Load():
			return errHung
		}
	}
}

// readResponse reads the response's head, and holds no buffer before its first
// byte has come: an endpoint that is slow has many requests waiting.
func (x *exchange) readResponse(u *upstream, by time.Time) error {
	u.timed.readBy = by
	if u.Buffered() == 0 {
		u.timed.setRead(by)
		if err := u.Await(); err != nil {
			return err
		}
	}
	return u.ReadResponse(&x.response, x.request.Method)
}

// errSwitch is why a change of protocol is not passed on.
var errSwitch = &http1.ProtocolError{Status: 502, Reason: "a change to a protocol that was not asked for"}

// final reports whether the response is the one that counts, rather than an
// interim one. Those are not passed on: a client was told to continue already.
func (x *exchange) final() (bool, error) {
	switch {
	case x.response.Status == 101 && (x.request.Upgrade == nil || !bytes.EqualFold(x.request.Upgrade, x.response.Upgrade)):
		return false, errSwitch
	case x.response.Status == 101:
		return true, nil
	}
	return x.response.Status >= 200, nil
}

// isBroken reports whether err is a connection that its peer closed.
func isBroken(err error) bool {
	var op *net.OpError
	return !expired(err) && (errors.As(err, &op) || isEOF(err))
}
