package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// bench is one run of storms.
type bench struct {
	options  options
	self     string // this program, which is the replicas' as well
	dir      string // for what is built and written; removed at the end
	keeper   *keeper
	gateways []gateway
	versions map[string]string
	storms   []*storm
	skipped  map[string]string // storms and gateways that cannot be here, with the reason
}

func newBench(ctx context.Context, o options) (b *bench, err error) {
	if runtime.GOOS != "linux" {
		return nil, errors.New("processes are stopped and processors read as on Linux: run this on Linux")
	}
	b = &bench{options: o, versions: map[string]string{}, skipped: map[string]string{}}
	if b.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if b.dir, err = os.MkdirTemp("", "afloat-storm"); err != nil {
		return nil, err
	}
	if err := os.Chmod(b.dir, 0o755); err != nil { // nginx's worker may run as another user
		return nil, err
	}
	if b.keeper, err = startKeeper(b.self, b.dir); err != nil {
		_ = os.RemoveAll(b.dir) // in the system's temporary directory: it may stay
		return nil, err
	}
	unblock()
	b.chooseStorms()
	if err := b.findGateways(ctx); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

// close ends what runs and removes what was written.
func (b *bench) close() { b.keeper.close() }

// chooseStorms takes those that were asked for and can be here.
func (b *bench) chooseStorms() {
	for i := range storms {
		s := &storms[i]
		if len(b.options.storms) > 0 && !slices.Contains(b.options.storms, s.name) ||
			b.options.quick && len(b.options.storms) == 0 && !s.quick {
			continue
		}
		if s.needs != nil {
			if err := s.needs(); err != nil {
				b.skip(s.name, err)
				continue
			}
		}
		b.storms = append(b.storms, s)
	}
}

// findGateways takes those that were asked for and are installed.
func (b *bench) findGateways(ctx context.Context) error {
	for _, g := range gateways(b.options) {
		if len(b.options.gateways) > 0 && !slices.Contains(b.options.gateways, g.name()) {
			continue
		}
		version, err := g.find(ctx, b.dir)
		if err != nil && g.name() == ours {
			return err
		}
		if err != nil {
			b.skip(g.name(), err)
			continue
		}
		b.versions[g.name()] = version
		b.gateways = append(b.gateways, g)
	}
	if len(b.gateways) == 0 || len(b.storms) == 0 {
		return errors.New("nothing is left to run")
	}
	return nil
}

func (b *bench) skip(name string, why error) {
	b.skipped[name] = why.Error()
	progress("skipped: %s: %v", name, why)
}

// takes is about how long the whole run does.
func (b *bench) takes() (whole time.Duration) {
	const starting = time.Second
	for _, s := range b.storms {
		lasts, tail := b.options.times(s)
		whole += starting + b.options.warmup + lasts + tail
	}
	return whole * time.Duration(b.options.rounds*len(b.gateways))
}

// measure runs all rounds. The gateways take turns, so that a disturbance that
// lasts hits all of them.
func (b *bench) measure(ctx context.Context) (*report, error) {
	progress("%d storms, %d gateways, %d rounds: about %v", len(b.storms), len(b.gateways), b.options.rounds, b.takes().Round(time.Second))
	r := newReport(b)
	for round := range b.options.rounds {
		for i, s := range b.storms {
			for j := range b.gateways {
				g := b.gateways[(round+i+j)%len(b.gateways)]
				results, err := b.attempts(ctx, s, g, round)
				if err != nil {
					return nil, fmt.Errorf("%s, %s: %w", s.name, g.title(), err)
				}
				r.Results = append(r.Results, results...)
			}
		}
	}
	r.summarize()
	return r, nil
}

// attempts runs a trial until it counts, a few times at most.
func (b *bench) attempts(ctx context.Context, s *storm, g gateway, round int) (all []result, err error) {
	for range 1 + b.options.again {
		one, err := b.visit(ctx, s, g, round)
		if err != nil {
			return nil, err
		}
		one.Storm, one.Gateway, one.Round = s.name, g.name(), round+1
		progress("round %d/%d  %-10s %-8s %s", round+1, b.options.rounds, s.name, g.title(), one)
		all = append(all, one)
		if one.Void == "" {
			break
		}
	}
	return all, nil
}

// list tells what there is, and what of it cannot be here.
func list(ctx context.Context, o options) string {
	var out strings.Builder
	for i := range storms {
		s := &storms[i]
		var why error
		if s.needs != nil {
			why = s.needs()
		}
		out.WriteString(line(s.name, s.title, why))
	}
	out.WriteString("\n")
	for _, g := range gateways(o) {
		var why error
		if g.name() != ours { // which is built
			_, why = g.find(ctx, "")
		}
		out.WriteString(line(g.name(), g.title(), why))
	}
	return out.String()
}

func line(name, title string, why error) string {
	if why != nil {
		return fmt.Sprintf("%-11s %s (not here: %v)\n", name, title, why)
	}
	return fmt.Sprintf("%-11s %s\n", name, title)
}

// progress tells who waits where the run is.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
