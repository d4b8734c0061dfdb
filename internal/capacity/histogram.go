package capacity

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"time"
)

// A histogram keeps durations in log-linear buckets, as HdrHistogram does
// (Gil Tene): 32 buckets for every doubling, so that a quantile is at most
// 1/32 too high. Only buckets in use take memory; there are at most 896, for
// 1 µs up to 71 minutes. Shorter and longer durations count in the first and
// the last. The zero value is empty and ready.
type histogram struct {
	cells []cell // ascending by bucket
	count uint64
	max   time.Duration
}

type cell struct {
	bucket uint16
	count  uint32
}

const (
	subBits    = 5
	bucketsMax = 28 << subBits
)

// record counts one duration.
func (h *histogram) record(d time.Duration) {
	h.add(bucketOf(d), 1)
	h.max = max(h.max, d)
}

// merge adds everything that other holds.
func (h *histogram) merge(other *histogram) {
	for _, c := range other.cells {
		h.add(c.bucket, c.count)
	}
	h.max = max(h.max, other.max)
}

// quantile returns the duration that a share q of all is not above: the upper
// edge of the bucket that holds it, and never more than the greatest duration
// seen. It returns 0 if nothing was recorded.
func (h *histogram) quantile(q float64) time.Duration {
	if h.count == 0 {
		return 0
	}
	rank := uint64(math.Ceil(q * float64(h.count)))
	rank = min(max(rank, 1), h.count)
	var seen uint64
	for _, c := range h.cells {
		if seen += uint64(c.count); seen >= rank {
			return min(upperEdge(c.bucket), h.max)
		}
	}
	return h.max
}

func (h *histogram) add(bucket uint16, n uint32) {
	h.count += uint64(n)
	i, found := slices.BinarySearchFunc(h.cells, bucket, func(c cell, b uint16) int {
		return cmp.Compare(c.bucket, b)
	})
	if !found {
		h.cells = slices.Insert(h.cells, i, cell{bucket: bucket})
	}
	h.cells[i].count += n
}

func bucketOf(d time.Duration) uint16 {
	us := uint64(max(d.Microseconds(), 0))
	shift := max(bits.Len64(us)-subBits-1, 0)
	return uint16(min(shift<<subBits+int(us>>shift), bucketsMax-1))
}

func upperEdge(bucket uint16) time.Duration {
	shift := max(int(bucket)>>subBits-1, 0)
	us := int64(int(bucket)-shift<<subBits+1) << shift
	return time.Duration(us) * time.Microsecond
}
