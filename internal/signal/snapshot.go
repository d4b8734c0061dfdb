package signal

import (
	"slices"
	"time"
)

// ServiceSignals are the golden signals of a service over some seconds.
type ServiceSignals struct {
	// Service is its name, or empty for the sum of all.
	Service string `json:"service"`
	// Seconds is how long the figures were gathered; 0 when there are none.
	Seconds float64 `json:"seconds"`

	// Requests is how many ended, and Rate how many each second.
	Requests uint64  `json:"requests"`
	Rate     float64 `json:"rate"`
	// Failed is how many failed their user: by an error or by being shed.
	Failed      uint64  `json:"failed"`
	FailedShare float64 `json:"failedShare"`
	// P50Seconds and so on are the quantiles of the time until a request's
	// last byte, failed ones included, since their users waited too.
	P50Seconds float64 `json:"p50Seconds"`
	P95Seconds float64 `json:"p95Seconds"`
	P99Seconds float64 `json:"p99Seconds"`
	// InFlight, Limit and Queued are the last second's; Limit is 0 where there
	// is none.
	InFlight int `json:"inFlight"`
	Limit    int `json:"limit"`
	Queued   int `json:"queued"`
	// Saturation is the highest share of the limit that was in use; above 1
	// when requests were queued too. For the sum, it is the worst service's.
	Saturation float64 `json:"saturation"`
	// FailingSince is since when more than 0.5% of the requests fail, and SlowSince
	// since when the p99 is above three times the usual one and 100 ms; both are
	// judged over 10 s, and zero while it is not so.
	FailingSince time.Time `json:"failingSince,omitzero"`
	SlowSince    time.Time `json:"slowSince,omitzero"`
	// UsualP99Seconds is the p99 of the last quarter of an hour or so in which it
	// was not slow; 0 until that is known.
	UsualP99Seconds float64 `json:"usualP99Seconds,omitempty"`
}

// History is the golden signals of a service, second by second, oldest first.
// A second without requests has a latency of 0.
type History struct {
	// Service is its name, or empty for the sum of all.
	Service string `json:"service"`
	// End is when the last second ended.
	End         time.Time `json:"end"`
	Rate        []float64 `json:"rate"`
	FailedShare []float64 `json:"failedShare"`
	P99Seconds  []float64 `json:"p99Seconds"`
	Saturation  []float64 `json:"saturation"`
}

// Snapshot returns the golden signals of the last seconds, at most five
// minutes: first the sum of all services, then each by name. Requests that no
// route took have no service; they are part of the sum alone.
func (w *Window) Snapshot(last time.Duration) []ServiceSignals {
	w.mu.Lock()
	defer w.mu.Unlock()
	slots := w.recent(last)
	all := ServiceSignals{Seconds: w.took(slots).Seconds()}
	var allCells []cell
	var each []ServiceSignals
	for _, s := range w.sorted() {
		signals := w.signalsOf(s, slots)
		for _, at := range slots {
			allCells = append(allCells, s.past[at].cells...)
		}
		s.course.tell(&signals)
		if s.name != "" {
			each = append(each, signals)
		}
		all.Failed += signals.Failed
		all.InFlight += signals.InFlight
		all.Limit += signals.Limit
		all.Queued += signals.Queued
		all.Saturation = max(all.Saturation, signals.Saturation)
	}
	all.finish(allCells)
	return append([]ServiceSignals{all}, each...)
}

// signalsOf sums up some seconds of a service. The caller holds mu.
func (w *Window) signalsOf(s *serviceWindow, slots []int) ServiceSignals {
	signals := ServiceSignals{Service: s.name, Seconds: w.took(slots).Seconds()}
	w.cells = w.cells[:0]
	for _, at := range slots {
		signals.add(&s.past[at])
		w.cells = append(w.cells, s.past[at].cells...)
	}
	signals.finish(w.cells)
	return signals
}

// took is how long some seconds really were. The caller holds mu.
func (w *Window) took(slots []int) (sum time.Duration) {
	for _, at := range slots {
		sum += w.slots[at].took
	}
	return sum
}

// Histories returns the last seconds one by one, in the order of Snapshot.
func (w *Window) Histories(last time.Duration) []History {
	w.mu.Lock()
	defer w.mu.Unlock()
	slots := w.recent(last)
	services := w.sorted()
	histories := make([]History, 1, 1+len(services))
	for _, s := range services {
		histories = append(histories, History{Service: s.name})
	}
	for _, at := range slots {
		all := ServiceSignals{}
		var allCells []cell
		for i, s := range services {
			signals := ServiceSignals{Seconds: w.slots[at].took.Seconds()}
			signals.add(&s.past[at])
			allCells = append(allCells, s.past[at].cells...)
			signals.finish(slices.Clone(s.past[at].cells))
			histories[1+i].push(w.slots[at].end, signals)
			all.Failed += signals.Failed
			all.Saturation = max(all.Saturation, signals.Saturation)
		}
		all.Seconds = w.slots[at].took.Seconds()
		all.finish(allCells)
		histories[0].push(w.slots[at].end, all)
	}
	if len(services) > 0 && services[0].name == "" {
		histories = slices.Delete(histories, 1, 2)
	}
	return histories
}

// recent lists the slots that cover the last seconds, oldest first. The caller
// holds mu.
func (w *Window) recent(last time.Duration) []int {
	n := int((last + time.Second - 1) / time.Second)
	n = min(max(n, 1), windowSlots, w.ticks)
	slots := make([]int, n)
	for i := range slots {
		slots[i] = (w.ticks - n + i) % windowSlots
	}
	return slots
}

// add adds a second to the figures that are not latencies.
func (s *ServiceSignals) add(second *second) {
	s.Failed += uint64(second.failed)
	s.InFlight, s.Limit, s.Queued = second.inFlight, second.limit, second.queued
	if second.limit > 0 {
		s.Saturation = max(s.Saturation, float64(second.inFlight+second.queued)/float64(second.limit))
	}
}

// finish works out the figures that depend on all seconds. It sorts cells.
func (s *ServiceSignals) finish(cells []cell) {
	cells = merge(cells)
	s.Requests = total(cells)
	if s.Seconds > 0 {
		s.Rate = float64(s.Requests) / s.Seconds
	}
	if s.Requests > 0 {
		// A failure may be counted a moment before its request.
		s.FailedShare = min(float64(s.Failed)/float64(s.Requests), 1)
	}
	s.P50Seconds = quantile(cells, 0.50)
	s.P95Seconds = quantile(cells, 0.95)
	s.P99Seconds = quantile(cells, 0.99)
}

func (h *History) push(end time.Time, s ServiceSignals) {
	h.End = end
	h.Rate = append(h.Rate, s.Rate)
	h.FailedShare = append(h.FailedShare, s.FailedShare)
	h.P99Seconds = append(h.P99Seconds, s.P99Seconds)
	h.Saturation = append(h.Saturation, s.Saturation)
}
