package gateway

import "time"

// warmthMin is the share of its weight that an endpoint begins with.
const warmthMin = 0.1

// begin lets the endpoint, which came or came back beside others, begin with
// little where the service says so, and forget how slow it was.
func (e *endpoint) begin(others []*endpoint) {
	now := max(int64(time.Since(clock)), 1)
	e.warming.Store(now)
	e.service.begun.Store(now)
	e.expect(others)
}

// warmth is the share of its weight that the endpoint is to get now: it grows
// in proportion to the time since it came or came back.
func (e *endpoint) warmth(now time.Duration) float64 {
	since := e.warming.Load()
	if since == 0 {
		return 1
	}
	passed, window := now-time.Duration(since), e.service.config.Load().Warmup
	if passed >= window {
		e.warming.CompareAndSwap(since, 0)
		return 1
	}
	return max(float64(passed)/float64(window), warmthMin)
}

// share is the endpoint's weight as configured.
func (e *endpoint) share() int { return e.settings.Load().Weight }

// weight is what the endpoint weighs beside the others now.
func (e *endpoint) weight(now time.Duration) float64 { return float64(e.share()) * e.warmth(now) }
