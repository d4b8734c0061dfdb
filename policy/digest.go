package policy

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// digest counts one kind of what happens to calls. It tells the policy's
// observer of the first at once, and then every second of all that followed:
// a flood of calls must not become one of events. Without an observer it costs
// one atomic addition.
type digest struct {
	events *events
	kind   string
	reason error              // the Err of its events, unless they have one
	why    func(Event) string // explains an event; nil where it is explained

	total counter
	state atomic.Int32

	mu     sync.Mutex
	told   uint64 // guarded: of total
	sample Event  // guarded: one of those that were not told
}

const (
	digestIdle    = iota // the next is told at once
	digestTold           // a timer runs, and nothing happened since it was set
	digestSampled        // something did
)

// digestEvery is how often the observer is told.
const digestEvery = time.Second

func (d *digest) begin(e *events, kind string, reason error, why func(Event) string) {
	d.events, d.kind, d.reason, d.why = e, kind, reason, why
}

// happened counts one for a call, and tells the call's own observer as well.
// The caller holds no lock.
func (d *digest) happened(ctx context.Context, e Event) {
	own := ObserverOf(ctx)
	if own != nil {
		mine := d.explained(e)
		mine.Policy, mine.Name, mine.At, mine.Count = d.events.policy, d.events.name, time.Now(), 1
		own.tell(mine)
	}
	d.count(e)
}

// unobserved counts one if that is all there is to do: the event need not even
// be made. Where calls are refused most of them may end here.
func (d *digest) unobserved() bool {
	if d.events.observer != nil {
		return false
	}
	d.total.Add(1)
	return true
}

// count counts one where there is no call's context.
func (d *digest) count(e Event) {
	d.note(1, e)
	d.events.flush()
}

// note counts some and leaves the flush to its caller, who may hold the
// policy's lock.
func (d *digest) note(n int, e Event) {
	d.total.Add(uint64(n))
	// Whoever sees a sample leaves its count to the timer, which reads total
	// after it has taken the sample.
	if d.events.observer == nil || d.state.Load() == digestSampled {
		return
	}
	d.mu.Lock()
	telling := 0
	switch d.state.Load() {
	case digestIdle:
		telling = d.take()
	case digestTold:
		d.sample = e
		d.state.Store(digestSampled)
	}
	d.mu.Unlock()
	d.tell(telling, e)
}

// take is how many the observer is to be told of now. It sets the timer. The
// caller holds mu.
func (d *digest) take() int {
	d.state.Store(digestTold)
	time.AfterFunc(digestEvery, d.again)
	total := d.total.Load()
	n := total - d.told
	d.told = total
	return int(n)
}

// again is the timer's.
func (d *digest) again() {
	d.mu.Lock()
	telling, e := 0, d.sample
	d.sample = Event{}
	if d.state.Load() == digestSampled {
		telling = d.take()
	} else {
		d.state.Store(digestIdle)
	}
	d.mu.Unlock()
	d.tell(telling, e)
	d.events.flush()
}

// tell puts an event of n, unless there are none. To explain it may take the
// methods of the caller's errors, so the caller of tell does not hold mu.
func (d *digest) tell(n int, e Event) {
	if n == 0 {
		return
	}
	e = d.explained(e)
	e.Count = n
	d.events.put(e)
}

func (d *digest) explained(e Event) Event {
	e.Kind = d.kind
	if e.Err == nil {
		e.Err = d.reason
	}
	if e.Why == "" && d.why != nil {
		e.Why = d.explain(e)
	}
	return e
}

// explain contains a panic of an error's own method.
func (d *digest) explain(e Event) (why string) {
	defer func() {
		if v := recover(); v != nil {
			why = fmt.Sprintf("it cannot be explained: %v", v)
		}
	}()
	return d.why(e)
}

// refusals are the calls that a policy refused, with the events of one that
// tells of little else.
type refusals struct {
	events events
	digest
	last lastRejected
}

func (r *refusals) begin(policy, name string, o Observer, reason error, why func(Event) string) {
	r.events.begin(policy, name, o)
	r.digest.begin(&r.events, EventRejected, reason, why)
}

// reject counts a refusal and returns it. RetryAfter is zero when unknown.
func (r *refusals) reject(retryAfter time.Duration) error {
	rejected := r.last.refuse(&r.digest, retryAfter, "", "")
	r.events.flush()
	return rejected
}

// tellRejected tells the observer of a refused call's context of it.
func tellRejected(ctx context.Context, r *Rejected) {
	if own := ObserverOf(ctx); own != nil {
		own.tell(Event{Policy: r.Policy, Name: r.Name, Kind: EventRejected, Why: r.Error(), At: time.Now(), Count: 1,
			Wait: r.RetryAfter, Class: Shed, Err: r.Reason})
	}
}
