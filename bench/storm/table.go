package main

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/afloat-dev/afloat/bench/rig"
)

// tables are the report in Markdown.
func (r *report) tables() string {
	return r.heading() + "\n" + r.summary() + "\n" + r.details() + "\n" + r.witnesses() + "\n" + r.notes()
}

// othersCalm is the share of all processors that others may use before tables
// warn.
const othersCalm = 0.2

func (r *report) heading() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s, %d cores, %s, %s. %d %s.\n", r.Date.Format("2006-01-02"), r.Cores, r.Platform, r.Go,
		r.Rounds, plural("round", r.Rounds))
	if busy, all := r.busy(); busy > 0 {
		fmt.Fprintf(&b, "The machine was not calm: in %d of %d trials that count others used more than %.0f%% of its processors.\n",
			busy, all, 100*othersCalm)
	}
	if voids := r.voids(); voids > 0 {
		fmt.Fprintf(&b, "%d %s void, since the load could not be sent in time, and do not count.\n", voids, plural("trial", voids))
	}
	return b.String()
}

func plural(word string, n int) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// busy counts the trials in which others used much.
func (r *report) busy() (busy, all int) {
	for _, t := range r.Results {
		if t.Void != "" {
			continue
		}
		all++
		if t.Others > othersCalm {
			busy++
		}
	}
	return busy, all
}

func (r *report) voids() (n int) {
	for _, t := range r.Results {
		if t.Void != "" {
			n++
		}
	}
	return n
}

// summary is one line a storm: the share of requests that failed.
func (r *report) summary() string {
	var b bytes.Buffer
	b.WriteString("**Requests of users that failed**, medians; the least in bold\n\n| |")
	for _, g := range r.gateways {
		fmt.Fprintf(&b, " %s |", g.title())
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(r.gateways)) + "\n")
	for _, s := range r.storms {
		fmt.Fprintf(&b, "| %s |", s.title)
		r.cells(&b, s, func(one *row) *spread { return &one.Share })
		if s.critical > 0 {
			b.WriteString("| ... of which critical |")
			r.cells(&b, s, func(one *row) *spread { return one.Critical })
		}
	}
	return b.String()
}

// cells are a line's figures, to its end.
func (r *report) cells(b *bytes.Buffer, s *storm, of func(*row) *spread) {
	least := math.Inf(1)
	for _, g := range r.gateways {
		if one := r.find(s.name, g.name()); one.Rounds > 0 {
			least = min(least, of(one).Median)
		}
	}
	for _, g := range r.gateways {
		one := r.find(s.name, g.name())
		switch {
		case one.Rounds == 0:
			b.WriteString(" void |")
		case percent(of(one).Median) == percent(least):
			fmt.Fprintf(b, " **%s** |", percent(least))
		default:
			fmt.Fprintf(b, " %s |", percent(of(one).Median))
		}
	}
	b.WriteString("\n")
}

// details is one line for every storm and gateway.
func (r *report) details() string {
	var b bytes.Buffer
	b.WriteString("| | | failed | least-most | p50 ms | p99 ms | goodput/s | well after | healed after | critical served | others used | rounds | void |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, s := range r.storms {
		for i, g := range r.gateways {
			title := s.title
			if i > 0 {
				title = ""
			}
			one := r.find(s.name, g.name())
			if one.Rounds == 0 {
				fmt.Fprintf(&b, "| %s | %s | | | | | | | | | | 0 | %d |\n", title, g.title(), one.Void)
				continue
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s-%s | %.0f | %.0f | %.0f | %s | %s | %s | %.0f%% | %d | %d |\n",
				title, g.title(), percent(one.Share.Median), percent(one.Share.Min), percent(one.Share.Max), one.P50, one.P99,
				one.Goodput, secondsOf(one.Detected), secondsOf(one.Healed), one.served(), 100*one.Others, one.Rounds, one.Void)
		}
	}
	return b.String()
}

// witnesses is one line for every storm in which a gateway told whom it took out.
func (r *report) witnesses() string {
	var b bytes.Buffer
	for _, s := range r.storms {
		for _, g := range r.gateways {
			one := r.find(s.name, g.name())
			if one.Mistaken == nil {
				continue
			}
			if b.Len() == 0 {
				b.WriteString("| | | taken out after | others taken out |\n|---|---|---|---|\n")
			}
			after := "-"
			if one.TakenOut != nil {
				after = fmt.Sprintf("%.0f ms", 1000**one.TakenOut)
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %d |\n", s.title, g.title(), after, *one.Mistaken)
		}
	}
	return b.String()
}

// served is the share of critical requests that were served, where there are
// any.
func (one *row) served() string {
	if one.Critical == nil {
		return ""
	}
	return percent(1 - one.Critical.Median)
}

// percent writes a share such that a few in ten thousand show, and none is
// told from few.
func percent(share float64) string {
	switch {
	case share == 0:
		return "0"
	case share < 0.0995:
		return fmt.Sprintf("%.2f%%", 100*share)
	}
	return fmt.Sprintf("%.1f%%", 100*share)
}

// notes name what took part, what could not, and where Afloat lost.
func (r *report) notes() string {
	var b bytes.Buffer
	for _, g := range r.gateways {
		fmt.Fprintf(&b, "- %s: %s\n", g.title(), r.Versions[g.name()])
	}
	for _, name := range slices.Sorted(maps.Keys(r.Skipped)) {
		fmt.Fprintf(&b, "- skipped: %s: %s\n", name, r.Skipped[name])
	}
	for _, one := range r.Losses {
		fmt.Fprintf(&b, "- lost: %s\n", one)
	}
	for _, one := range r.Unjudged {
		fmt.Fprintf(&b, "- not judged: %s\n", one)
	}
	return b.String()
}

// writeReadmes puts the tables where readers look for them.
func (r *report) writeReadmes() error {
	if err := rig.WriteReadme("bench/README.md", "storm", r.heading()+"\n"+r.summary()); err != nil {
		return err
	}
	return rig.WriteReadme("bench/storm/README.md", "storm", r.heading()+"\n"+r.details()+"\n"+r.witnesses()+"\n"+r.notes())
}
