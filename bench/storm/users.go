package main

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/afloat-dev/afloat/internal/capacity"
)

const (
	// patience is how long users wait for an answer.
	patience = time.Second
	// try is how long one try of a gateway may take.
	try = 300 * time.Millisecond
)

// class is a kind of users.
type class int

const (
	// reads ask with GET, which a gateway may send again.
	reads class = iota
	// writes ask with POST, which it may not once a replica could have it.
	writes
	// critical ask with GET, and say that they come first.
	critical
	classes // how many there are
)

// users send requests that come independently of each other, whether or not
// earlier ones were answered.
type users struct {
	recorder  *capacity.Recorder
	generator *capacity.Generator
	rate      float64
	phase     *capacity.Phase
}

// newUsers makes users of a class. In a round, those of all gateways come in
// the same moments.
func (c class) newUsers(address string, s *storm, round int) (*users, error) {
	u := &users{recorder: capacity.NewRecorder(), rate: c.rate(s)}
	load := capacity.Load{
		Targets:     []string{"http://" + address + "/"},
		Rate:        u.rate,
		Arrival:     capacity.Poisson,
		Seed:        uint64(round*int(classes)) + uint64(c),
		Timeout:     patience,
		Repeats:     s.repeats,
		Connections: 8192,
		InFlightMax: 8192,
	}
	switch c {
	case writes:
		load.Method, load.Body = http.MethodPost, []byte("{\"buy\": 1}\n")
	case critical:
		load.Header = http.Header{"X-Priority": {"critical"}}
	}
	var err error
	u.generator, err = capacity.NewGenerator(load, u.recorder)
	return u, err
}

// rate is how many requests a second a storm's users of a class send before
// the fault.
func (c class) rate(s *storm) float64 {
	switch c {
	case reads:
		return s.rate * (1 - s.writes)
	case writes:
		return s.rate * s.writes
	}
	return s.critical
}

// crowd is all users of a trial, by class; nil where there are none.
type crowd struct {
	all     [classes]*users
	serving sync.WaitGroup
}

func newCrowd(address string, s *storm, round int) (*crowd, error) {
	c := &crowd{}
	for i := range classes {
		if i.rate(s) == 0 {
			continue
		}
		var err error
		if c.all[i], err = i.newUsers(address, s, round); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// each does something with the users of each class that there is.
func (c *crowd) each(do func(class, *users)) {
	for i, u := range c.all {
		if u != nil {
			do(class(i), u)
		}
	}
}

func (c *crowd) start(ctx context.Context) {
	c.each(func(_ class, u *users) {
		c.serving.Go(func() { _ = u.generator.Serve(ctx) }) // fails only when it served before
	})
}

// surge multiplies the rate of those who do not come first.
func (c *crowd) surge(factor float64) {
	c.each(func(i class, u *users) {
		if i != critical {
			u.generator.SetRate(factor * u.rate)
		}
	})
}

// count begins to count what users get, anew.
func (c *crowd) count(name string) {
	c.each(func(_ class, u *users) { u.phase = u.recorder.Phase(name) })
}

// endCount counts no request that begins from now on.
func (c *crowd) endCount() {
	c.each(func(_ class, u *users) { u.phase.End() })
}

// figures are what was counted.
type figures [classes]capacity.Stats

func (c *crowd) figures() (f figures) {
	c.each(func(i class, u *users) { f[i] = u.phase.Stats() })
	return f
}

// sum adds up one figure of all classes.
func (f *figures) sum(of func(capacity.Stats) uint64) (n uint64) {
	for _, s := range f {
		n += of(s)
	}
	return n
}

func (f *figures) requests() uint64 {
	return f.sum(func(s capacity.Stats) uint64 { return s.Requests })
}
func (f *figures) pending() uint64 { return f.sum(func(s capacity.Stats) uint64 { return s.Pending }) }
func (f *figures) failed() uint64  { return f.sum(failed) }

func failed(s capacity.Stats) uint64 { return s.Requests - s.Pending - s.OK }

// lag is how late the load was: one request in a hundred, and at most.
func (f *figures) lag() (p99, most time.Duration) {
	for _, s := range f {
		p99, most = max(p99, s.Lag.P99), max(most, s.Lag.Max)
	}
	return p99, most
}

// wellAfter is how long after a moment users who do not come first were well,
// if that was seen.
func (c *crowd) wellAfter(then time.Time, h capacity.Healthy) (after time.Duration, seen bool) {
	seen = true
	c.each(func(i class, u *users) {
		one, known := u.recorder.HealedAfter(then, h)
		after = max(after, one)
		seen = seen && (known || i == critical)
	})
	return after, seen
}

// stop ends the load, with what is under way.
func (c *crowd) stop() {
	c.each(func(_ class, u *users) { u.generator.Stop() })
	c.serving.Wait()
}

// pause waits, and reports whether ctx still goes on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
