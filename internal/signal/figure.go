package signal

import (
	"math"
	"strconv"
	"time"
)

// Figures are short and of a steady width, so that they do not dance.

// rateFigure is a number a second: "0", "3.4", "12,345".
func rateFigure(v float64) string {
	if v > 0 && v < 0.05 {
		return "<0.1"
	}
	if v > 0 && v < 9.95 {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return grouped(int64(math.Round(v)))
}

func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// shareFigure is a share in percent: "0 %", "0.12 %", "3.4 %", "30 %". A share
// that is not zero is never shown as zero, nor one below 1 as 100 %.
func shareFigure(v float64) string {
	percent := v * 100
	switch {
	case percent <= 0:
		return "0 %"
	case percent < 0.01:
		return "<0.01 %"
	case percent < 1:
		return strconv.FormatFloat(percent, 'f', 2, 64) + " %"
	case percent < 10:
		return strconv.FormatFloat(percent, 'f', 1, 64) + " %"
	case percent < 100:
		return strconv.FormatFloat(math.Floor(percent), 'f', 0, 64) + " %"
	}
	return "100 %"
}

// latencyFigure is a time in seconds: "–" for none, "850 µs", "3.1 ms", "1.2 s".
func latencyFigure(seconds float64) string {
	switch {
	case seconds <= 0:
		return "–"
	case seconds < 0.0009995:
		return strconv.FormatFloat(seconds*1e6, 'f', 0, 64) + " µs"
	case seconds < 0.00995:
		return strconv.FormatFloat(seconds*1e3, 'f', 1, 64) + " ms"
	case seconds < 0.9995:
		return strconv.FormatFloat(seconds*1e3, 'f', 0, 64) + " ms"
	case seconds < 9.95:
		return strconv.FormatFloat(seconds, 'f', 1, 64) + " s"
	}
	return strconv.FormatFloat(seconds, 'f', 0, 64) + " s"
}

// ageFigure is how long something has lasted, in its two largest units.
func ageFigure(seconds float64) string {
	d := time.Duration(max(seconds, 0) * float64(time.Second))
	days, hours := int(d.Hours())/24, int(d.Hours())%24
	minutes, rest := int(d.Minutes())%60, int(d.Seconds())%60
	two := func(a int, unit string, b int, small string) string {
		return strconv.Itoa(a) + unit + " " + strconv.Itoa(b) + small
	}
	switch {
	case days > 0:
		return two(days, "d", hours, "h")
	case hours > 0:
		return two(hours, "h", minutes, "m")
	case minutes > 0:
		return two(minutes, "m", rest, "s")
	}
	return strconv.Itoa(rest) + "s"
}
