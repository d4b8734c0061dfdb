package policy

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// Panic is what a function panicked with on a goroutine that a [Timeout], a
// [Hedge] or a [Singleflight] started for it. The policy panics with it again,
// on the goroutine of its caller, or of each of its callers.
type Panic struct {
	// Value is what the function panicked with.
	Value any
	// Stack is where it did.
	Stack []byte
}

func (p *Panic) Error() string { return fmt.Sprintf("%v\n\n%s", p.Value, p.Stack) }

// Unwrap returns Value if it is an error, else nil.
func (p *Panic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// detached runs the tries of one call on goroutines of their own. The caller
// receives from ends for as long as it likes, then leaves; whatever comes
// after that is discarded. Its methods but for run are the caller's.
type detached struct {
	ends       chan tryEnd // has room for every try
	stragglers *stragglers
	counted    *atomic.Int64 // of those that run, one less at each end; nil: not counted

	mu      sync.Mutex
	running int
	left    bool
}

// tryEnd is how a try ended.
type tryEnd struct {
	try      int
	result   Result
	panicked *Panic
	exited   bool // by runtime.Goexit
}

// stragglers are the tries of a policy that nobody waits for any longer, with
// the policy's events.
type stragglers struct {
	count  atomic.Int64
	events events
	panics digest
}

func (s *stragglers) begin(policy, name string, o Observer) {
	s.events.begin(policy, name, o)
	s.panics.begin(&s.events, EventPanic, nil, func(e Event) string { return e.Err.Error() })
}

func newDetached(s *stragglers, tries int) *detached {
	return &detached{ends: make(chan tryEnd, tries), stragglers: s}
}

// start begins the try of the given number.
func (d *detached) start(ctx context.Context, next Next, try int) {
	d.mu.Lock()
	d.running++
	d.mu.Unlock()
	go d.run(ctx, next, try)
}

func (d *detached) run(ctx context.Context, next Next, try int) {
	o := tryEnd{try: try, exited: true}
	defer func() {
		if v := recover(); v != nil {
			o.exited, o.panicked = false, panicOf(v)
		}
		d.deliver(o)
	}()
	o.result = next.Do(ctx)
	o.exited = false
}

func panicOf(v any) *Panic {
	if p, ok := v.(*Panic); ok {
		return p // of a policy further in, with the stack that matters
	}
	return &Panic{Value: v, Stack: debug.Stack()}
}

func (d *detached) deliver(o tryEnd) {
	d.mu.Lock()
	d.running--
	left := d.left
	if d.counted != nil {
		d.counted.Add(-1) // before its caller goes on
	}
	if !left {
		d.ends <- o
	}
	d.mu.Unlock()
	if left {
		defer d.stragglers.count.Add(-1)
		d.stragglers.drop(o)
	}
}

// leave ends the waiting: what came already is discarded, and what is still to
// come will be.
func (d *detached) leave() {
	d.mu.Lock()
	d.left = true
	d.stragglers.count.Add(int64(d.running))
	d.mu.Unlock()
	for {
		select {
		case o := <-d.ends:
			d.stragglers.drop(o)
		default:
			return
		}
	}
}

// drop discards the end of a try that has no caller. A panic, of the function or of
// what closes its result, must not end the process: the observer is told.
func (s *stragglers) drop(o tryEnd) {
	defer func() {
		if v := recover(); v != nil {
			s.panics.count(Event{Err: panicOf(v), Class: Failure})
		}
	}()
	if o.panicked != nil {
		s.panics.count(Event{Err: o.panicked, Class: Failure})
		return
	}
	o.result.Discard()
}

// raise repeats a panic or runtime.Goexit on the caller's goroutine.
func (o tryEnd) raise() {
	switch {
	case o.panicked != nil:
		panic(o.panicked)
	case o.exited:
		runtime.Goexit()
	}
}

// IsDetached reports whether calls return at the deadline though their function
// goes on.
func (t *Timeout) IsDetached() bool { return t.detached }
