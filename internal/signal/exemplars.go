package signal

import (
	"encoding/hex"
	"math"
	"sync"
	"sync/atomic"
	"time"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/afloat-dev/afloat/internal/gateway"
)

// exemplars are requests whose traces show what a histogram counts: the last of
// each classic bucket. So that they cost nothing, one is taken at most every
// exemplarPause, but for those that took twice as long as the last.
type exemplars struct {
	next  atomic.Int64 // when the next is due, in nanoseconds since 1970
	least atomic.Int64 // what is taken before, in nanoseconds

	mu   sync.Mutex // guards what follows
	kept [len(classicCounts{})]taken
}

// taken is a request that was taken as an example.
type taken struct {
	trace [16]byte
	at    time.Time
	took  time.Duration
}

const exemplarPause = time.Second

// sampled reports whether whoever sent the request keeps its trace, for where
// Afloat itself keeps none.
func sampled(r *gateway.Record) bool { return r.Trace.Sampled }

// offer takes a request as an example if one is due, and its trace is kept.
func (e *exemplars) offer(r *gateway.Record, traced func(*gateway.Record) bool) {
	if !r.Trace.Valid() || !traced(r) {
		return
	}
	at := r.Start.Add(r.Duration)
	now := at.UnixNano()
	if now < e.next.Load() && int64(r.Duration) < e.least.Load() {
		return
	}
	e.next.Store(now + int64(exemplarPause))
	e.least.Store(2 * max(int64(r.Duration), 1))
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kept[bucketFor(r.Duration)] = taken{r.Trace.TraceID, at, r.Duration}
}

func bucketFor(d time.Duration) int {
	for i, bound := range classicBounds {
		if d.Seconds() <= bound {
			return i
		}
	}
	return len(classicBounds)
}

// write adds the examples to both forms of a histogram.
func (e *exemplars) write(h *dto.Histogram) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, k := range e.kept {
		if k.at.IsZero() {
			continue
		}
		example := &dto.Exemplar{
			Label:     []*dto.LabelPair{{Name: ptr("trace_id"), Value: ptr(hex.EncodeToString(k.trace[:]))}},
			Value:     ptr(k.took.Seconds()),
			Timestamp: timestamppb.New(k.at),
		}
		h.Exemplars = append(h.Exemplars, example)
		if i < len(h.Bucket) {
			h.Bucket[i].Exemplar = example
		} else {
			h.Bucket = append(h.Bucket, &dto.Bucket{CumulativeCount: h.SampleCount, UpperBound: ptr(math.Inf(1)), Exemplar: example})
		}
	}
}
