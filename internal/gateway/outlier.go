package gateway

import (
	"slices"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// outlierSpan is how far back endpoints are compared.
const outlierSpan = 10 * time.Second

// watchOutliers compares the service's endpoints, listens for those that have
// become silent, and ejects outliers.
func (s *service) watchOutliers() {
	histories, doubts := map[*endpoint]*history{}, doubts{}
	var samples []sample
	var load brownout
	var shed uint64
	last, doubtful := time.Now(), false
	due := last.Add(s.config.Load().Outlier.Interval)
	for {
		wait, doubted := max(time.Until(due), 0), s.doubted
		if doubtful {
			wait, doubted = min(wait, silenceInterval), nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-s.ctx.Done():
			timer.Stop()
			return
		case <-doubted:
			timer.Stop()
			doubtful = true
			continue
		case <-timer.C:
		}
		now, c := time.Now(), s.config.Load()
		if now.Sub(last) > wait+2*c.Outlier.Interval {
			// Afloat itself stood still: whatever looks slow now is its own fault.
			clear(histories)
			clear(doubts)
			last, due, samples, doubtful = now, now.Add(c.Outlier.Interval), nil, false
			continue
		}
		if !now.Before(due) {
			samples = s.compare(histories, c.Outlier)
			s.judgeLoad(&load, &shed, now, c.BrownoutAfter)
			for _, e := range *s.endpoints.Load() {
				e.pool.prune(c.IdleTimeout)
			}
			due = now.Add(c.Outlier.Interval)
		}
		s.listen(samples, doubts, c)
		doubtful = len(doubts) > 0
		last = time.Now() // all that may have taken a while
	}
}

// compare takes a sample of every endpoint and trips the breakers of outliers.
func (s *service) compare(histories map[*endpoint]*history, c OutlierConfig) []sample {
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
		if !e.undoubted() {
			h.marks = h.marks[:0]
			continue
		}
		h.add(e.counts.now())
		v := h.recent(uint64(c.MinimumCalls), c.Interval)
		v.endpoint = e
		samples = append(samples, v)
	}
	s.slowLimit.Store(int64(slowLimit(samples, c)))
	if c.Disabled {
		return nil
	}
	room := ejectable(len(all), len(samples), float64(c.EjectedMax))
	for _, v := range outliers(samples, c) {
		if room <= 0 {
			break
		}
		room--
		s.eject(v)
	}
	return samples
}

// undoubted reports whether the endpoint is in use without reservation.
func (e *endpoint) undoubted() bool {
	return e.usable() && e.breaker.State() == policy.BreakerClosed
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
