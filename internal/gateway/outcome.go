package gateway

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
	"github.com/afloat-dev/afloat/policy"
)

// outcome is how a try ended. Its class is for the breaker and the retry.
type outcome struct {
	class      policy.Class
	status     int    // of the response that has begun; 0 for none
	reason     Reason // why there is no response
	err        error
	retryAfter time.Duration
	injected   int      // the status that a fault makes up in place of an answer
	sent       bool     // the request may have reached the endpoint
	slow       bool     // much slower than the other endpoints are
	grpc       grpcCode // of a call that ended with its head; OK for all else
}

// unreachable is the outcome of a try for which no connection could be made
// within the time given.
func (x *exchange) unreachable(e *endpoint, err error, within time.Duration) outcome {
	switch {
	case errors.Is(err, errConnections), exhausted(err):
		return outcome{class: policy.Shed, reason: ReasonOverloaded, err: &policy.Rejected{Policy: "connections", Reason: err, RetryAfter: time.Second}}
	case expired(err) && x.callerLeft():
		return outcome{class: policy.Ignored, reason: ReasonTimeout, err: errTimeout}
	case expired(err) && (within < x.to.service.config.Load().ConnectTimeout || e.service.lag.stalledSince(x.began, time.Now())):
		// It had too little time to say that nobody is there.
		return outcome{class: policy.Failure, reason: ReasonTimeout, err: errTimeout}
	}
	err = shortError(err)
	e.markDown("connecting failed: " + err.Error())
	return outcome{class: policy.Failure, reason: ReasonUnreachable, err: err}
}

// exhausted reports whether Afloat itself has no means for a connection: to
// take endpoints down for that would make it worse.
func exhausted(err error) bool {
	for _, no := range [...]syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

// unasked reports whether the endpoint could not even be asked, since it has as
// many connections as it may.
func (o *outcome) unasked() bool {
	return o.class == policy.Shed && o.reason == ReasonOverloaded && o.status == 0
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
	case errors.Is(err, errHung):
		x.suspect()
		o.reason, o.err = ReasonTimeout, err
	case x.callerLeft(): // whichever of the two found it out first
		o.class, o.reason, o.err = policy.Ignored, ReasonTimeout, errTimeout
	case errors.Is(err, errTimeout), expired(err): // or the endpoint did not read
		x.suspect()
		o.reason, o.err = ReasonTimeout, errTimeout
	case errors.Is(err, errUnprocessed):
		o.sent = false
	case protocol:
		o.reason, o.err = ReasonBadResponse, err
	}
	return o
}

// suspect says that the response was waited for in vain. A fault may hold a try
// up before it has a connection.
func (x *exchange) suspect() {
	if x.upstream != nil {
		x.upstream.suspect()
	}
}

// late reports whether the outcome may come of Afloat's own standing still: no
// answer came in time, or the endpoint did not want to wait any longer.
func (o *outcome) late() bool {
	return o.class == policy.Failure && (o.reason == ReasonTimeout || o.reason == ReasonReset)
}

// classify is the outcome of a response that has begun.
func (x *exchange) classify() outcome {
	o := outcome{class: policy.Success, status: x.response.Status, sent: true}
	x.classifyGRPC(&o)
	if o.status < 500 || o.status == 501 || o.status == 505 {
		return o
	}
	o.class = policy.Failure
	o.err = statusError(o.status)
	if o.status == 504 && x.callerLeaves() {
		o.class = policy.Ignored
	}
	if o.status == 503 && x.response.Get("Retry-After") != nil {
		o.class = policy.Shed // the service protects itself: for how long is the client's to know
	}
	return o
}

type statusError int

func (e statusError) Error() string { return "status " + strconv.Itoa(int(e)) }

// repeatable reports whether the outcome is one that may be tried again.
func (o *outcome) repeatable(x *exchange) bool {
	on := &x.to.retryOn
	listed := o.class != policy.Shed && slices.Contains(on.statuses, o.status) ||
		o.grpc != grpcOK && on.grpc>>uint(o.grpc)&1 != 0 && x.response.Get("Grpc-Retry-Pushback-Ms") == nil
	if o.class != policy.Failure && !listed || !x.body.replayable() {
		return false
	}
	if !o.sent {
		return on.connectFailure
	}
	status := cmp.Or(o.status, o.injected)
	if !x.repeatable() || o.status != 0 && x.response.Get("Afloat-Attempt") != nil {
		return false
	}
	switch {
	case listed:
		return true
	case status == 502 || status == 503 || status == 504 || o.grpc == grpcUnavailable:
		return on.unavailable || on.status5xx
	case status != 0:
		return on.status5xx
	case o.reason == ReasonTimeout:
		return on.timeout
	}
	return on.reset
}

// repeatable reports whether the request may be sent to an endpoint although
// another may have it already. What is a repeat already is not repeated once
// more: the tries of services in a row would multiply.
func (x *exchange) repeatable() bool {
	return x.claims.before == 0 && x.body.replayable() && x.repeatableMethod()
}

func (x *exchange) repeatableMethod() bool {
	return idempotent(x.request.Method) || x.to.repeatsAll || x.keyed != nil && x.keyed.config.Repeat
}

// lasting reports whether the outcome is a failure that the callers further out
// are not to repeat: it was tried often enough here, or further in.
func (o *outcome) lasting(x *exchange) bool {
	if !o.sent || o.class != policy.Failure && o.class != policy.Shed {
		return false
	}
	return x.claims.before > 0 || x.to.repeats && x.repeatableMethod() || o.status != 0 && x.response.Get("Afloat-Attempt") != nil
}

// idempotent reports whether a method may be repeated (RFC 9110, 9.2.2).
func idempotent(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE":
		return true
	}
	return false
}

// safe reports whether a method changes nothing (RFC 9110, 9.2.1).
func safe(method string) bool {
	return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "TRACE"
}

// answer is the status that stands for an outcome without a response.
func (o *outcome) answer() int {
	switch {
	case o.status != 0:
		return o.status
	case o.injected != 0:
		return o.injected
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
	case ReasonFault:
		return "a fault was injected"
	case ReasonOverloaded:
		return "no more connections can be made to the service"
	case ReasonTooLarge:
		return tooLarge
	case ReasonBadRequest, ReasonClientSlow:
		return o.err.Error()
	}
	return "the service broke the connection off"
}
