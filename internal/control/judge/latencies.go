package judge

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Latencies are kept in buckets of which 32 make a doubling, so that a bound is
// 2.2% wide, from 1 µs to 35 minutes. What is shorter or longer counts in the
// first or the last.
const (
	bucketsPerDoubling = 32
	bucketCount        = 31 * bucketsPerDoubling
)

// Latencies counts durations. The zero value is empty.
type Latencies struct {
	counts [bucketCount]uint32
	total  uint64
}

func (l *Latencies) observe(d time.Duration) {
	l.counts[bucketOf(d)]++
	l.total++
}

func bucketOf(d time.Duration) int {
	if d < time.Microsecond {
		return 0
	}
	at := math.Log2(float64(d)/float64(time.Microsecond)) * bucketsPerDoubling
	return min(int(at), bucketCount-1)
}

// edge is where a bucket begins.
func edge(bucket int) time.Duration {
	if bucket <= 0 {
		return 0
	}
	return time.Duration(math.Exp2(float64(bucket)/bucketsPerDoubling) * float64(time.Microsecond))
}

// quantile returns the bucket that the share q of the durations does not lie
// above; 0 when there are none.
func (l *Latencies) quantile(q float64) int {
	rank := uint64(math.Ceil(q * float64(l.total)))
	var seen uint64
	for i, n := range l.counts {
		if seen += uint64(n); n > 0 && seen >= rank {
			return i
		}
	}
	return 0
}

// sums returns how many durations lie in each bucket and those below it.
func (l *Latencies) sums() *[bucketCount]uint64 {
	var sums [bucketCount]uint64
	var seen uint64
	for i, n := range l.counts {
		seen += uint64(n)
		sums[i] = seen
	}
	return &sums
}

// MarshalJSON writes the buckets in use, as pairs of a bucket and its count.
func (l Latencies) MarshalJSON() ([]byte, error) {
	used := [][2]uint32{}
	for i, n := range l.counts {
		if n > 0 {
			used = append(used, [2]uint32{uint32(i), n})
		}
	}
	return json.Marshal(used)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (l *Latencies) UnmarshalJSON(text []byte) error {
	var used [][2]uint32
	if err := json.Unmarshal(text, &used); err != nil {
		return err
	}
	*l = Latencies{}
	for _, u := range used {
		if u[0] >= bucketCount {
			return fmt.Errorf("latency bucket %d of %d", u[0], bucketCount)
		}
		l.total += uint64(u[1]) - uint64(l.counts[u[0]])
		l.counts[u[0]] = u[1]
	}
	return nil
}
