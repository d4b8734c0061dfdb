package demo

import (
	"fmt"
	"strings"
	"time"
)

// figure is a time as people read it: "4 ms", "0.28 s", "3.1 s".
func figure(d time.Duration) string {
	switch {
	case d == 0:
		return "0 s"
	case d < time.Millisecond:
		return "< 1 ms"
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond)/time.Millisecond)
	case d < time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// healedFigure is when users were well again, or for how long they were not.
func healedFigure(healed *time.Duration, watched time.Duration) string {
	if healed == nil {
		return "> " + figure(watched)
	}
	return figure(*healed)
}

// percent is a share, never rounded to none when it is some.
func percent(share float64) string {
	switch p := 100 * share; {
	case p == 0:
		return "0%"
	case p < 0.1:
		return "< 0.1%"
	case p < 10:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", p), ".0") + "%"
	default:
		return fmt.Sprintf("%.0f%%", p)
	}
}

// paint colours text by SGR sequences where colours are on.
type paint struct{ on bool }

func (p paint) with(code, text string) string {
	if !p.on {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p paint) bold(text string) string { return p.with("1", text) }
func (p paint) dim(text string) string  { return p.with("2", text) }
func (p paint) good(text string) string { return p.with("32", text) }
func (p paint) bad(text string) string  { return p.with("31", text) }
func (p paint) warn(text string) string { return p.with("33", text) }
