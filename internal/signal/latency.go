package signal

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"sync/atomic"
	"time"
)

// Latencies are kept in log-linear buckets, as HdrHistogram's (G. Tene): 16
// for every doubling, so that a quantile is at most 1/16 too high, from 1 µs
// to 35 minutes. What is shorter or longer counts in the first or the last.
const (
	subBits      = 4
	latencyCells = 28 << subBits
)

// latencies counts durations as they come. The counts wrap; only differences
// of two readings mean something.
type latencies [latencyCells]atomic.Uint32

func (l *latencies) observe(d time.Duration) { l[bucketOf(d)].Add(1) }

// reading is the state of latencies at one moment.
type reading [latencyCells]uint32

// add adds what l holds now.
func (r *reading) add(l *latencies) {
	for i := range l {
		r[i] += l[i].Load()
	}
}

// cell is a bucket in use.
type cell struct{ bucket, count uint32 }

// since appends the buckets that grew from before to now, in ascending order.
func (r *reading) since(before *reading, cells []cell) []cell {
	for i := range r {
		if n := r[i] - before[i]; n > 0 {
			cells = append(cells, cell{uint32(i), n})
		}
	}
	return cells
}

// merge adds up the cells of several slots, in ascending order. It sorts, and
// so may reuse, the slice.
func merge(cells []cell) []cell {
	slices.SortFunc(cells, func(a, b cell) int { return cmp.Compare(a.bucket, b.bucket) })
	merged := cells[:0]
	for _, c := range cells {
		if n := len(merged); n > 0 && merged[n-1].bucket == c.bucket {
			merged[n-1].count += c.count
			continue
		}
		merged = append(merged, c)
	}
	return merged
}

func total(cells []cell) (n uint64) {
	for _, c := range cells {
		n += uint64(c.count)
	}
	return n
}

// quantile returns the seconds that a share q of the merged cells is not
// above, at the upper edge of its bucket; 0 when there are none.
func quantile(cells []cell, q float64) float64 {
	rank := uint64(math.Ceil(q * float64(total(cells))))
	var seen uint64
	for _, c := range cells {
		if seen += uint64(c.count); seen >= rank {
			return upperEdge(c.bucket).Seconds()
		}
	}
	return 0
}

func bucketOf(d time.Duration) uint32 {
	us := uint64(max(d.Microseconds(), 0))
	shift := max(bits.Len64(us)-subBits-1, 0)
	return uint32(min(shift<<subBits+int(us>>shift), latencyCells-1))
}

func upperEdge(bucket uint32) time.Duration {
	shift := max(int(bucket)>>subBits-1, 0)
	us := int64(int(bucket)-shift<<subBits+1) << shift
	return time.Duration(us) * time.Microsecond
}
