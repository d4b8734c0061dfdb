package gateway

import (
	"math"
	"sync/atomic"
	"time"
)

// peakEWMA takes the endpoint at which a request would wait the shortest, as
// its latency and the requests under way there let expect. Among few endpoints
// it looks at all, and among many or with weights at two of them.
type peakEWMA struct {
	endpoints []*endpoint
	even      bool // they weigh the same
}

func (b peakEWMA) pick(w wish) *endpoint {
	if len(b.endpoints) <= scanMax {
		if e, even := scan(b.endpoints, &w, (*endpoint).cost); even {
			return e
		}
	}
	first, second := two(b.endpoints, b.even, &w)
	if second != nil && second.cost(w.now) < first.cost(w.now) {
		return second
	}
	return first
}

// cost is how long a request would wait at the endpoint. What
// it owes counts from a few requests on: it takes as many to find a hang.
func (e *endpoint) cost(now time.Duration) float64 {
	latency := max(e.peak.at(now), latencyLeast)
	if owing, owed := e.owing(); owed >= fewest {
		latency = max(latency, owing.Seconds())
	}
	return latency * (e.load(now) + 1)
}

// expect lets an endpoint that came, or came back, seem as slow as the others:
// one that seemed the fastest would get all requests, and one that seemed as it
// was before it was taken out none.
func (e *endpoint) expect(all []*endpoint) {
	now, sum, n := time.Since(clock), 0.0, 0
	for _, other := range all {
		if other != e && other.usable() {
			sum += other.peak.at(now)
			n++
		}
	}
	e.peak.forget(time.Duration(sum/float64(max(n, 1))*float64(time.Second)), now)
}

const (
	// latencyLeast is the latency in seconds below which endpoints are alike,
	// and that of one that nothing is known of.
	latencyLeast = 100e-6
	// peakMemory is how long a peak of the latency is remembered.
	peakMemory = 10 * time.Second
)

// peak is a moving mean of a latency that follows a rise at once and a fall
// slowly, and that fades while nothing is heard. Its decay is by time, not by
// the number of samples. See Twitter's Finagle, load balancer "Peak EWMA".
type peak struct {
	value atomic.Uint64 // bits of a float64, in seconds
	heard atomic.Int64  // when last, in nanoseconds of clock
}

// at is the value now.
func (p *peak) at(now time.Duration) float64 {
	value := math.Float64frombits(p.value.Load())
	if silent := now - time.Duration(p.heard.Load()); value > 0 && silent > peakMemory/1000 {
		value *= math.Exp(-float64(silent) / float64(peakMemory))
	}
	return value
}

// hold takes a sample that may raise the value and does not lower it: an
// endpoint that fails fast must not look like a fast one.
func (p *peak) hold(took, now time.Duration) {
	p.observe(max(took, time.Duration(p.at(now)*float64(time.Second))), now)
}

// forget begins anew with a value.
func (p *peak) forget(value, now time.Duration) {
	p.value.Store(0)
	p.observe(value, now)
}

// observe takes a sample. A lost race loses one of two.
func (p *peak) observe(took, now time.Duration) {
	sample, value := took.Seconds(), math.Float64frombits(p.value.Load())
	if sample < value {
		keep := math.Exp(-float64(now-time.Duration(p.heard.Load())) / float64(peakMemory))
		sample = min(value, keep*value+(1-keep)*sample)
	}
	p.value.Store(math.Float64bits(sample))
	p.heard.Store(int64(now))
}
