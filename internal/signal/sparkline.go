package signal

import (
	"math"
	"slices"
	"strings"
	"time"
)

var (
	sparks  = []rune("▁▂▃▄▅▆▇█")
	eighths = []rune(" ▏▎▍▌▋▊▉█")
)

// spark appends the curve of the last minute: values, one a second until end.
// Its highest bar stands for top or, where that is more, for somewhat above
// the greatest value. Where several seconds share a bar it shows the greatest;
// which ones share is settled by the clock, so that the curve moves on but
// does not flicker.
func (r *row) spark(s style, values []float64, end time.Time, columns int, top float64) {
	if columns <= 0 {
		return
	}
	per := (historySeconds + columns - 1) / columns
	columns = (historySeconds + per - 1) / per
	bars := groups(values, end, int64(per))
	bars = bars[max(len(bars)-columns, 0):]
	for _, v := range bars {
		top = max(top, v*headroom)
	}
	missing := columns - len(bars)
	for len(bars) > 0 || missing > 0 {
		// Runs of one style keep the line short. What was before the first
		// second is ground, too.
		ground := missing > 0 || bars[0] <= 0
		n := slices.IndexFunc(bars, func(v float64) bool { return (v <= 0) != ground })
		if n < 0 {
			n = len(bars)
		}
		if ground {
			r.put(dim, strings.Repeat("▁", missing+n))
		} else {
			r.put(s, curve(bars[:n], top))
		}
		bars, missing = bars[n:], 0
	}
}

// headroom keeps a steady curve from filling its whole line.
const headroom = 1.3

// curve draws values above zero, each at least one step above the ground.
func curve(values []float64, top float64) string {
	var b strings.Builder
	for _, v := range values {
		step := int(math.Ceil(v / top * float64(len(sparks)-1)))
		b.WriteRune(sparks[min(max(step, 1), len(sparks)-1)])
	}
	return b.String()
}

// historySeconds is the length of a curve.
const historySeconds = int(viewHistory / time.Second)

// groups gathers so many seconds in a bar.
func groups(values []float64, end time.Time, per int64) []float64 {
	var bars []float64
	first := end.Unix() - int64(len(values)-1)
	group := int64(-1)
	for i, v := range values {
		if g := (first + int64(i)) / per; g != group || len(bars) == 0 {
			group = g
			bars = append(bars, v)
			continue
		}
		last := len(bars) - 1
		bars[last] = max(bars[last], v)
	}
	return bars
}

// bar appends a bar that is filled to a share.
func (r *row) bar(s style, share float64, columns int) {
	columns = max(columns, 0)
	steps := int(math.Round(min(max(share, 0), 1) * float64(columns*8)))
	if share > 0 {
		steps = max(steps, 1)
	}
	full, part := steps/8, steps%8
	filled := strings.Repeat("█", full)
	if part > 0 {
		filled += string(eighths[part])
		full++
	}
	r.put(s, filled)
	r.put(dim, strings.Repeat("░", max(columns-full, 0)))
}
