package policy

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// scale is how a limit follows a load.
type scale struct {
	of   func() float64 // nil: it follows none
	next atomic.Int64   // when of may be asked again

	whole RateLimitConfig // guarded by set: what a scale of 1 allows
	share float64         // guarded by set: the latest answer

	course course // guarded by set
}

const (
	scaleEvery = 100 * time.Millisecond
	shareMin   = 0.01
)

// begin has the limit be whole until of is asked.
func (s *scale) begin(of func() float64) { s.of, s.share = of, 1 }

// set changes what a scale of 1 allows. The caller holds the limit's set.
func (s *scale) set(whole RateLimitConfig) {
	s.whole = whole
	s.course.told = whole.Requests * s.share
}

// follow asks how much is allowed, unless another call did so just before, and
// applies the answer under the lock.
func (s *scale) follow(t time.Duration, e *events, set *sync.Mutex, apply func(RateLimitConfig)) {
	next := s.next.Load()
	if int64(t) < next || !s.next.CompareAndSwap(next, int64(t+scaleEvery)) {
		return
	}
	share := s.of()
	if math.IsNaN(share) {
		return
	}
	defer e.flush()
	set.Lock()
	defer set.Unlock()
	s.share = min(max(share, shareMin), 1)
	c := s.config()
	apply(c)
	s.course.follow(e, t, c.Requests, "the load leaves room for "+Ratio(s.share).String())
}

// config is what is allowed of the whole at the moment.
func (s *scale) config() RateLimitConfig {
	c := s.whole
	if s.share == 1 {
		return c
	}
	c.Requests *= s.share
	if c.Algorithm.windowed() {
		c.Requests = max(math.Round(c.Requests), 1)
	} else {
		c.Burst = max(int(float64(c.Burst)*s.share), 1)
	}
	return c
}
