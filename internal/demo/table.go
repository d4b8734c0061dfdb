package demo

import (
	"fmt"
	"strings"
	"time"
)

// text is the verdict for people, at most 80 columns wide.
func (v Verdict) text(p paint) string {
	var b strings.Builder
	v.writeTable(&b, p)
	v.writeOverload(&b)
	b.WriteString("\n")
	for _, promise := range v.Promises {
		promise.write(&b, p)
	}
	b.WriteString("\n" + v.conclusion(p) + "\n")
	return b.String()
}

// writeTable writes a line a fault.
func (v Verdict) writeTable(b *strings.Builder, p paint) {
	fmt.Fprintf(b, "\n%s\n", p.bold(fmt.Sprintf(" %-17s%-18s%-19s%9s%15s", "", "  users failed", "     p99 latency", "detected", "well again")))
	fmt.Fprintf(b, "%s\n", p.bold(fmt.Sprintf(" %-17s%8s%9s%9s%9s%9s%8s%9s", "fault", "with", "without", "with", "without", "after", "with", "without")))
	fmt.Fprintf(b, "%s\n", p.dim(" "+strings.Repeat("─", 78)))
	for _, f := range v.Faults {
		f.write(b, p)
	}
	fmt.Fprintf(b, "%s\n", p.dim(" "+strings.Repeat("─", 78)))
}

func (f FaultVerdict) write(b *strings.Builder, p paint) {
	detected, healedWith, healedWithout := "never", f.With.healed(), f.Without.healed()
	if f.DetectedSeconds != nil {
		detected = figure(duration(*f.DetectedSeconds))
	}
	if f.Name == calmName {
		detected, healedWith, healedWithout = "–", "–", "–"
	}
	fmt.Fprintf(b, " %-17s%s%s%9s%9s%9s%8s%9s\n", f.Title,
		failedPaint(p, f.With.FailedShare)(pad(percent(f.With.FailedShare), 8)),
		failedPaint(p, f.Without.FailedShare)(pad(percent(f.Without.FailedShare), 9)),
		f.With.p99(), f.Without.p99(),
		detected, healedWith, healedWithout)
}

// writeOverload says what the table cannot: that refusing most is the way to
// serve as many as can be served.
func (v Verdict) writeOverload(b *strings.Builder) {
	for _, f := range v.Faults {
		if f.Name != overloadName {
			continue
		}
		writeWrapped(b, fmt.Sprintf("Overload: two of three requests are more than can be served. "+
			"With Afloat %.0f a second were answered well, %s of the %.0f that the service bears, "+
			"and the others refused at once; without it %.0f (%s).",
			f.With.GoodputPerSecond, percent(f.With.GoodputPerSecond/v.CapacityPerSecond), v.CapacityPerSecond,
			f.Without.GoodputPerSecond, percent(f.Without.GoodputPerSecond/v.CapacityPerSecond)))
	}
	writeWrapped(b, "Without: clients take the same three replicas in turn, and each fault is mended "+
		"by hand after a few seconds. Failed: an error, a refusal, or no answer in 2 s. Well: "+
		"for 2 s no request fails, and each is answered in 250 ms; after overload, from its end on.")
	for _, f := range v.Faults {
		if f.With.Late || f.Without.Late {
			writeWrapped(b, fmt.Sprintf("~ %s: this machine was busy, and 1%% of the requests were sent %s late or more; "+
				"that is part of the latency.", f.Title, figure(duration(max(f.With.LagP99Seconds, f.Without.LagP99Seconds)))))
		}
	}
}

func writeWrapped(b *strings.Builder, text string) {
	for _, line := range wrap(text, 78) {
		fmt.Fprintf(b, " %s\n", line)
	}
}

// p99 is marked where a part of it is this machine's.
func (u UsersVerdict) p99() string {
	text := figure(duration(u.P99Seconds))
	if u.Late {
		return "~" + text
	}
	return text
}

func (u UsersVerdict) healed() string {
	var healed *time.Duration
	if u.HealedSeconds != nil {
		d := duration(*u.HealedSeconds)
		healed = &d
	}
	return healedFigure(healed, duration(u.WatchedSeconds))
}

func (promise Promise) write(b *strings.Builder, p paint) {
	mark := p.good("✓")
	if !promise.Kept {
		mark = p.bad("✗")
	}
	fmt.Fprintf(b, " %s %s\n", mark, promise.Text)
	fmt.Fprintf(b, "   %s\n", p.dim(promise.Figures))
}

// conclusion is the verdict in a sentence.
func (v Verdict) conclusion(p paint) string {
	kept := 0
	for _, promise := range v.Promises {
		if promise.Kept {
			kept++
		}
	}
	switch {
	case v.Void != "":
		return p.warn(strings.Join(wrap(" The run is void: "+v.Void+". Its figures prove nothing; try again when there is less to do.", 79), "\n "))
	case !v.Kept:
		return p.bad(fmt.Sprintf(" %d of %d promises were not kept.", len(v.Promises)-kept, len(v.Promises)))
	}
	return p.good(fmt.Sprintf(" All %d promises were kept, in %.0f s.", kept, v.Seconds))
}

func failedPaint(p paint, share float64) func(string) string {
	switch {
	case share == 0:
		return p.good
	case share <= failedMax:
		return p.warn
	}
	return p.bad
}

// pad right-aligns text before it is coloured.
func pad(text string, width int) string { return fmt.Sprintf("%*s", width, text) }

func duration(seconds float64) time.Duration {
	return time.Duration(seconds * float64(time.Second))
}

// wrap breaks text into lines of at most width bytes.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
