package policy

import (
	"math"
	"sync/atomic"
	"time"
)

// scale is how a RateLimit follows a load.
type scale struct {
	of   func() float64 // nil: it follows none
	next atomic.Int64   // when of may be asked again

	whole RateLimitConfig // guarded by set: what a scale of 1 allows
	share float64         // guarded by set: the latest answer
}

const (
	scaleEvery = 100 * time.Millisecond
	shareMin   = 0.01
)

// follow asks how much is allowed, unless another call did so just before.
func (l *RateLimit) follow(t time.Duration) {
	s := &l.scale
	next := s.next.Load()
	if int64(t) < next || !s.next.CompareAndSwap(next, int64(t+scaleEvery)) {
		return
	}
	share := s.of()
	if math.IsNaN(share) {
		return
	}
	l.set.Lock()
	defer l.set.Unlock()
	s.share = min(max(share, shareMin), 1)
	l.apply(s.config())
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
