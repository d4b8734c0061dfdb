package gateway

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// memory guards against the want of it.
type memory struct {
	config  atomic.Pointer[MemoryConfig] // nil before the first
	limit   atomic.Int64                 // 0: none
	level   atomic.Int32                 // a scarcity
	refused atomic.Uint64
}

// scarcity is whom there is not enough for.
type scarcity int32

const (
	plenty      scarcity = iota
	lowRefused           // low and sheddable requests are refused
	mostRefused          // and all others but critical ones
)

func (s scarcity) String() string {
	return [...]string{"enough", "low_refused", "most_refused"}[s]
}

// bars reports whether requests of a priority are refused.
func (s scarcity) bars(p policy.Priority) bool {
	switch p {
	case policy.PriorityCritical:
		return false
	case policy.PriorityLow, policy.PrioritySheddable:
		return s >= lowRefused
	}
	return s >= mostRefused
}

const (
	// memoryInterval is how often the memory in use is looked at.
	memoryInterval = 50 * time.Millisecond
	// collectInterval is how often it is found out what is in use, while
	// requests are refused: without them there may be no other reason to.
	collectInterval = time.Second
	// collectedShare of the limit is where Go begins to collect garbage however
	// much that costs.
	collectedShare = 0.95
)

// set begins to guard as configured. Unless GOMEMLIMIT says otherwise, Go is to
// collect its garbage before it comes near the limit: what is left is in use.
func (m *memory) set(c MemoryConfig) {
	c = c.WithDefaults()
	limit := c.limit()
	m.config.Store(&c)
	m.limit.Store(limit)
	collectAt := goLimit
	if limit > 0 && limit != goLimit {
		collectAt = min(goLimit, int64(collectedShare*float64(limit)))
	}
	debug.SetMemoryLimit(collectAt)
}

// watch looks at the memory in use until ctx ends.
func (m *memory) watch(ctx context.Context, o Observer) {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	tick := time.NewTicker(memoryInterval)
	defer tick.Stop()
	collected := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if m.level.Load() > 0 && time.Since(collected) > collectInterval {
			runtime.GC()
			collected = time.Now()
		}
		metrics.Read(samples)
		used := int64(0)
		for _, s := range samples {
			if s.Value.Kind() == metrics.KindUint64 {
				used += int64(s.Value.Uint64())
			}
		}
		m.judge(used, o)
	}
}

// judge sets the level by what is in use.
func (m *memory) judge(used int64, o Observer) {
	c, limit := m.config.Load(), m.limit.Load()
	level := plenty
	switch share := policy.Ratio(float64(used) / float64(max(limit, 1))); {
	case c == nil || limit == 0:
	case share >= c.AllAt:
		level = mostRefused
	case share >= c.LowAt:
		level = lowRefused
	}
	if old := scarcity(m.level.Swap(int32(level))); old != level {
		o.Event(Event{Time: time.Now(), Kind: EventMemory, From: old.String(), To: level.String(),
			Why: fmt.Sprintf("%d MiB of %d MiB are in use", used>>20, limit>>20)})
	}
}

// errMemory is why a request was refused.
var errMemory = &policy.Rejected{Policy: "memory", Reason: policy.ErrOverloaded, RetryAfter: time.Second}

// scarce refuses a request for which there is no memory.
func (x *exchange) scarce(m *memory) (keep bool) {
	m.refused.Add(1)
	x.fellBack = true // another service would need as much
	return x.reject(503, ReasonMemory, "Afloat is short of memory", errMemory)
}

// MemoryStatus is how much memory there is, and for whom.
type MemoryStatus struct {
	// LimitBytes is 0 without a limit.
	LimitBytes int64 `json:"limitBytes"`
	// State is "enough", "low_refused" or "most_refused".
	State   string `json:"state"`
	Refused uint64 `json:"refused"`
}

func (m *memory) status() MemoryStatus {
	return MemoryStatus{LimitBytes: m.limit.Load(), State: scarcity(m.level.Load()).String(), Refused: m.refused.Load()}
}
