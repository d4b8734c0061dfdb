package gateway

import (
	"fmt"
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
		for _, e := range *s.endpoints.Load() {
			e.pool.prune(c.IdleTimeout)
		}
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
	out := 0
	for _, e := range all {
		h := histories[e]
		if h == nil {
			h = &history{keep: int(outlierSpan / c.Interval)}
			histories[e] = h
		}
		if !e.usable() || e.breaker.Status().State != policy.BreakerClosed {
			h.marks = h.marks[:0]
			out++
			continue
		}
		h.add(e.counts.now())
		v := h.recent(uint64(c.MinimumCalls))
		v.endpoint = e
		v.silent, v.owing, v.waiting = e.silent(), e.owing(), e.waiting.Load()
		samples = append(samples, v)
	}
	s.slowLimit.Store(int64(slowLimit(samples, c)))
	if c.Disabled {
		return
	}
	most := int(float64(c.EjectedMax) * float64(len(all)))
	for _, v := range outliers(samples, c) {
		if out++; out > most && out >= len(all) || out > max(most, 1) {
			return
		}
		s.event(EventEjected, v.endpoint, "up", "ejected", v.why)
		v.endpoint.breaker.Trip(v.why)
		if v.hangs {
			v.endpoint.hung.Store(int64(time.Since(clock)))
		}
	}
}

// mark is an endpoint's counts at one moment.
type mark struct{ tries, failures, slow, nanoseconds uint64 }

func (c *counts) now() mark {
	return mark{c.tries.Load(), c.failures.Load(), c.slow.Load(), c.nanoseconds.Load()}
}

// history is an endpoint's counts over the last outlierSpan.
type history struct {
	keep  int
	marks []mark
}

func (h *history) add(m mark) {
	if len(h.marks) > h.keep {
		h.marks = append(h.marks[:0], h.marks[1:]...)
	}
	h.marks = append(h.marks, m)
}

// recent is what happened in the shortest time that holds enough tries: a
// sudden change is not thinned by a long past.
func (h *history) recent(enough uint64) sample {
	last := h.marks[len(h.marks)-1]
	var s sample
	for i := len(h.marks) - 2; i >= 0; i-- {
		m := h.marks[i]
		s.tries, s.failures, s.slow = last.tries-m.tries, last.failures-m.failures, last.slow-m.slow
		if s.tries > 0 {
			s.mean = time.Duration((last.nanoseconds - m.nanoseconds) / s.tries)
		}
		if s.tries >= enough {
			s.enough = true
			break
		}
	}
	return s
}

// sample is what an endpoint did lately.
type sample struct {
	endpoint              *endpoint
	tries, failures, slow uint64
	mean                  time.Duration
	enough                bool          // tries to judge by
	silent                time.Duration // since its last answer
	owing                 time.Duration // of that, with a request waiting
	waiting               int64         // requests
	why                   string        // it is an outlier
	hangs                 bool
}

// slowLimit is the time from which on a response is slow: some way above the
// median of the endpoints' means. With fewer than two it is 0: none.
func slowLimit(samples []sample, c OutlierConfig) time.Duration {
	var means []time.Duration
	for _, s := range samples {
		if s.enough {
			means = append(means, s.mean)
		}
	}
	if len(means) < 2 {
		return 0
	}
	slices.Sort(means)
	median := means[(len(means)-1)/2] // the lower one of two
	return max(time.Duration(c.LatencyFactor*float64(median)), median+c.LatencyMin)
}

// outliers are the samples that are much worse than the rest, with the reason.
// Compared with the rest they must be three times worse, so that a fault that
// all share ejects nobody.
func outliers(samples []sample, c OutlierConfig) []sample {
	const worse = 3
	const fewest = 3 // of anything bad: one or two are chance
	var found []sample
	for i, s := range samples {
		rest := sample{silent: s.silent}
		for j, other := range samples {
			if j != i {
				rest.tries += other.tries
				rest.failures += other.failures
				rest.slow += other.slow
				rest.silent = min(rest.silent, other.silent)
			}
		}
		if rest.tries == 0 {
			continue
		}
		failing, slow := share(s.failures, s.tries), share(s.slow, s.tries)
		switch {
		case s.mute(fewest) && s.owing > worse*rest.silent && rest.silent < hangMin/2:
			s.hangs = s.waiting >= fewest
			s.why = fmt.Sprintf("it has %d requests and has not answered for %v, while the others do", s.waiting, s.owing.Round(time.Millisecond))
		case s.enough && s.failures >= fewest && failing >= float64(c.FailureRate) && failing >= worse*share(rest.failures, rest.tries):
			s.why = fmt.Sprintf("%d of its last %d answers failed, and %.1f%% of the others'", s.failures, s.tries, 100*share(rest.failures, rest.tries))
		case s.enough && slow >= 0.5 && slow >= worse*share(rest.slow, rest.tries):
			s.why = fmt.Sprintf("%d of its last %d answers were much slower than the others': %v in the mean", s.slow, s.tries, s.mean.Round(time.Millisecond))
		default:
			continue
		}
		found = append(found, s)
	}
	return found
}

// mute reports whether the endpoint answers nothing although it owes answers.
// One or two may be long by nature: they take longer to be suspicious, and are
// not broken off for it.
func (s *sample) mute(fewest int64) bool {
	patience := max(hangMin, 8*s.mean)
	if s.waiting < fewest {
		patience *= 4
	}
	return s.waiting > 0 && s.owing > patience
}

func share(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
