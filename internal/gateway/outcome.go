package gateway

import (
	"errors"
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
	sent       bool // the request may have reached the endpoint
	slow       bool // much slower than the other endpoints are
}

// unreachable is the outcome of a try for which no connection could be made
// within the time given.
func (x *exchange) unreachable(e *endpoint, err error, within time.Duration) outcome {
	switch {
	case errors.Is(err, errConnections), exhausted(err):
		return outcome{class: policy.Shed, reason: ReasonOverloaded, err: err}
	case expired(err) && within < x.to.service.config.Load().ConnectTimeout:
		// The request had too little time left to say that nobody is there.
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
		o.reason, o.err = ReasonTimeout, err
	case errors.Is(err, errTimeout), expired(err): // or the endpoint did not read
		o.reason, o.err = ReasonTimeout, errTimeout
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
	if o.status == 503 && x.response.Get("Retry-After") != nil {
		o.class = policy.Shed // the service protects itself: for how long is the client's to know
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
	if !x.repeatable() {
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

// repeatable reports whether the request may be sent to an endpoint although
// another may have it already.
func (x *exchange) repeatable() bool {
	return x.body.replayable() && (idempotent(x.request.Method) || x.to.service.config.Load().RetryNonIdempotent)
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
		return "no more connections can be made to the service"
	case ReasonTooLarge:
		return tooLarge
	case ReasonBadRequest, ReasonClientSlow:
		return o.err.Error()
	}
	return "the service broke the connection off"
}
