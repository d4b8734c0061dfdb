package gateway

import (
	"cmp"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
	"github.com/afloat-dev/afloat/policy"
)

// relay passes the endpoint's response on. The class is the outcome's, unless
// the response broke off later.
func (x *exchange) relay(o *outcome) (keep bool, class policy.Class) {
	u := x.upstream
	if x.tee != nil {
		x.tee.begin(x)
	}
	if c := x.route.cache; c != nil && o.status < 400 && !safe(x.request.Method) {
		c.forget(x.cacheKey())
	}
	n, keep, err := x.handOver(u, o)
	x.record.Status, x.record.ResponseBytes = o.status, n
	class = o.class
	if _, clientFailed := errors.AsType[*http1.WriteError](err); clientFailed || errors.Is(err, errClientGone) {
		class, x.record.Reason = policy.Ignored, ReasonClientGone
	} else if err != nil {
		class, x.record.Reason = policy.Failure, ReasonBrokenOff
		if x.callOver(time.Now()) {
			class, x.record.Reason = policy.Ignored, ReasonTimeout // that end was the caller's
		}
	}
	if x.grpc && err == nil {
		class = x.endGRPC(u, class)
	}
	keep = x.body.settle(u) && err == nil && keep
	x.now = later(x.record.Start)
	if err == nil {
		u.put(x)
		x.upstream = nil
	} else {
		x.client.abort()
	}
	x.drop()
	x.done()
	return keep, class
}

// handOver gives the client the response, and watches that while it comes.
func (x *exchange) handOver(u upstream, o *outcome) (n int64, keep bool, err error) {
	waits := !u.atHand(x)
	u.stream(x, x.to.stall)
	if !waits {
		x.yield(o.class) // the endpoint has done all that it was asked for
		return x.client.respond(x, u)
	}
	x.client.hold(u)
	x.beginWatch()
	defer func() {
		x.endWatch()
		x.client.hold(nil)
	}()
	return x.client.respond(x, u)
}

// endless reports whether the response may be silent for as long as it likes.
func (x *exchange) endless() bool { return x.grpc || x.isEventStream() }

// isEventStream reports whether the response is one of server-sent events,
// which may be silent for as long as it likes.
func (x *exchange) isEventStream() bool {
	const name = "text/event-stream"
	if f := x.response.Framing; !f.Chunked && !f.UntilClose {
		return false
	}
	kind := x.response.Get("Content-Type")
	return len(kind) >= len(name) && strings.EqualFold(string(kind[:len(name)]), name)
}

// reject answers a request that a policy refused, or that no endpoint
// answered, with the route's fallback where there is one.
func (x *exchange) reject(status int, reason Reason, why string, err error) (keep bool) {
	if status >= 500 && x.stale != nil {
		return x.answerStale()
	}
	if status >= 500 { // the rest tells the client what to do better
		if x.mayFallBack() {
			x.fellBack, x.putOff = true, &refusal{status, reason, why, err}
			return false
		}
		if f := x.fallback(); f != nil {
			return x.answerFallback(f)
		}
	}
	var retryAfter time.Duration
	if rejected, ok := errors.AsType[*policy.Rejected](err); ok {
		retryAfter = max(rejected.RetryAfter, time.Nanosecond)
	}
	x.record.Reason = reason
	return x.answer(status, "text/plain; charset=utf-8", why+"\n", retryAfter)
}

// respond answers for a route that sends its requests nowhere.
func (x *exchange) respond() (keep bool) {
	if x.route.redirect != nil {
		return x.redirect()
	}
	f := x.route.respond
	x.record.Reason = ReasonResponded
	return x.answer(cmp.Or(f.Status, 200), cmp.Or(f.ContentType, "text/plain; charset=utf-8"), f.Body, 0)
}

// refuse answers a request that is not passed on to anybody.
func (x *exchange) refuse(status int, reason Reason, why string) (keep bool) {
	x.record.Reason = reason
	return x.answer(status, "text/plain; charset=utf-8", why+"\n", 0)
}

// answer gives the client Afloat's own answer.
func (x *exchange) answer(status int, contentType, body string, retryAfter time.Duration) (keep bool) {
	x.record.Status = status
	keep = x.client.answer(x, &ownAnswer{status: status, contentType: contentType, body: body, retryAfter: retryAfter})
	x.done()
	return keep
}

func isEOF(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
