package policy

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Kinds of events. Those of a policy's state are told one by one; those of what
// happens to calls are told together: see [Observer].
const (
	// EventState: a breaker has changed its state.
	EventState = "state"
	// EventLimit: an adaptive limit, or a rate limit that follows a load, has
	// changed by a quarter or more. It is told at most once a second.
	EventLimit = "limit"

	// EventRejected: a call was refused. Err is the reason, such as [ErrOpen].
	EventRejected = "rejected"
	// EventRetry: a try failed with Err, and Attempt begins after Wait.
	EventRetry = "retry"
	// EventStopped: a call that failed is not repeated. Err is why not, such
	// as [ErrBudget], and Attempt how many tries there were.
	EventStopped = "stopped"
	// EventTimeout: a call took longer than its Timeout.
	EventTimeout = "timeout"
	// EventAbandoned: a detached function goes on without its caller.
	EventAbandoned = "abandoned"
	// EventHedge: a slow call was started once more, as try Attempt.
	EventHedge = "hedge"
	// EventHedgeWon: a try beside the first was the first to succeed.
	EventHedgeWon = "hedge-won"
	// EventHedgeRefused: a slow call was not started once more. Err is why.
	EventHedgeRefused = "hedge-refused"
	// EventFallback: a result of class Class, with Err, was replaced.
	EventFallback = "fallback"
	// EventFallbackFailed: it was to be, and the replacement is no success.
	EventFallbackFailed = "fallback-failed"
	// EventStale: an old answer was given. Err is the failure that it stands
	// in for, nil where a new answer is on its way.
	EventStale = "stale"
	// EventRefreshFailed: the answer that was on its way is a failure.
	EventRefreshFailed = "refresh-failed"
	// EventEvicted: an answer, or a key's breaker, had to go.
	EventEvicted = "evicted"
	// EventJoined: a call waits for another one of the same key.
	EventJoined = "joined"
	// EventDelayed: a call was held back for Wait on purpose.
	EventDelayed = "delayed"
	// EventAborted: a call was failed with Err on purpose.
	EventAborted = "aborted"
	// EventKeysFull: a call's key found no place among the others.
	EventKeysFull = "keys-full"
	// EventPanic: a function panicked when its caller had gone. Err is the
	// [Panic].
	EventPanic = "panic"
)

// An Event is something that a policy did or noticed. Fields that do not apply
// are zero.
type Event struct {
	// Policy is the kind of policy, such as "breaker"; Name is the one given
	// in its Config.
	Policy, Name string
	// Kind says what happened: one of the constants above.
	Kind string
	// From and To are the states of a change, such as "closed" and "open".
	From, To string
	// Why explains the event in words, with the figures that decided.
	Why string
	// At is when it happened; where it happened to several calls, when that
	// is told.
	At time.Time
	// Count is how many times it happened. Where that is more than once, the
	// fields below are those of one of them.
	Count int
	// Key is the call's, where the policy goes by keys.
	Key string
	// Attempt is the number of a try, 1 for the first.
	Attempt int
	// Wait is how long until the next try begins, or until it may help a
	// refused caller to come again.
	Wait time.Duration
	// Class and Err are of the result that led to the event, or why a call
	// was not made.
	Class Class
	Err   error
	// Dropped is how many events were lost before this one, because the
	// observer was slow.
	Dropped int
}

// LogValue is the event as attributes of a log record, without those that do
// not apply.
func (e Event) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("policy", e.Policy)}
	for _, a := range []struct{ key, value string }{
		{"name", e.Name}, {"kind", e.Kind}, {"from", e.From}, {"to", e.To}, {"key", e.Key},
	} {
		if a.value != "" {
			attrs = append(attrs, slog.String(a.key, a.value))
		}
	}
	for _, a := range []struct {
		key   string
		value int
	}{{"count", e.Count}, {"attempt", e.Attempt}, {"dropped", e.Dropped}} {
		if a.value > 0 {
			attrs = append(attrs, slog.Int(a.key, a.value))
		}
	}
	if e.Wait > 0 {
		attrs = append(attrs, slog.Duration("wait", e.Wait))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("err", e.Err.Error()))
	}
	return slog.GroupValue(append(attrs, slog.String("why", e.Why))...)
}

// An Observer is told of a policy's events, in the order in which they
// happened and one at a time, never under a policy's lock: it may call the
// policy. A panic in it is contained. Policies that share an Observer may call
// it at the same time.
//
// What happens to a policy's state is told one by one. What happens to calls is
// told of the first at once, and then at most once a second for all that
// followed, with their Count: no flood of calls becomes one of events, and the
// counts add up to the number of calls. To be told of each of a call's own, see
// [WithObserver].
//
// An Observer is called by the call that caused the event, and should return
// soon. A slow one keeps no more than one call, and that for one event and a
// millisecond; then a goroutine goes on. At most 256 events wait for it; the
// oldest are dropped, and the next event has their number.
type Observer func(Event)

// Observers returns an Observer that tells each of the given ones, in their
// order, even when one panics. Nil ones are left out; it is nil when all are.
func Observers(observers ...Observer) Observer {
	observers = slices.DeleteFunc(slices.Clone(observers), func(o Observer) bool { return o == nil })
	if len(observers) == 0 {
		return nil
	}
	return func(e Event) {
		for _, o := range observers {
			o.tell(e)
		}
	}
}

// Only returns an Observer of these kinds of events alone; nil for a nil one.
func (o Observer) Only(kinds ...string) Observer {
	if o == nil {
		return nil
	}
	return func(e Event) {
		if slices.Contains(kinds, e.Kind) {
			o(e)
		}
	}
}

// tell contains a panic in the observer: none may fail a call.
func (o Observer) tell(e Event) {
	defer func() { _ = recover() }()
	o(e)
}

// WithObserver returns a context whose calls tell o, one by one, what policies
// decide for them: that the call is refused, repeated, hedged, replaced and so
// on. A tracing program sees the decisions of one call so. States of policies
// are not told, and the innermost WithObserver counts.
//
// It is called while the call runs, never under a policy's lock. Where a policy
// makes several tries of a call at once, those may call it at once.
func WithObserver(ctx context.Context, o Observer) context.Context {
	return context.WithValue(ctx, observerOfCall{}, o)
}

type observerOfCall struct{}

// ObserverOf returns the Observer that [WithObserver] gave the context, or nil.
// Give it to [Observers] beside one of your own, so that both are told.
func ObserverOf(ctx context.Context) Observer {
	o, _ := ctx.Value(observerOfCall{}).(Observer)
	return o
}

// events delivers a policy's events in order and outside its lock: they are
// put under the lock and flushed after it. The zero value drops everything.
type events struct {
	policy, name string
	observer     Observer

	mu        sync.Mutex
	queue     []Event
	dropped   int  // since the last event was taken from the queue
	delivered bool // somebody is delivering
}

const (
	// queueMax bounds the events that wait for a slow observer; the oldest go.
	queueMax = 256
	// deliverMax is how long a call goes on to deliver.
	deliverMax = time.Millisecond
)

// begin makes the events those of a policy.
func (e *events) begin(policy, name string, o Observer) {
	e.policy, e.name, e.observer = policy, name, o
}

func (e *events) put(ev Event) {
	if e.observer == nil {
		return
	}
	ev.Policy, ev.Name, ev.At, ev.Count = e.policy, e.name, time.Now(), max(ev.Count, 1)
	e.mu.Lock()
	if len(e.queue) == queueMax {
		e.queue = e.queue[1:]
		e.dropped++
	}
	e.queue = append(e.queue, ev)
	e.mu.Unlock()
}

// flush delivers what is queued. A caller that finds a delivery under way
// leaves its events to it, so an observer that calls the policy cannot recurse.
func (e *events) flush() {
	if e.observer != nil {
		e.flushQueue()
	}
}

func (e *events) flushQueue() {
	e.mu.Lock()
	mine := !e.delivered && len(e.queue) > 0
	e.delivered = e.delivered || mine
	e.mu.Unlock()
	if mine {
		e.deliver()
	}
}

// deliver tells the observer for as long as a call may be kept, and leaves the
// rest to a goroutine. Not even runtime.Goexit in the observer stops that.
func (e *events) deliver() {
	rest := true
	defer func() {
		if rest {
			go e.deliver()
		}
	}()
	for until := now() + deliverMax; ; {
		ev, ok := e.next()
		if !ok {
			rest = false
			return
		}
		e.observer.tell(ev)
		if now() >= until {
			return
		}
	}
}

// next takes an event from the queue. Without one the delivery is over.
func (e *events) next() (Event, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.queue) == 0 {
		e.delivered = false
		return Event{}, false
	}
	ev := e.queue[0]
	e.queue = e.queue[1:]
	ev.Dropped, e.dropped = e.dropped, 0
	return ev, true
}

// reasonOf is the text of an error that led to an event. A response that is a
// failure has none.
func reasonOf(err error) string {
	if err == nil {
		return "the answer says so"
	}
	return fmt.Sprint(err)
}
