package policy

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
)

// SingleflightConfig configures a [Singleflight]. Zero fields take the default
// beside them.
type SingleflightConfig struct {
	// Name is what events call the policy.
	Name string `yaml:"-"`
	// Key says what a call asks for. Calls of one key must ask for the same
	// and return the same type. Default [Key].
	Key KeyFunc `yaml:"-"`
	// FlightsMax is how many shared calls may run at once, those included
	// that nobody waits for any longer; beyond it each call runs for itself.
	// Default 10000.
	FlightsMax int `yaml:"flightsMax"`
	// Observer is told of calls that join another one, and of panics that come
	// too late to reach a caller.
	Observer Observer `yaml:"-"`
}

// Validate returns a [FieldError] for each field that cannot be used, joined.
func (c SingleflightConfig) Validate() error {
	var p problems
	p.unless(c.FlightsMax >= 0 && c.FlightsMax <= placesMax, "flightsMax", "want 0 to %d, got %d", placesMax, c.FlightsMax)
	return p.join()
}

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c SingleflightConfig) WithDefaults() SingleflightConfig {
	c.Key = orKey(c.Key)
	setDefault(&c.FlightsMax, 10_000)
	return c
}

// Singleflight lets concurrent calls of one key share one execution, so that a
// crowd that misses the same answer asks for it once. The name and the idea
// are from Go's groupcache; see also golang.org/x/sync/singleflight.
//
// A caller's context ends the caller's wait alone. The shared call runs with
// the values of the context of whoever came first, without its deadline, and
// is cancelled when nobody waits any more. A panic or runtime.Goexit of the
// shared call reaches every caller that waits for it.
//
// A result that only one can use, because it is open (see [Open]) or an
// io.Closer, goes to one of the callers; the others then run for themselves.
// A function that calls itself with its own key waits for ever.
type Singleflight struct {
	config     atomic.Pointer[SingleflightConfig]
	stragglers stragglers // its events alone are used
	led        atomic.Uint64
	joined     digest
	alone      atomic.Uint64

	mu      sync.Mutex
	flights map[string]*flight // guarded: those that a call may join
	running int                // guarded: all that have not ended
}

// flight is one shared call.
type flight struct {
	key    string
	done   chan struct{} // closed once end is set; nil while only one is aboard who runs it
	cancel context.CancelFunc

	waiters int // guarded by the policy's mu; 0 is the end of the flight's use
	end     tryEnd
	landed  bool // guarded: end is set
	taken   bool // guarded: an end that only one can use is in use
}

// NewSingleflight returns a Singleflight, or the problems of its Config.
func NewSingleflight(c SingleflightConfig) (*Singleflight, error) {
	s := &Singleflight{flights: make(map[string]*flight)}
	s.begin("singleflight", c.Name, c.Observer)
	if err := s.Set(c); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Singleflight) begin(policy, name string, o Observer) {
	s.stragglers.begin(policy, name, o)
	s.joined.begin(&s.stragglers.events, EventJoined, nil, func(Event) string { return "a call of the same key is under way" })
}

// Set changes the configuration for calls to come. Name and Observer stay as
// they were.
func (s *Singleflight) Set(c SingleflightConfig) error {
	if err := c.Validate(); err != nil {
		return err
	}
	c = c.WithDefaults()
	s.config.Store(&c)
	return nil
}

// Forget makes the next call of the key run anew, although one may be under
// way. Those who wait for that one still get its result.
func (s *Singleflight) Forget(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.flights, key)
}

// forgetAll is Forget for every key.
func (s *Singleflight) forgetAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.flights)
}

// SingleflightStatus counts what a Singleflight has done, for people.
type SingleflightStatus struct {
	// Led calls ran and could be shared, Joined ones waited for one of those,
	// and Alone ones ran for themselves: without a key, beyond FlightsMax, or
	// after a result that only one could use.
	Led, Joined, Alone uint64
	// Running is how many shared calls run now.
	Running int
}

// Status reports the counts. It changes nothing.
func (s *Singleflight) Status() SingleflightStatus {
	s.mu.Lock()
	running := s.running
	s.mu.Unlock()
	return SingleflightStatus{Led: s.led.Load(), Joined: s.joined.total.Load(), Alone: s.alone.Load(), Running: running}
}

// Do makes the call, or waits for one of the same key that is under way.
func (s *Singleflight) Do(ctx context.Context, next Next) Result {
	return s.share(ctx, s.config.Load().Key(ctx), next)
}

// share is Do for a key that is known.
func (s *Singleflight) share(ctx context.Context, key string, next Next) Result {
	if err := ctx.Err(); err != nil {
		return ended(ctx, err)
	}
	f, leads := s.board(key, ctx.Done() != nil)
	if f == nil {
		s.alone.Add(1)
		return next.Do(ctx)
	}
	if !leads {
		s.joined.happened(ctx, Event{Key: key})
		return s.wait(ctx, f, next)
	}
	s.led.Add(1)
	if ctx.Done() == nil { // this caller cannot leave: it may as well run the call
		f.cancel = func() {}
		s.fly(ctx, f, next)
		return s.receive(ctx, f, next)
	}
	within, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f.cancel = cancel
	go s.fly(within, f, next)
	return s.wait(ctx, f, next)
}

// board returns the key's flight and counts the caller among those who wait
// for it. If leads is set, the flight is new and the caller's to run, and waits
// whether it needs to be told of the end. It returns nil when the call cannot
// be shared.
func (s *Singleflight) board(key string, waits bool) (f *flight, leads bool) {
	if key == "" {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.flights[key]; f != nil {
		f.waiters++
		if f.done == nil {
			f.done = make(chan struct{})
		}
		return f, false
	}
	if s.running >= s.config.Load().FlightsMax {
		return nil, false
	}
	s.running++
	f = &flight{key: key, waiters: 1}
	if waits {
		f.done = make(chan struct{})
	}
	s.flights[key] = f
	return f, true
}

// fly runs the shared call and tells everybody how it ended.
func (s *Singleflight) fly(ctx context.Context, f *flight, next Next) {
	end := tryEnd{exited: true}
	defer func() {
		if v := recover(); v != nil {
			end.exited, end.panicked = false, panicOf(v)
		}
		s.land(f, end)
	}()
	end.result = next.Do(ctx)
	end.exited = false
}

func (s *Singleflight) land(f *flight, end tryEnd) {
	s.mu.Lock()
	s.running--
	s.remove(f)
	f.end, f.landed = end, true
	unwanted := f.waiters == 0
	if f.done != nil {
		close(f.done)
	}
	s.mu.Unlock()
	if end.result.Open() {
		end.result.AtEnd(func(Class) { f.cancel() })
	} else {
		f.cancel()
	}
	if unwanted {
		s.stragglers.drop(end)
	}
}

// remove takes the flight off the board, unless another has its key by now.
// The caller holds mu.
func (s *Singleflight) remove(f *flight) {
	if s.flights[f.key] == f {
		delete(s.flights, f.key)
	}
}

// wait returns the flight's result, or the end of the caller's own context.
func (s *Singleflight) wait(ctx context.Context, f *flight, next Next) Result {
	select {
	case <-f.done:
	case <-ctx.Done():
		s.leave(f)
		return ended(ctx, ctx.Err())
	}
	return s.receive(ctx, f, next)
}

// receive returns the result of a flight that has ended, or runs the call once
// more where only one can use it and another has it.
func (s *Singleflight) receive(ctx context.Context, f *flight, next Next) Result {
	f.end.raise()
	r := f.end.result
	if shareable(r) {
		return r
	}
	if !s.take(f) {
		s.alone.Add(1)
		return next.Do(ctx)
	}
	if r.Open() { // from now on it is this caller's
		stop := context.AfterFunc(ctx, f.cancel)
		r.AtEnd(func(Class) { stop() })
	}
	return r
}

// leave ends a caller's wait. The last one to leave ends the call.
func (s *Singleflight) leave(f *flight) {
	s.mu.Lock()
	f.waiters--
	last := f.waiters == 0
	unclaimed := last && f.landed && !f.taken
	if last {
		s.remove(f) // who comes now must not join a call that is cancelled
	}
	s.mu.Unlock()
	if last {
		f.cancel()
	}
	if unclaimed {
		s.stragglers.drop(f.end)
	}
}

// take makes the result that only one can use the caller's.
func (s *Singleflight) take(f *flight) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !f.taken
	f.taken = true
	return first
}

// shareable reports whether several callers may have the result.
func shareable(r Result) bool {
	_, closes := r.Value.(io.Closer)
	return !r.Open() && (!closes || r.Err != nil)
}

// ended is the Result of a call whose context ended before it could run.
func ended(ctx context.Context, err error) Result {
	class, _ := Classify(ctx, nil, err)
	return Result{Err: err, Class: class}
}
