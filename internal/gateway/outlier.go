package gateway

import (
	"slices"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// outlierSpan is how far back endpoints are compared.
const outlierSpan = 10 * time.Second

// hangMin is how long an endpoint must have been silent to be taken for hung.
const hangMin = 250 * time.Millisecond

// watchOutliers compares the service's endpoints and ejects outliers.
func (s *service) watchOutliers() {
	histories := map[*endpoint]*history{}
	last := time.Now()
	var load brownout
	var shed uint64
	for {
		c := s.config.Load()
		timer := time.NewTimer(c.Outlier.Interval)
		select {
		case <-s.ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		now := time.Now()
		stalled := now.Sub(last) > 3*c.Outlier.Interval
		last = now
		if stalled {
			// Afloat itself stood still: whatever looks slow now is its own fault.
			clear(histories)
			continue
		}
		s.compare(histories, c.Outlier)
		s.judgeLoad(&load, &shed, now, c.BrownoutAfter)
		for _, e := range *s.endpoints.Load() {
			e.pool.prune(c.IdleTimeout)
		}
		last = time.Now() // comparing may have taken a while
	}
}

// compare takes a sample of every endpoint and trips the breakers of outliers.
func (s *service) compare(histories map[*endpoint]*history, c OutlierConfig) {
	all := *s.endpoints.Load()
	for e := range histories {
		if !slices.Contains(all, e) {
			delete(histories, e)
		}
	}
	samples := make([]sample, 0, len(all))
	for _, e := range all {
		h := histories[e]
		if h == nil {
			h = &history{keep: max(int(outlierSpan/c.Interval), 1)}
			histories[e] = h
		}
		if !e.usable() || e.breaker.Status().State != policy.BreakerClosed {
			h.marks = h.marks[:0]
			continue
		}
		h.add(e.counts.now())
		v := h.recent(uint64(c.MinimumCalls), c.Interval)
		v.endpoint = e
		v.silent, v.owing, v.waiting = e.silent(), e.owing(), e.waiting.Load()
		samples = append(samples, v)
	}
	s.slowLimit.Store(int64(slowLimit(samples, c)))
	if c.Disabled {
		return
	}
	room := ejectable(len(all), len(samples), float64(c.EjectedMax))
	for _, v := range outliers(samples, c) {
		if room <= 0 {
			return
		}
		if v.mute && !s.confirmHang(&v) {
			continue
		}
		room--
		s.eject(v)
	}
}

// ejectable is how many more of all endpoints may be ejected while so many are
// in use: the share allowed, at least one, and never the last.
func ejectable(all, used int, share float64) int {
	most := max(int(share*float64(all)), 1)
	return min(most-(all-used), used-1)
}

func (s *service) eject(v sample) {
	s.event(EventEjected, v.endpoint, "up", "ejected", v.why)
	v.endpoint.breaker.Trip(v.why)
	v.endpoint.slowly.Store(v.slowly)
	if v.hangs {
		v.endpoint.hung.Store(int64(time.Since(clock)))
	}
}

// confirmHang asks an endpoint that answers none of its requests for its
// health, where it has a path for that: it may just have long ones, and with
// one or two of them nothing else tells the difference.
func (s *service) confirmHang(v *sample) bool {
	c := s.config.Load().Health
	if !c.asks() {
		return v.hangs
	}
	c.Timeout = min(c.Timeout, 2*hangMin)
	begun := time.Now()
	v.hangs = v.endpoint.check(s.ctx, c) != nil && !s.lag.stalledSince(begun, time.Now())
	return v.hangs
}
