package signal

import (
	"sync/atomic"

	"github.com/afloat-dev/afloat/internal/gateway"
)

// tallyMax bounds the services that are counted beyond those with a window.
const tallyMax = 10_000

// tally counts the requests to a service that has no window of its own: whether
// it works at all is to be known of each.
type tally struct {
	shards []tallyShard
	idle   int // ticks in a row without a place in the status
}

// tallyShard is a part of the clients, as a [windowShard] is.
type tallyShard struct {
	requests, failed, harmed atomic.Uint64
	_                        [40]byte
}

// tally returns what counts a service's requests, or nil where there are too
// many. The caller holds mu.
func (w *Window) tally(service string) *tally {
	t := w.crowd[service]
	if t == nil && len(w.crowd) < tallyMax {
		t = &tally{shards: make([]tallyShard, w.mask+1)}
		w.crowd[service] = t
	}
	return t
}

// crowdRequests counts the requests of one route and a service that has no
// window of its own.
type crowdRequests struct {
	windowRequests
	tally []tallyShard
}

// Request counts a request that has ended.
func (c *crowdRequests) Request(r *gateway.Record) {
	shard := &c.tally[r.Client.Port()&c.mask]
	shard.requests.Add(1)
	if r.Failed() {
		shard.failed.Add(1)
		if !r.Reason.OfClient() {
			shard.harmed.Add(1)
		}
	}
	c.windowRequests.Request(r)
}

// addTo adds what was counted.
func (t *tally) addTo(total *ServiceTotal) {
	for i := range t.shards {
		// Failures first: each is counted after its request.
		total.Harmed += t.shards[i].harmed.Load()
		total.Failed += t.shards[i].failed.Load()
		total.Requests += t.shards[i].requests.Load()
	}
}
