package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/afloat-dev/afloat/internal/control/judge"
	"github.com/afloat-dev/afloat/internal/control/rollout"
)

// releaseInterval is how often a release is asked for.
const releaseInterval = 500 * time.Millisecond

func newRolloutWatch(s *streams) *cobra.Command {
	var from remote
	var asJSON bool
	c := &cobra.Command{
		Use:   "watch SERVICE",
		Short: "Watch a release to its end",
		Long: `Watch shows how a release goes until it has ended: its weight and its errors over
time, and what the judge says. The exit code is 0 when it is complete and 1 when
it was aborted. With --json it prints a line for each change.`,
		Example: `  afloat rollout watch web
  afloat rollout watch web --json | jq -c '[.release.at, .release.weight]'`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: from.completeReleased,
		RunE: func(c *cobra.Command, args []string) error {
			if asJSON {
				return followRelease(c.Context(), s, &from, args[0], lineOfJSON)
			}
			return watchRelease(c.Context(), s, &from, args[0])
		},
	}
	from.register(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print a line of JSON for each change")
	return c
}

// watchRelease draws a release in a terminal, and writes a line for each change
// where there is none.
func watchRelease(ctx context.Context, s *streams, from *remote, service string) error {
	if !isTerminal(s.out) {
		return followRelease(ctx, s, from, service, lineOfRelease)
	}
	lines := 0
	return eachRelease(ctx, from, service, func(st *rollout.Status) error {
		var b strings.Builder
		if err := writeRelease(&b, st); err != nil {
			return err
		}
		b.WriteString(drawRelease(st))
		text := b.String()
		if lines > 0 {
			fmt.Fprintf(s.out, "\x1b[%dA\x1b[J", lines) // up, and away with what was there
		}
		lines = strings.Count(text, "\n")
		_, err := fmt.Fprint(s.out, text)
		return err
	})
}

// followRelease writes a line whenever a release has changed.
func followRelease(ctx context.Context, s *streams, from *remote, service string, line func(*rollout.Status) string) error {
	last := ""
	return eachRelease(ctx, from, service, func(st *rollout.Status) error {
		r := st.Release
		if now := fmt.Sprint(r.ID, r.At, r.Why, r.Paused); now != last {
			last = now
			_, err := fmt.Fprintln(s.out, line(st))
			return err
		}
		return nil
	})
}

func lineOfRelease(st *rollout.Status) string {
	r := st.Release
	line := fmt.Sprintf("%s %s", time.Now().Format(time.TimeOnly), r.At)
	if r.Paused {
		line += ", paused"
	}
	if r.Why != "" {
		line += ": " + r.Why
	}
	return line
}

func lineOfJSON(st *rollout.Status) string {
	short := *st.Release
	short.History = nil
	if short.Verdict != nil {
		v := *short.Verdict
		v.Course = nil
		short.Verdict = &v
	}
	line, _ := json.Marshal(rollout.Status{Service: st.Service, Version: st.Version, Previous: st.Previous, Release: &short})
	return string(line)
}

// eachRelease shows a release again and again until it has ended.
func eachRelease(ctx context.Context, from *remote, service string, show func(*rollout.Status) error) error {
	tick := time.NewTicker(releaseInterval)
	defer tick.Stop()
	for {
		st, err := from.release(ctx, service, "65s") // what the plots have room for
		if err != nil {
			return err
		}
		if st.Release == nil {
			return &exit{code: exitFailed, err: fmt.Errorf("nothing of %s has been released", service)}
		}
		if err := show(st); err != nil {
			return err
		}
		if st.Release.Phase.Ended() {
			return endOf(st)
		}
		select {
		case <-ctx.Done():
			return &exit{code: exitInterrupted, err: ctx.Err(), quiet: true}
		case <-tick.C:
		}
	}
}

// plotWidth is how many columns a plot has.
const plotWidth = 60

// bars are what a column of a plot is drawn with.
var bars = []rune(" ▁▂▃▄▅▆▇█")

// drawRelease plots the weight and the shares of errors over time.
func drawRelease(st *rollout.Status) string {
	h := st.Release.History
	if len(h) < 2 {
		return ""
	}
	h = h[max(0, len(h)-plotWidth-1):]
	var weight, fresh, old []float64
	for i := 1; i < len(h); i++ {
		weight = append(weight, h[i].Weight)
		fresh = append(fresh, shareOf(h[i].NewErrors-min(h[i-1].NewErrors, h[i].NewErrors), h[i].NewRequests-min(h[i-1].NewRequests, h[i].NewRequests)))
		old = append(old, shareOf(h[i].OldErrors-min(h[i-1].OldErrors, h[i].OldErrors), h[i].OldRequests-min(h[i-1].OldRequests, h[i].OldRequests)))
	}
	most := 0.01
	for i := range fresh {
		most = max(most, fresh[i], old[i])
	}
	return fmt.Sprintf("\n  weight      %s %.4g%%\n  new errors  %s of %.3g%%\n  old errors  %s of %.3g%%\n",
		plot(weight, 1), 100*weight[len(weight)-1], plot(fresh, most), 100*most, plot(old, most), 100*most)
}

// drawVerdict plots how unlikely the new version's errors became by chance alone,
// over the requests since the weight changed. A full bar is where it fails.
func drawVerdict(v *judge.Verdict) string {
	i := slices.IndexFunc(v.Checks, func(c judge.Check) bool { return c.Name == "errors" })
	if i < 0 || len(v.Course) == 0 {
		return ""
	}
	n := min(len(v.Course), plotWidth)
	against := make([]float64, n)
	for column := range against { // the last is now
		p := v.Course[len(v.Course)-1-(n-1-column)*len(v.Course)/n].P
		against[column] = -math.Log10(max(p, 1e-300))
	}
	check := v.Checks[i]
	return fmt.Sprintf("\n  against it  %s p = %.2g, fails at %.2g\n", plot(against, -math.Log10(check.Below)), check.P, check.Below)
}

func shareOf(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// plot draws values as bars, the largest of height most.
func plot(values []float64, most float64) string {
	var b strings.Builder
	for range plotWidth - len(values) {
		b.WriteRune(' ')
	}
	for _, v := range values {
		i := int(v / most * float64(len(bars)-1))
		if v > 0 {
			i = max(i, 1) // a little is not nothing
		}
		b.WriteRune(bars[min(i, len(bars)-1)])
	}
	return b.String()
}
