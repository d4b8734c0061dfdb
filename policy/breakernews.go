package policy

import "sync/atomic"

// breakerNews is what a breaker, or all of a [KeyedBreaker]'s together, count
// and tell.
type breakerNews struct {
	events                   events
	refused, refusedIsolated digest
	opened                   atomic.Uint64
}

func newBreakerNews(c BreakerConfig) *breakerNews {
	n := new(breakerNews)
	n.events.begin("breaker", c.Name, c.Observer)
	n.refused.begin(&n.events, EventRejected, ErrOpen, nil)
	n.refusedIsolated.begin(&n.events, EventRejected, ErrIsolated, nil)
	return n
}

func (n *breakerNews) rejected() uint64 {
	return n.refused.total.Load() + n.refusedIsolated.total.Load()
}
