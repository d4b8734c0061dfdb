package gateway

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// lane is what one of two tries of a request runs on, so that it can be ended
// from outside. It ends without blame for its endpoint.
type lane struct {
	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	upstream upstream // guarded
	ended    bool     // guarded
}

func newLane() *lane {
	l := new(lane)
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// hold notes what is to be closed when the lane ends.
func (l *lane) hold(u upstream) {
	l.mu.Lock()
	l.upstream = u
	ended := l.ended
	l.mu.Unlock()
	if ended {
		_ = u.Close() // it is not used
	}
}

// end cuts the try off.
func (l *lane) end() {
	l.mu.Lock()
	u := l.upstream
	l.ended = true
	l.mu.Unlock()
	l.cancel()
	if u != nil {
		_ = u.Close() // the try sees it
	}
}

// cut reports whether the try was cut off. Without a lane nobody can.
func (l *lane) cut() bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}

// race is a request of which a second try may run beside the first. The second
// is an exchange of its own, whose result the first takes over if it is better.
type race struct {
	call          policy.HedgeCall
	first, second *lane
	delay         time.Duration
	timer         *time.Timer
	span          [8]byte   // of the second try's place in the trace
	began         time.Time // when the second did; read after twin

	mu     sync.Mutex
	over   bool          // the first try has ended, or has lost; guarded
	lost   bool          // the second was better; guarded
	denied bool          // there was no room for a second; guarded
	twin   *exchange     // of the second try; nil: it has not begun; guarded
	done   bool          // the second has ended; guarded
	ended  chan struct{} // closed when the second try has
	result outcome       // of the second; read after ended
}

// hedged is attempt, with a second try beside the first if that is slow.
func (x *exchange) hedged() outcome {
	r := &race{call: x.to.hedge.Begin(), ended: make(chan struct{})}
	var ok bool
	if r.delay, ok = r.call.Delay(); !ok || !x.hedges() {
		o := x.attempt()
		r.call.Done(o.class, false)
		return o
	}
	r.first, r.second = newLane(), newLane()
	defer r.first.cancel()
	x.lane, x.race = r.first, r
	defer func() {
		if x.race != nil { // the first try panics
			r.mu.Lock()
			r.leave()
		}
	}()
	o := x.attempt()
	x.lane, x.race = nil, nil
	return x.settleRace(r, o)
}

// hedges reports whether the request may be at two endpoints at once.
func (x *exchange) hedges() bool {
	return idempotent(x.request.Method) && x.copies() && x.fault == nil && x.claims.before == 0
}

// arm has the second try begin after the delay. The first is under way from now
// on, and what of the exchange the second copies does not change meanwhile.
func (r *race) arm(x *exchange) {
	tried := slices.Clone(x.tried)
	r.timer = time.AfterFunc(r.delay, func() { r.begin(x, tried) })
}

// begin runs the second try.
func (r *race) begin(x *exchange, tried []*endpoint) {
	r.mu.Lock()
	if r.over || !x.among().otherUsable(tried) || !x.to.service.enter() {
		r.mu.Unlock()
		return
	}
	place, err := x.placeNow()
	if err != nil || !r.call.Again() {
		place.Done(policy.Shed)
		x.to.service.hedges.refused.Add(1)
		r.denied = true
		r.mu.Unlock()
		x.to.service.leave()
		return
	}
	x.to.service.hedges.started.Add(1)
	y := x.twin(tried)
	y.lane = r.second
	r.began = time.Now()
	if x.record.Trace.joined() {
		r.span = newSpan()
		y.span = r.span
	}
	r.twin = y
	r.mu.Unlock()
	defer close(r.ended)
	defer r.finish(y)
	defer place.Done(policy.Shed) // the request has a place of its own, and a lost try teaches nothing
	defer y.session.survive()
	r.result = outcome{class: policy.Failure} // of a panic
	r.result = y.attempt()
}

// placeNow takes one more place under the service's concurrency limit, where
// one is free: what is slow because of too much load must not get more.
func (x *exchange) placeNow() (policy.AdaptivePermit, error) {
	s := x.to.service
	if s.config.Load().Concurrency.Disabled {
		return policy.AdaptivePermit{}, nil
	}
	return s.concurrency.AcquireAs(ended, policy.Caller{Priority: x.claims.priority}, 0)
}

// ended is a context in which nothing is waited for.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// finish says how the second try ended.
func (r *race) finish(y *exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done = true
	switch {
	case r.over: // nobody wants it
		y.giveUp()
	case r.result.good(y):
		r.over, r.lost = true, true
		go r.first.end()
	}
}

// good reports whether a try brought what can be passed on.
func (o *outcome) good(x *exchange) bool { return o.status != 0 && !o.repeatable(x) }

// twin is an exchange of the same request for a try of its own.
func (x *exchange) twin(tried []*endpoint) *exchange {
	y := x.fork(x.route, x.to, x.record.Start)
	y.claims, y.deadline, y.tried, y.drawn = x.claims, x.deadline, tried, x.drawn
	y.record.Trace = x.record.Trace
	return y
}

// giveUp ends a twin that lost.
func (x *exchange) giveUp() {
	x.endTry(policy.Ignored)
	x.drop()
	x.to.service.leave()
}

// leave ends the second try, which nobody wants. The caller holds mu, which it
// gives back.
func (r *race) leave() {
	y, done := r.twin, r.done
	r.over = true
	r.mu.Unlock()
	if r.second.end(); y != nil && done {
		y.giveUp() // else it does so itself, at its end
	}
}

// settleRace decides between the first try, which has ended with o, and the
// second, which may be under way.
func (x *exchange) settleRace(r *race, o outcome) outcome {
	if r.timer != nil {
		r.timer.Stop()
	}
	r.mu.Lock()
	y := r.twin
	if y == nil {
		r.over = true
		x.record.Decisions.HedgeRefused = r.denied
		r.mu.Unlock()
		r.call.Done(o.class, false)
		return o
	}
	x.record.Tries++
	switch {
	case r.lost:
	case o.good(x), o.class == policy.Ignored: // or the client has gone
		r.leave()
		x.addTwin(r, y, false)
		r.call.Done(o.class, false)
		return o
	default: // the second may be better, and is waited for
		r.mu.Unlock()
		x.awaitTwin(r)
		r.mu.Lock()
	}
	r.over = true
	r.mu.Unlock()
	<-r.ended
	x.addTwin(r, y, true)
	x.tried = append(x.tried, y.tried[len(y.tried)-1])
	if !r.result.good(y) {
		if !r.lost {
			y.giveUp()
		}
		r.call.Done(o.class, false)
		return o
	}
	x.to.service.hedges.won.Add(1)
	r.call.Done(r.result.class, true)
	return x.takeOver(y, r.result)
}

// awaitTwin waits for the end of the second try, as long as the client does.
func (x *exchange) awaitTwin(r *race) {
	look := time.NewTicker(lookInterval)
	defer look.Stop()
	for {
		select {
		case <-r.ended:
			return
		case <-look.C:
			if x.client.gone(false) {
				r.second.end()
			}
		}
	}
}

// takeOver makes the twin's try the exchange's own.
func (x *exchange) takeOver(y *exchange, o outcome) outcome {
	x.endTry(policy.Ignored)
	x.drop()
	x.upstream, x.response, x.asked = y.upstream, y.response, y.asked
	x.began, x.late, x.forgiven, x.stood = y.began, y.late, y.forgiven, x.stood || y.stood
	x.reached = x.reached || y.reached
	x.record.Endpoint, x.record.FirstByte = y.record.Endpoint, time.Since(x.record.Start)
	y.upstream, y.asked = nil, choice{}
	y.to.service.leave()
	if !x.stood {
		x.room.Answered()
	}
	return o
}

// hedgeCounts are those of a service, whichever of its routes hedges.
type hedgeCounts struct{ started, won, refused atomic.Uint64 }

// HedgeStatus counts the second tries of a service's requests.
type HedgeStatus struct {
	// Started is how many there were, Won how many of them gave the answer, and
	// Refused how many were not started for want of budget.
	Started uint64 `json:"started"`
	Won     uint64 `json:"won"`
	Refused uint64 `json:"refused"`
}

// status is nil where nothing was hedged.
func (c *hedgeCounts) status() *HedgeStatus {
	st := HedgeStatus{c.started.Load(), c.won.Load(), c.refused.Load()}
	if st == (HedgeStatus{}) {
		return nil
	}
	return &st
}

// hedgeOf is a service's hedge; one without is there, and not asked.
func hedgeOf(c *ServiceConfig) policy.HedgeConfig {
	if c.Hedge == nil {
		return policy.HedgeConfig{}
	}
	return *c.Hedge
}
