package signal

import (
	"math"
	"math/bits"
	"slices"
	"sync/atomic"
	"time"
)

// durations counts how long things took, in cells that are finer than both the
// classic buckets and the native ones of Prometheus, so that one count serves
// both. To observe is a look-up and two additions.
type durations struct {
	cells     [cellsMax]atomic.Uint64
	sum       atomic.Uint64 // in nanoseconds
	exemplars exemplars
}

// classicBounds are the upper bounds of the classic buckets, in seconds.
var classicBounds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// Native buckets are 2^(1/8), or 9%, wide. The first holds all up to a
// microsecond, and the last all beyond an hour.
const (
	nativeSchema = 3
	nativeFirst  = -20 << nativeSchema // ends at 2^-20 s
	nativeLast   = 12 << nativeSchema  // ends at 2^12 s
	nativeCount  = nativeLast - nativeFirst + 1
	cellsMax     = nativeCount + 14 // a classic bound may cut a native bucket in two
)

// cellBounds are the upper bounds of the cells in nanoseconds, cellNative which
// native bucket a cell is part of, and cellClassic which classic one.
var (
	cellBounds  [cellsMax]uint64
	cellNative  [cellsMax]int
	cellClassic [cellsMax]int
	firstCell   [64 << firstBits]uint16
)

// firstBits is how many bits after the highest one choose the first cell that a
// duration can be in: then at most two more are looked at.
const firstBits = 5

func init() {
	var bounds []uint64
	for i := nativeFirst; i < nativeLast; i++ {
		bounds = append(bounds, uint64(math.Exp2(float64(i)/(1<<nativeSchema))*1e9))
	}
	for _, seconds := range classicBounds {
		bounds = append(bounds, uint64(math.Round(seconds*1e9)))
	}
	slices.Sort(bounds)
	bounds = slices.Compact(bounds)
	for len(bounds) < cellsMax {
		bounds = append(bounds, math.MaxUint64)
	}
	native, classic := 0, 0
	for i, bound := range bounds {
		cellBounds[i], cellNative[i], cellClassic[i] = bound, native, classic
		if classic < len(classicBounds) && bound == uint64(math.Round(classicBounds[classic]*1e9)) {
			classic++
		}
		if native < nativeCount-1 && bound == uint64(math.Exp2(float64(nativeFirst+native)/(1<<nativeSchema))*1e9) {
			native++
		}
	}
	for key := range firstCell {
		least := leastOf(key)
		firstCell[key] = uint16(slices.IndexFunc(bounds, func(bound uint64) bool { return least <= bound }))
	}
}

// keyOf is the place of a duration in firstCell: how many bits it has, and the
// highest of them.
func keyOf(ns uint64) int {
	size := bits.Len64(ns)
	shift := max(size-firstBits-1, 0)
	return (size<<firstBits | int(ns>>shift)&(1<<firstBits-1)) & (len(firstCell) - 1)
}

// leastOf is the shortest duration of a place.
func leastOf(key int) uint64 {
	size, high := key>>firstBits, uint64(key&(1<<firstBits-1))
	if size <= firstBits {
		return 0 // far below the first bound
	}
	return (1<<firstBits | high) << (size - firstBits - 1)
}

// observe counts one.
func (d *durations) observe(took time.Duration) {
	ns := uint64(max(took, 0))
	cell := firstCell[keyOf(ns)]
	for ns > cellBounds[cell] {
		cell++
	}
	d.cells[cell].Add(1)
	d.sum.Add(ns)
}
