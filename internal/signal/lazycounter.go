package signal

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// lazyCounter is a counter that is made when it is first needed.
type lazyCounter struct{ atomic.Pointer[counter] }

// counter is a pointer's worth of a [prometheus.Counter].
type counter struct {
	prometheus.Counter
	vector *prometheus.CounterVec
	labels []string
}

// make makes a counter of the route, by what it counts beside. Once the route
// has been removed, nobody is told of it.
func (m *requestMetrics) make(at *lazyCounter, vector *prometheus.CounterVec, by ...string) *counter {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := at.Load(); c != nil {
		return c // another was faster
	}
	c := &counter{vector: vector, labels: append([]string{m.route, m.service}, by...)}
	if m.removed {
		c.Counter = prometheus.NewCounter(prometheus.CounterOpts{Name: "afloat_removed"})
	} else {
		c.Counter = vector.WithLabelValues(c.labels...)
	}
	at.Store(c)
	return c
}

// remove deletes all series of the route. What is under way there may go on to
// count.
func (m *requestMetrics) remove() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.removed = true
	m.vectors.remove(m.route, m.service)
	for _, all := range [][]lazyCounter{m.codes[:], m.failures[:], m.calls[:]} {
		for i := range all {
			all[i].remove()
		}
	}
	m.fallbacks.remove()
}

func (l *lazyCounter) remove() {
	if c := l.Load(); c != nil {
		c.vector.DeleteLabelValues(c.labels...)
	}
}
