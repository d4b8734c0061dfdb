package capacity

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// slice is how long a rate holds before it is asked for again. Shorter ones
	// would mostly cost wake-ups.
	slice = 50 * time.Millisecond
	// drainEvery is how often the end of what is in flight is looked for.
	drainEvery = 5 * time.Millisecond
)

// A Generator sends a [Load] and records what becomes of it. It runs once.
//
//	Serve: schedule ─▶ launch ─▶ pool ─▶ conn ──▶ target
//	                                      │
//	       sweep (timeouts) ─▶ Recorder ◀─┘
//
// The schedule's goroutine writes requests itself; a connection's goroutine
// only reads. So no request is handed from goroutine to goroutine on its way
// out, and a connection that the target closes is noticed while it is idle.
type Generator struct {
	load  Load
	rec   *Recorder
	pools []*pool
	rate  atomic.Uint64 // bits of a float64
	ran   atomic.Bool

	stop     chan struct{}
	stopOnce sync.Once
	readers  sync.WaitGroup

	mu       sync.Mutex // guards what follows, the pools and their conns
	inFlight int
	closed   bool
}

// NewGenerator returns a Generator that records into rec. The error names
// everything that is wrong with the load.
func NewGenerator(load Load, rec *Recorder) (*Generator, error) {
	load, err := load.withDefaults()
	problems := []error{err}
	g := &Generator{load: load, rec: rec, stop: make(chan struct{})}
	for _, raw := range load.Targets {
		t, err := load.targetOf(raw)
		problems = append(problems, err)
		g.pools = append(g.pools, newPool(g, t))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	g.SetRate(load.Rate)
	return g, nil
}

// SetRate changes the number of requests due a second from now on, as far as
// Load.RateAt is not set. Rates below 0 and NaN count as 0, above a million as
// a million.
func (g *Generator) SetRate(rps float64) {
	g.rate.Store(math.Float64bits(rps))
}

// Stop ends the load: nothing more becomes due, what is in flight may end, and
// Serve returns.
func (g *Generator) Stop() {
	g.stopOnce.Do(func() { close(g.stop) })
}

// Serve sends the load until its duration is over or Stop is called, waits for
// what is in flight, at most the load's timeout for each of its tries, and
// returns nil. At the end of
// the context it returns at once, also with nil; what was in flight then is
// Abandoned. A second call is an error.
func (g *Generator) Serve(ctx context.Context) error {
	if g.ran.Swap(true) {
		return errors.New("load: generator ran already")
	}
	swept := make(chan struct{})
	sweeping, stopSweeping := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(swept)
		g.sweep(sweeping)
	}()
	g.drive(ctx)
	g.drain(ctx)
	g.close()
	stopSweeping()
	<-swept
	g.readers.Wait()
	return nil
}

// drive launches requests when they are due.
func (g *Generator) drive(ctx context.Context) {
	start := time.Now()
	sched := newSchedule(g.load.Arrival, g.load.Seed)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for turn, from := 0, time.Duration(0); ; from += slice {
		if !g.await(ctx, timer, start.Add(from)) {
			return
		}
		until := from + slice
		if g.load.Duration > 0 {
			if from >= g.load.Duration {
				return
			}
			until = min(until, g.load.Duration)
		}
		rate := g.rateAt(from)
		for {
			offset, more := sched.next(rate, until)
			if !more {
				break
			}
			due := start.Add(offset)
			if !g.await(ctx, timer, due) {
				return
			}
			g.launch(g.pools[turn%len(g.pools)], due)
			turn++
		}
	}
}

func (g *Generator) rateAt(elapsed time.Duration) float64 {
	if g.load.RateAt != nil {
		return g.load.RateAt(elapsed)
	}
	return math.Float64frombits(g.rate.Load())
}

// await waits for a moment; it reports false if the load ends before.
func (g *Generator) await(ctx context.Context, timer *time.Timer, moment time.Time) bool {
	wait := time.Until(moment)
	if wait <= 0 { // at thousands a second most are due already, and a timer for each would cost more than they do
		select {
		case <-ctx.Done():
			return false
		case <-g.stop:
			return false
		default:
			return true
		}
	}
	timer.Reset(wait)
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-g.stop:
	}
	return false
}

// launch sends a request that is due, queues it, or counts it as an overrun.
func (g *Generator) launch(p *pool, due time.Time) {
	now := time.Now()
	r := request{entry: g.rec.begin(due, now), deadline: due.Add(g.load.Timeout), repeats: g.load.Repeats}
	g.mu.Lock()
	if g.inFlight >= g.load.InFlightMax || !now.Before(r.deadline) {
		g.mu.Unlock()
		g.rec.end(r.entry, overrun, now)
		return
	}
	g.inFlight++
	c := p.assign(r)
	g.mu.Unlock()
	if c != nil {
		c.send()
	}
}

// drain waits for what is in flight. Every try ends by its deadline.
func (g *Generator) drain(ctx context.Context) {
	ticker := time.NewTicker(drainEvery)
	defer ticker.Stop()
	for {
		g.mu.Lock()
		left := g.inFlight
		g.mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// sweep ends requests whose time is over, at most a twentieth of the timeout
// late. One pass over the connections now and then is much cheaper than a timer
// for every request.
func (g *Generator) sweep(ctx context.Context) {
	ticker := time.NewTicker(min(max(g.load.Timeout/20, 5*time.Millisecond), 50*time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Now()
		var expired []entry
		var next []*conn
		g.mu.Lock()
		for _, p := range g.pools {
			expired, next = p.expire(now, expired, next)
		}
		g.inFlight -= len(expired)
		g.mu.Unlock()
		for _, c := range next {
			c.send()
		}
		for _, e := range expired {
			g.rec.end(e, timedOut, now)
		}
	}
}

// close closes every connection and abandons what is in flight.
func (g *Generator) close() {
	now := time.Now()
	var left []entry
	g.mu.Lock()
	g.closed = true
	for _, p := range g.pools {
		left = p.close(left)
	}
	g.inFlight -= len(left)
	g.mu.Unlock()
	for _, e := range left {
		g.rec.end(e, abandoned, now)
	}
}
