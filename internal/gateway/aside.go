package gateway

import (
	"sync"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// A request has a place under its service's concurrency limit for as long as the
// service works for it. While it waits for its client, or has become a stream,
// it steps aside, and leaves the place to others: else whoever is slow, on purpose
// or not, would keep a whole service from them. Streams teach nothing either, so
// that the limit could not grow for them.

const (
	// asideAfter is how long a body may take to come before its request steps
	// aside.
	asideAfter = 10 * time.Millisecond
	// watchInterval is how often it is looked who is waited for while a response is
	// passed on.
	watchInterval = 50 * time.Millisecond
)

// errStreams is why a stream is refused.
var errStreams = &policy.Rejected{Policy: "streams", Reason: policy.ErrFull, RetryAfter: time.Second}

// stepAside leaves the request's place to others, unless too many have done so
// already.
func (x *exchange) stepAside() bool {
	if x.aside {
		return true
	}
	s := x.to.service
	if s.aside.Add(1) > int64(s.config.Load().StreamsUnderWayMax) {
		s.aside.Add(-1)
		return false
	}
	x.aside = true
	x.room.Leave()
	return true
}

// comeBack ends that: the service works for the request again.
func (x *exchange) comeBack() {
	if x.aside {
		x.aside = false
		x.to.service.aside.Add(-1)
		x.room.Return()
	}
}

// yield gives the place back for good, and says what the limit learns.
func (x *exchange) yield(class policy.Class) {
	if x.stood || class == policy.Success && x.body.streamed && !x.body.prompt() {
		class = policy.Shed // teaches nothing: Afloat stood still, or the client decided how long it took
	}
	x.room.Done(class)
	if x.aside {
		x.aside = false
		x.to.service.aside.Add(-1)
	}
}

// leaveToOthers steps aside while the client is waited for to send the body, and
// comes back when it is not.
func (x *exchange) leaveToOthers() {
	if x.body.sending() && !x.endpointReads() {
		x.stepAside()
	} else {
		x.comeBack()
	}
}

// endpointReads reports whether it is the endpoint that the body waits for.
func (x *exchange) endpointReads() bool {
	u, ok := x.upstream.(*upstreamConn)
	return ok && u.timed.writing.Load()
}

// becomesStream reports whether the response is one that may last for ever.
// Without a status the response is that of an earlier try, in memory that others
// have by now.
func (x *exchange) becomesStream(o *outcome) bool {
	return o.status == 101 || o.status != 0 && x.isEventStream()
}

// watch looks, while a response is passed on, who is waited for.
type watch struct {
	timer  *time.Timer // nil before the first
	stream bool        // it may last for ever

	mu sync.Mutex
	on bool // guarded
}

func (x *exchange) beginWatch() {
	w := &x.watch
	w.stream = x.endless()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.on = true; w.timer == nil {
		w.timer = time.AfterFunc(watchInterval, x.lookOn)
	} else {
		w.timer.Reset(watchInterval)
	}
}

// endWatch returns when nobody looks any more.
func (x *exchange) endWatch() {
	w := &x.watch
	w.timer.Stop()
	w.mu.Lock()
	w.on = false
	w.mu.Unlock()
}

// lookOn steps aside once it is the client that is waited for, or the response
// is a stream.
func (x *exchange) lookOn() {
	w := &x.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case !w.on:
	case (w.stream || x.client.awaited() || x.body.sending()) && x.stepAside():
	default:
		w.timer.Reset(watchInterval)
	}
}
