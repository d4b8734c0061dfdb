package capacity

import "time"

// LagMax is the generator's lag above which its figures are no longer only
// about the target; see [Stats.Behind].
const LagMax = 20 * time.Millisecond

// Stats says what became of the requests whose start was due in one stretch of
// time. Every request due is in Requests and in exactly one of OK, Status4xx,
// Shed, Failed, Overrun, Abandoned and Pending.
type Stats struct {
	Start    time.Time     // when the stretch began
	Duration time.Duration // how long it lasted, up to now if it still runs

	Requests  uint64 // due, whether or not they could be sent
	OK        uint64 // answered below 400
	Status4xx uint64 // answered 400 to 499 other than 429: the request's fault, neither failed nor goodput
	Shed      uint64 // answered 429 or 503: refused on purpose
	Failed    uint64 // the sum of the next three
	Status5xx uint64 // answered 500 and above other than 503
	Timeouts  uint64 // no full answer within the timeout
	Broken    uint64 // no connection, connection lost, or an answer that is not HTTP
	Overrun   uint64 // never sent, since too many were in flight or the generator was too late
	Abandoned uint64 // in flight when the run was cancelled
	Pending   uint64 // in flight now

	// Latency is counted from the moment a request was due, not from the moment
	// it was sent (no coordinated omission). It covers answers other than shed,
	// timeouts, and broken connections, each until the moment that it ended.
	Latency Quantiles
	// LatencyOK covers the requests in OK alone.
	LatencyOK Quantiles
	// Lag is how much later than due the generator got to the requests.
	Lag Quantiles
}

// Quantiles are the median and the tail of a set of durations, at most 1/32
// too high; Max is exact. All are zero for an empty set.
type Quantiles struct {
	P50, P90, P99, Max time.Duration
}

// Rate returns the requests due a second.
func (s Stats) Rate() float64 { return s.perSecond(s.Requests) }

// Goodput returns the requests answered well a second.
func (s Stats) Goodput() float64 { return s.perSecond(s.OK) }

// FailureShare returns the share, 0 to 1, of requests that failed or were
// overrun, out of those whose end is known. Shed requests are not failures.
func (s Stats) FailureShare() float64 { return s.share(s.Failed + s.Overrun) }

// ShedShare returns the share, 0 to 1, of requests that were refused on
// purpose, out of those whose end is known.
func (s Stats) ShedShare() float64 { return s.share(s.Shed) }

// Behind reports whether the generator itself was too slow: one request in a
// hundred was started more than [LagMax] late. Latencies then include the
// generator's own delay and must not be blamed on the target.
func (s Stats) Behind() bool { return s.Lag.P99 > LagMax }

func (s Stats) perSecond(n uint64) float64 {
	if s.Duration <= 0 {
		return 0
	}
	return float64(n) / s.Duration.Seconds()
}

func (s Stats) share(n uint64) float64 {
	known := s.Requests - s.Pending - s.Abandoned
	if known == 0 {
		return 0
	}
	return float64(n) / float64(known)
}

// outcome is how one request ended.
type outcome int

const (
	ok outcome = iota
	status4xx
	shed
	status5xx
	timedOut
	broken
	overrun
	abandoned
	outcomes // how many there are
)

// outcomeOf classifies the status of an answer.
func outcomeOf(status int) outcome {
	switch {
	case status == 429, status == 503:
		return shed
	case status >= 500:
		return status5xx
	case status >= 400:
		return status4xx
	}
	return ok
}

// A tally gathers requests; it is Stats in the making.
type tally struct {
	started uint64
	ended   [outcomes]uint64
	all     histogram // latency of what counts in Stats.Latency
	good    histogram // latency of ok
	lag     histogram
}

func (t *tally) begin(lag time.Duration) {
	t.started++
	t.lag.record(lag)
}

func (t *tally) end(o outcome, latency time.Duration) {
	t.ended[o]++
	switch o {
	case shed, overrun, abandoned:
		return
	case ok:
		t.good.record(latency)
	}
	t.all.record(latency)
}

func (t *tally) merge(other *tally) {
	t.started += other.started
	for o, n := range other.ended {
		t.ended[o] += n
	}
	t.all.merge(&other.all)
	t.good.merge(&other.good)
	t.lag.merge(&other.lag)
}

func (t *tally) stats(start time.Time, duration time.Duration) Stats {
	s := Stats{
		Start:     start,
		Duration:  duration,
		Requests:  t.started,
		OK:        t.ended[ok],
		Status4xx: t.ended[status4xx],
		Shed:      t.ended[shed],
		Failed:    t.ended[status5xx] + t.ended[timedOut] + t.ended[broken],
		Status5xx: t.ended[status5xx],
		Timeouts:  t.ended[timedOut],
		Broken:    t.ended[broken],
		Overrun:   t.ended[overrun],
		Abandoned: t.ended[abandoned],
		Pending:   t.started,
		Latency:   t.all.quantiles(),
		LatencyOK: t.good.quantiles(),
		Lag:       t.lag.quantiles(),
	}
	for _, n := range t.ended {
		s.Pending -= n
	}
	return s
}

func (h *histogram) quantiles() Quantiles {
	return Quantiles{P50: h.quantile(0.50), P90: h.quantile(0.90), P99: h.quantile(0.99), Max: h.max}
}
