package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/signal"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// measureTime is how long it is measured what the service bears, at a scale of 1.
const measureTime = 1200 * time.Millisecond

// baseShare is the usual load, as a share of what the service bears.
const baseShare = 0.5

// story is one demo from begin to end.
type story struct {
	options  Options
	started  time.Time
	gateway  *gateway.Gateway
	fleet    *fleet
	detector *detector
	window   *signal.Window
	events   *signal.EventLog
	teller   *teller
	capacity float64 // requests a second that the service bears

	mu            sync.Mutex // guards with and without until they are set
	with, without *side
	acts          []*act
}

// perform runs the demo and returns its verdict. Everything that it started
// has ended when it returns.
func perform(ctx context.Context, o Options) (v Verdict, err error) {
	s := newStory(o)
	if s.fleet, err = newFleet(o, s.gateway, s.supervised); err != nil {
		return v, err
	}
	if err := s.gateway.Apply(gatewayConfig()); err != nil {
		return v, err
	}
	// They end in the order in which nobody misses what has ended: users, view,
	// gateway, processes.
	var processes, front, view, users group
	defer processes.end()
	defer front.end()
	defer view.end()
	defer users.end()
	stopped := processes.run(ctx, s.fleet.supervisor.Serve)
	front.run(ctx, s.gateway.Serve)
	front.run(ctx, s.window.Serve)

	starting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		if err := <-stopped; err != nil {
			cancel(err)
		}
	}()
	view.run(ctx, s.teller.terminal.Serve)
	if s.options.Console != nil {
		url, end, err := s.options.Console(Shown{s.started, s.gateway, s.fleet.supervisor, s.window, s.events})
		if err != nil {
			return v, err
		}
		defer end()
		s.teller.say("watch it in the console: %s", url)
	}
	if err := s.open(starting); err != nil {
		return v, cmp.Or(context.Cause(starting), err)
	}
	users.run(ctx, s.with.generator.Serve)
	users.run(ctx, s.without.generator.Serve)
	if err := s.tell(ctx); err != nil {
		return v, err
	}
	s.with.generator.Stop()
	s.without.generator.Stop()
	users.wait()
	return s.judge(), nil
}

func newStory(o Options) *story {
	s := &story{options: o, started: time.Now(), detector: &detector{}, events: signal.NewEventLog(o.Log)}
	s.window = signal.NewWindow(func() gateway.Status { return s.gateway.Status() })
	s.gateway = gateway.New(gateway.Options{Log: o.Log, Observer: signal.Tee(s.window, s.events, s.detector)})
	s.acts = []*act{{name: calmName, title: calmTitle}}
	for i, f := range faults {
		s.acts = append(s.acts, &act{name: f.name, title: f.title, victim: 1 + i%replicas})
	}
	s.acts = append(s.acts, &act{name: overloadName, title: overloadTitle})
	s.teller = newTeller(s)
	return s
}

func (s *story) supervised(e supervise.Event) {
	s.detector.Supervised(e)
	if e.Service == shop {
		s.events.Supervised(e)
	}
}

// open waits for the replicas, measures what they bear, and makes the users.
func (s *story) open(ctx context.Context) error {
	if s.options.ShowConfig {
		fmt.Fprintln(s.teller.out, ConfigText(s.options.SampleCommand))
	}
	s.teller.say("starting 2 x %d replicas of the sample service", replicas)
	if err := s.fleet.awaitReady(ctx); err != nil {
		return err
	}
	front := "http://" + s.gateway.Addresses()[0] + "/"
	var bare []string
	for _, address := range s.fleet.addresses {
		bare = append(bare, "http://"+address+"/")
	}
	var err error
	if s.capacity, err = bears(ctx, bare, s.options.scaled(measureTime)); err != nil {
		return err
	}
	if s.capacity < 1 {
		return errors.New("the replicas answered nothing")
	}
	s.teller.say("three replicas bear %.0f requests a second; the usual load is %.0f, on either side", s.capacity, s.capacity*baseShare)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.with, err = newSide([]string{front}, s.capacity*baseShare); err != nil {
		return err
	}
	s.without, err = newSide(bare, s.capacity*baseShare)
	return err
}

// judge turns what was recorded into the verdict.
func (s *story) judge() Verdict {
	m := measurement{capacity: s.capacity, lasted: time.Since(s.started)}
	for _, a := range s.acts {
		m.stretches = append(m.stretches, a.record(s.with, s.without))
	}
	return m.verdict()
}

// sides are both sides' users, or nil before there are any.
func (s *story) sides() (with, without *side) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.with, s.without
}
