package demo

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/afloat-dev/afloat/internal/capacity"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/signal"
)

// teller tells the story while it goes on: as a live view on a terminal, and
// line by line elsewhere.
type teller struct {
	story    *story
	out      io.Writer
	live     bool
	terminal *signal.Terminal

	mu     sync.Mutex // guards what follows
	latest string
}

// plainWriter hides that a writer is a terminal, so that lines are written.
type plainWriter struct{ io.Writer }

func newTeller(s *story) *teller {
	t := &teller{story: s, out: s.options.narration()}
	t.live = !s.options.NoLive && terminal(t.out) != nil
	if !t.live {
		t.out = plainWriter{t.out}
	}
	t.terminal = signal.NewTerminal(signal.TerminalConfig{Out: t.out, View: t.view, LineInterval: -1})
	return t
}

// say tells what happens. On a terminal, it is what the view's last line says.
func (t *teller) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	t.mu.Lock()
	t.latest = strings.TrimSpace(text)
	t.mu.Unlock()
	if !t.live {
		fmt.Fprintf(t.out, "%5.1fs  %s\n", time.Since(t.story.started).Seconds(), text)
	}
}

// healed tells that users with Afloat are well.
func (t *teller) healed(after time.Duration) {
	if after == 0 {
		t.say("  users with Afloat noticed nothing")
		return
	}
	t.say("  users with Afloat were well again after %s", figure(after))
}

// summary tells what users had of an act. In the live view they have it before
// their eyes.
func (t *teller) summary(a *act) {
	if t.live {
		return
	}
	with, without := a.phases()
	t.say("  users with Afloat: %s; without: %s", usersLine(with), usersLine(without))
}

func usersLine(s capacity.Stats) string {
	return fmt.Sprintf("%s of %d failed, p99 %s", percent(failedShare(s)), s.Requests, figure(s.Latency.P99))
}

// view is what the live view shows now: the gateway as any operator sees it,
// with the unprotected copy as a service beside it.
func (t *teller) view() signal.View {
	s := t.story
	v := signal.Source{
		Name:     "demo",
		Started:  s.started,
		Status:   s.gateway.Status,
		Replicas: s.fleet.supervised,
		Window:   s.window,
		Events:   s.events,
		Section:  t.section,
	}.View()
	if _, without := s.sides(); without != nil {
		bare := without.view()
		bare.Endpoints = t.bareEndpoints()
		v.Services = append(v.Services, bare)
	}
	return v
}

// bareEndpoints are the unprotected replicas as they are: nobody but the story
// itself knows.
func (t *teller) bareEndpoints() []gateway.EndpointStatus {
	var all []gateway.EndpointStatus
	for i, address := range t.story.fleet.addresses {
		e := gateway.EndpointStatus{Address: fmt.Sprintf("%s #%d", address, i+1), State: "up"}
		for _, a := range t.story.acts {
			if victim, title := a.strikes(); victim == i+1 {
				e.State, e.Why = "down", title+", and nobody has noticed"
				e.SinceSeconds = a.since().Seconds()
			}
		}
		all = append(all, e)
	}
	return all
}

// section is a line an act, and what happened last.
func (t *teller) section(width int) []string {
	p := paint{on: true} // the view leaves colours out where there are none
	lines := []string{actsHead(p, width)}
	for _, a := range t.story.acts {
		lines = append(lines, a.line(p))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return append(lines, " "+t.latest)
}
