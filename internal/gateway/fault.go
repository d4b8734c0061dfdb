package gateway

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// fault is a FaultConfig in force. It ends by itself: whoever has set it may be
// gone by then.
type fault struct {
	set    FaultConfig
	policy *policy.Fault
	match  []matcher
	ends   time.Time // by itself; zero: never

	closed, reset, slowed atomic.Uint64
}

func newFault(c FaultConfig) *fault {
	f := &fault{set: c, ends: c.Until}
	if end := time.Now().Add(c.For); c.For > 0 && (f.ends.IsZero() || end.Before(f.ends)) {
		f.ends = end
	}
	f.policy, _ = policy.NewFault(c.FaultConfig) // validated before
	for _, m := range c.Match {
		f.match = append(f.match, newMatcher(m))
	}
	return f
}

// over reports whether the fault has ended.
func (f *fault) over() bool {
	return !f.ends.IsZero() && !time.Now().Before(f.ends)
}

// hits reports whether the fault is meant for requests like this one.
func (f *fault) hits(x *exchange) bool {
	return !f.over() && (len(f.match) == 0 || slices.ContainsFunc(f.match, func(m matcher) bool { return m.matches(x) }))
}

// faultFor is the one that may hit the request: rather one that was injected into
// the running route than the one of its configuration.
func (r *route) faultFor(x *exchange) *fault {
	for _, f := range [...]*fault{r.injected.Load(), r.fault} {
		if f != nil && f.hits(x) {
			return f
		}
	}
	return nil
}

// cut is a way to end a connection without an answer.
type cut int

const (
	notCut cut = iota
	cutClose
	cutReset
)

// draw is what becomes of one request or try.
func (f *fault) draw() (delay time.Duration, c cut, abort bool) {
	delay, abort = f.policy.Decide()
	switch {
	case abort:
	case drawn(f.set.Close):
		f.closed.Add(1)
		return delay, cutClose, false
	case drawn(f.set.Reset):
		f.reset.Add(1)
		return delay, cutReset, false
	}
	return delay, notCut, abort
}

// drawPace is how the body of one response comes.
func (f *fault) drawPace() pace {
	if !drawn(f.set.Body.Share) {
		return pace{}
	}
	f.slowed.Add(1)
	return pace{pause: f.set.Body.Pause, rate: f.set.Body.BytesPerSecond}
}

func drawn(share policy.Ratio) bool { return share > 0 && rand.Float64() < float64(share) }

// injectFault spoils the request where the route says so.
func (x *exchange) injectFault() (keep, done bool) {
	if x.route.fault == nil && x.route.injected.Load() == nil {
		return false, false
	}
	f := x.route.faultFor(x)
	if f == nil {
		return false, false
	}
	if len(f.set.Endpoints) > 0 {
		x.fault = f // the tries are spoilt
		return false, false
	}
	delay, c, abort := f.draw()
	switch {
	case delay > 0 && !x.pause(delay):
		return x.clientGone(), true
	case c != notCut:
		x.cutOff(c)
		return false, true
	case abort:
		return x.refuse(f.policy.AbortStatus(), ReasonFault, "a fault was injected"), true
	}
	x.pace = f.drawPace()
	return false, false
}

// cutOff ends the exchange without an answer.
func (x *exchange) cutOff(c cut) {
	if c == cutReset {
		x.client.reset()
	} else {
		x.client.abort()
	}
	x.record.Reason = ReasonFault
	x.done()
}

// spoilTry spoils the try where the fault is one of its endpoint. The policies
// take what comes of it for the endpoint's doing.
func (x *exchange) spoilTry(e *endpoint, start time.Time) (o outcome, done bool) {
	x.pace = pace{}
	f := x.fault
	if f == nil || f.over() || !slices.Contains(f.set.Endpoints, e.address) {
		return outcome{}, false
	}
	delay, c, abort := f.draw()
	if err := x.hold(e, start, delay); err != nil {
		return x.failed(err), true
	}
	switch {
	case c != notCut:
		return outcome{class: policy.Failure, reason: ReasonFault, err: policy.ErrInjected, sent: true}, true
	case abort:
		o = outcome{class: policy.Success, reason: ReasonFault, injected: f.policy.AbortStatus(), sent: true}
		if o.injected >= 500 {
			o.class, o.err = policy.Failure, statusError(o.injected)
		}
		return o, true
	}
	x.pace = f.drawPace()
	return outcome{}, false
}

// hold waits as for a response that does not come.
func (x *exchange) hold(e *endpoint, start time.Time, d time.Duration) error {
	now := time.Now()
	until, end := now.Add(d), now.Add(x.tryLeft(start, now))
	for now.Before(until) {
		time.Sleep(min(lookInterval, until.Sub(now), max(end.Sub(now), 1)))
		now = time.Now()
		if err := x.look(e, now, end); err != nil {
			return err
		}
	}
	return nil
}

// FaultStatus is a fault and what it has done.
type FaultStatus struct {
	Route string `json:"route"`
	// Injected is set where it is not part of the configuration.
	Injected bool `json:"injected"`
	// Over is set when its time is up.
	Over bool `json:"over"`
	// Ends is when it does by itself; zero: never.
	Ends time.Time `json:"ends,omitzero"`
	// How often it did what.
	Delayed uint64 `json:"delayed"`
	Aborted uint64 `json:"aborted"`
	Closed  uint64 `json:"closed"`
	Reset   uint64 `json:"reset"`
	Slowed  uint64 `json:"slowed"`
}

func (f *fault) status() FaultStatus {
	st := f.policy.Status()
	return FaultStatus{
		Over: f.over(), Delayed: st.Delayed, Aborted: st.Aborted,
		Closed: f.closed.Load(), Reset: f.reset.Load(), Slowed: f.slowed.Load(),
		Ends: f.ends,
	}
}
