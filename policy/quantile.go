package policy

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// quantile estimates a quantile of how long the last one to two thousand calls
// took. It counts them in buckets that are a sixteenth of a power of two wide,
// as G. Tene's HdrHistogram does, in two generations of which the older is
// dropped: an estimate is at most 7% too long.
type quantile struct {
	value atomic.Int64 // the last estimate; 0 when too little is known

	mu      sync.Mutex
	counts  [2][quantileBuckets]uint32 // guarded, as all below
	totals  [2]int
	current int
}

const (
	// quantileSteps is how many buckets a power of two has.
	quantileSteps, stepBits = 16, 4
	// quantileBuckets reaches beyond durationMax.
	quantileBuckets = (47 - stepBits + 1) * quantileSteps
	// quantileCalls is how many calls make a generation, quantileKnown how many
	// the first estimate needs, and quantileEvery how many each further one.
	quantileCalls, quantileKnown, quantileEvery = 1000, 100, 25
)

// add counts one call, of which share is the quantile that is wanted.
func (q *quantile) add(took time.Duration, share float64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.totals[q.current] == quantileCalls {
		q.current = 1 - q.current
		q.counts[q.current], q.totals[q.current] = [quantileBuckets]uint32{}, 0
	}
	q.counts[q.current][quantileBucket(took)]++
	q.totals[q.current]++
	if total := q.totals[0] + q.totals[1]; total >= quantileKnown && total%quantileEvery == 0 {
		q.value.Store(int64(q.find(share * float64(total))))
	}
}

// find returns how long the calls up to that rank took at most. The caller
// holds mu.
func (q *quantile) find(rank float64) time.Duration {
	below := 0.0
	for i := range quantileBuckets {
		if below += float64(q.counts[0][i] + q.counts[1][i]); below >= rank {
			return quantileUpTo(i)
		}
	}
	return durationMax
}

// quantileBucket is the bucket of a duration, and quantileUpTo the longest
// duration of a bucket.
func quantileBucket(d time.Duration) int {
	n := uint64(min(max(d, 0), durationMax))
	if n < quantileSteps {
		return int(n)
	}
	octave := bits.Len64(n) - 1 - stepBits
	return (octave+1)*quantileSteps + int(n>>octave)%quantileSteps
}

func quantileUpTo(bucket int) time.Duration {
	octave, step := bucket/quantileSteps-1, bucket%quantileSteps
	if octave < 0 {
		return time.Duration(step)
	}
	return time.Duration(quantileSteps+step+1)<<octave - 1
}
