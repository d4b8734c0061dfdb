package gateway

import (
	"errors"
	"math"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// endpoint is one address of a service: its health, its breaker, what it has
// done so far, and the connections to it.
type endpoint struct {
	address  string
	addrPort netip.AddrPort // the same; zero for a name
	hash     uint64         // of the address
	settings atomic.Pointer[EndpointConfig]
	// configured is the weight that settings have without a lever; guarded by the
	// service's mu.
	configured int
	service    *service
	breaker    *policy.Breaker
	observer   TryObserver
	pool       pool

	inFlight atomic.Int64
	counts   counts
	// answered is when the last response began, in nanoseconds of clock.
	answered atomic.Int64
	// waiting is how many tries wait for their response to begin, and
	// waitingSince when the first of them did, in nanoseconds of clock.
	waiting, waitingSince atomic.Int64
	// unanswered is how many tries waited in vain since the last answer, and
	// unansweredSince when the first of them began to.
	unanswered, unansweredSince atomic.Int64
	// latency is a moving mean of the time until a response began, as the bits
	// of a float64 in seconds.
	latency   atomic.Uint64
	peak      peak
	lastError atomic.Pointer[string]

	down     atomic.Bool
	hung     atomic.Int64 // when it was last found to hang, in nanoseconds of clock
	slowly   atomic.Bool  // ejected because it was slow, and not let back in yet
	draining atomic.Bool
	// passedOver is since when requests that may not be sent again have not probed
	// it, in nanoseconds of clock; 0: none was there since its last try.
	passedOver atomic.Int64
	refusing   atomic.Bool   // the last connection to it failed
	warming    atomic.Int64  // since when, in nanoseconds of clock; 0: it is warm
	gone       chan struct{} // closed when the endpoint is removed
	ask        chan struct{} // wakes the health check of an endpoint in doubt

	mu    sync.Mutex
	since time.Time // of the present state; guarded
	why   string    // of the present state; guarded
}

// counts only grow; their differences over time are what outliers are found by.
type counts struct{ tries, failures, slow, nanoseconds atomic.Uint64 }

func newEndpoint(s *service, set EndpointConfig) *endpoint {
	address := set.Address
	e := &endpoint{
		address:  address,
		hash:     hashOf(address),
		service:  s,
		observer: s.observer.Endpoint(s.name, address),
		gone:     make(chan struct{}),
		ask:      make(chan struct{}, 1),
		since:    time.Now(),
	}
	e.addrPort, _ = netip.ParseAddrPort(address)
	e.settings.Store(&set)
	c := s.config.Load().Breaker
	c.Name, c.Observer = s.name+" "+address, e.breakerChanged
	e.breaker, _ = policy.NewBreaker(c) // validated with the service
	e.pool.endpoint = e
	return e
}

// usable reports whether the endpoint may get requests now.
func (e *endpoint) usable() bool {
	return !e.down.Load() && !e.draining.Load() && e.breaker.Ready()
}

// mayServe reports whether the endpoint may do some of its work although it is
// not usable: it accepts connections, and is not to be left alone.
func (e *endpoint) mayServe() bool {
	return !e.refusing.Load() && !e.draining.Load() && !e.breaker.Status().Forced
}

// await counts a try that begins to wait for its response.
func (e *endpoint) await() {
	if e.waiting.Load() == 0 {
		e.waitingSince.Store(int64(time.Since(clock)))
	}
	e.waiting.Add(1)
}

// silent is how long the endpoint has answered nothing.
func (e *endpoint) silent() time.Duration {
	return time.Since(clock) - time.Duration(e.answered.Load())
}

// owing is how long it has answered nothing although a request was waiting, and
// to how many.
func (e *endpoint) owing() (since time.Duration, requests int64) {
	now := int64(time.Since(clock))
	waiting, unanswered, began := e.waiting.Load(), e.unanswered.Load(), now
	if waiting > 0 {
		began = e.waitingSince.Load()
	}
	if unanswered > 0 {
		began = min(began, e.unansweredSince.Load())
	}
	return time.Duration(now - max(began, e.answered.Load())), waiting + unanswered
}

// hangsSince reports whether the endpoint was found to hang after start, when a
// try began, and has answered nobody since. A later try, as a probe of its
// breaker, is to show whether it still does.
func (e *endpoint) hangsSince(start time.Time) bool {
	found := e.hung.Load()
	return found > int64(start.Sub(clock)) && e.answered.Load() < found
}

// latencyDecay is the weight of the newest sample of the moving mean.
const latencyDecay = 0.1

// tried records how a try ended that began took before now. Late is what
// [endpoint.overdue] has counted of it already.
func (e *endpoint) tried(class policy.Class, now time.Time, took, late time.Duration, err error) {
	if class == policy.Ignored {
		return
	}
	e.counts.nanoseconds.Add(uint64(took - late))
	if late == 0 {
		e.counts.tries.Add(1)
		if e.tooSlow(took) {
			e.counts.slow.Add(1)
		}
	}
	if class == policy.Failure {
		e.counts.failures.Add(1)
		if err != nil {
			text := err.Error()
			e.lastError.Store(&text)
		}
		if errors.Is(err, errTimeout) {
			e.waitedInVain(now.Add(-took))
		}
		e.peak.hold(took, now.Sub(clock))
	} else {
		e.noteAnswer(now, took)
	}
	e.observer.Try(class, took)
}

// waitedInVain notes a try that began at start and was not answered in time.
func (e *endpoint) waitedInVain(start time.Time) {
	if e.unanswered.Add(1) == 1 {
		e.unansweredSince.Store(int64(start.Sub(clock)))
	}
	e.service.doubt()
}

// failedLate makes a failure of a try that was counted as good when its response
// began.
func (e *endpoint) failedLate(err error) {
	e.counts.failures.Add(1)
	text := err.Error()
	e.lastError.Store(&text)
}

// overdue counts a try that still waits as a slow one, if it is: an endpoint
// that has become slow is found out before it has answered. It returns how
// much of the try's time it has counted.
func (e *endpoint) overdue(waited time.Duration) time.Duration {
	if !e.tooSlow(waited) {
		return 0
	}
	e.counts.tries.Add(1)
	e.counts.slow.Add(1)
	e.counts.nanoseconds.Add(uint64(waited))
	return waited
}

// tooSlow reports whether a try takes much longer than those at the service's
// endpoints do.
func (e *endpoint) tooSlow(took time.Duration) bool {
	limit := e.service.slowLimit.Load()
	return limit > 0 && int64(took) > limit
}

func (e *endpoint) noteAnswer(now time.Time, took time.Duration) {
	e.answered.Store(int64(now.Sub(clock)))
	if e.unanswered.Load() > 0 {
		e.unanswered.Store(0)
	}
	e.peak.observe(took, now.Sub(clock))
	mean := math.Float64frombits(e.latency.Load())
	if mean == 0 {
		mean = took.Seconds()
	}
	mean += latencyDecay * (took.Seconds() - mean) // a lost race loses one sample
	e.latency.Store(math.Float64bits(mean))
}

// clock is where the times of answered begin.
var clock = time.Now()

// later is the time now, told by what has passed since a time before: time.Now
// reads the wall clock as well, which costs as much again.
func later(before time.Time) time.Time { return before.Add(time.Since(before)) }

// markDown takes the endpoint out until a health check says that it is back.
func (e *endpoint) markDown(why string) {
	if !e.down.CompareAndSwap(false, true) {
		return
	}
	e.setState(why)
	e.service.event(EventDown, e, "up", "down", why)
	select {
	case e.ask <- struct{}{}:
	default:
	}
}

// markUp puts the endpoint back. A breaker that opened meanwhile is closed:
// what opened it is over.
func (e *endpoint) markUp(why string) {
	if !e.down.CompareAndSwap(true, false) {
		return
	}
	e.pool.speaks.Store(speaksUnknown) // it may have been replaced
	e.setState("")
	e.begin(*e.service.endpoints.Load())
	e.service.event(EventUp, e, "down", "up", why)
	e.breaker.Close(why)
}

func (e *endpoint) breakerChanged(ev policy.Event) {
	if ev.Kind != policy.EventState {
		return // refused requests are counted elsewhere
	}
	e.setState(ev.Why)
	if ev.To == policy.BreakerClosed.String() {
		e.setState("")
		e.begin(*e.service.endpoints.Load())
		e.slowly.Store(false)
	}
	e.service.event(EventBreaker, e, ev.From, ev.To, ev.Why)
}

func (e *endpoint) setState(why string) {
	e.mu.Lock()
	e.since, e.why = time.Now(), why
	e.mu.Unlock()
}

// remove ends the endpoint: its health check and its idle connections. Requests
// under way go on.
func (e *endpoint) remove() {
	e.draining.Store(true)
	close(e.gone)
	e.pool.close()
}

// quiet reports whether no request is under way.
func (e *endpoint) quiet() bool { return e.inFlight.Load() == 0 }

func (e *endpoint) status() EndpointStatus {
	b := e.breaker.Status()
	e.mu.Lock()
	since, why := e.since, e.why
	e.mu.Unlock()
	s := EndpointStatus{
		Address:           e.address,
		State:             "up",
		Why:               why,
		SinceSeconds:      time.Since(since).Seconds(),
		Breaker:           b.State.String(),
		RetryAfterSeconds: b.RetryAfter.Seconds(),
		InFlight:          int(e.inFlight.Load()),
		Idle:              e.pool.idleCount(),
		Requests:          e.counts.tries.Load(),
		Failures:          e.counts.failures.Load(),
		LatencySeconds:    math.Float64frombits(e.latency.Load()),
	}
	if last := e.lastError.Load(); last != nil {
		s.LastError = *last
	}
	switch {
	case e.draining.Load():
		s.State = "draining"
	case e.down.Load():
		s.State = "down"
	case b.Isolated:
		s.State = "isolated"
	case b.State == policy.BreakerOpen:
		s.State = "ejected"
	case b.State == policy.BreakerHalfOpen || b.State == policy.BreakerRampingUp:
		s.State = "probing"
	}
	return s
}
