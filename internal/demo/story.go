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

// Times at a scale of 1.
const (
	measureTime  = 1200 * time.Millisecond // of what the service bears
	warmTime     = 1500 * time.Millisecond
	calmTime     = 3 * time.Second
	strikeTime   = 4500 * time.Millisecond
	overloadTime = 8 * time.Second
	settleMax    = 8 * time.Second
	recoverTime  = 5 * time.Second
	// repeatBefore is until when a fault, and repeatOverloadBefore until when
	// the overload may be repeated, so that all ends within a minute and a half.
	repeatBefore         = 50 * time.Second
	repeatOverloadBefore = 68 * time.Second
)

// settleMin is enough for every request of a fault to have ended, and for
// users to have been well for as long as it takes to say so.
const settleMin = 2600 * time.Millisecond

// lead is how long before a fault its users begin to be counted, so that those
// whose requests it catches under way are among them.
const lead = 200 * time.Millisecond

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

// tell goes through the acts one after another.
func (s *story) tell(ctx context.Context) error {
	if !pause(ctx, s.options.scaled(warmTime)) {
		return ctx.Err()
	}
	err := s.calm(ctx, s.acts[0])
	if err == nil && s.repeats(s.acts[0], repeatBefore) {
		err = s.calm(ctx, s.acts[0])
	}
	if err != nil {
		return err
	}
	for i, f := range faults {
		a := s.acts[1+i]
		err := s.strike(ctx, f, a)
		if err == nil && s.repeats(a, repeatBefore) {
			err = s.strike(ctx, f, a)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.story, err)
		}
	}
	a := s.acts[1+len(faults)]
	if err := s.overload(ctx, a); err != nil || !s.repeats(a, repeatOverloadBefore) {
		return err
	}
	// The unprotected side would still be busy with the first one.
	if err := s.fleet.renew(ctx); err != nil {
		return fmt.Errorf("renew the unprotected replicas: %w", err)
	}
	calm, cancel := context.WithTimeout(ctx, settleMin)
	defer cancel()
	_ = await(calm, func() bool { return s.with.wellNow() && s.without.wellNow() }) // or as well as it gets
	return s.overload(ctx, a)
}

// repeats reports whether an act is worth repeating, and time is left for it.
func (s *story) repeats(a *act, before time.Duration) bool {
	if !a.behind() || time.Since(s.started) > s.options.scaled(before) {
		return false
	}
	s.teller.say("  this machine was too busy to send the load in time: once more")
	return true
}

func (s *story) calm(ctx context.Context, a *act) error {
	s.teller.say("calm: both sides get the usual load")
	a.begin(s.with, s.without)
	pause(ctx, s.options.scaled(calmTime))
	a.lift()
	pause(ctx, 2*lead) // the first fault must not catch what belongs to the calm
	a.close()
	return ctx.Err()
}

// strike lets a fault befall one replica of each side, and takes it away.
func (s *story) strike(ctx context.Context, f fault, a *act) error {
	protected, err := s.fleet.protected(a.victim)
	if err != nil {
		return err
	}
	bare, err := s.fleet.bare(a.victim)
	if err != nil {
		return err
	}
	a.begin(s.with, s.without)
	if !pause(ctx, lead) {
		return ctx.Err()
	}
	s.teller.say("%s: %s", f.title, f.story)
	s.detector.arm(a.strike(), protected)
	lift, err := befall(ctx, f, protected, bare)
	if err != nil {
		return err
	}
	s.watch(ctx, a, s.options.scaled(strikeTime))
	a.lift()
	// Also when the story is broken off: a replica that stands still cannot
	// end in order.
	if err := lift(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	if f.ends {
		if err := s.fleet.startAgain(ctx, a.victim); err != nil {
			return fmt.Errorf("start the unprotected replica again: %w", err)
		}
	}
	s.settle(ctx, a)
	return ctx.Err()
}

// befall lets a fault befall several replicas, and returns what takes it away
// from all.
func befall(ctx context.Context, f fault, victims ...replica) (func(context.Context) error, error) {
	var lifts []func(context.Context) error
	lift := func(ctx context.Context) error {
		var errs []error
		for _, one := range lifts {
			errs = append(errs, one(ctx))
		}
		return errors.Join(errs...)
	}
	for _, r := range victims {
		one, err := f.strike(ctx, r)
		if err != nil {
			return nil, errors.Join(err, lift(ctx))
		}
		lifts = append(lifts, one)
	}
	return lift, nil
}

// overload brings three times the load that the replicas bear, to both sides.
func (s *story) overload(ctx context.Context, a *act) error {
	s.teller.say("%s: %.0f requests a second, three times what the service bears", a.title, overloadTimes*s.capacity)
	a.begin(s.with, s.without)
	s.detector.arm(a.strike(), replica{})
	s.rate(overloadTimes * s.capacity)
	s.watch(ctx, a, s.options.scaled(overloadTime))
	a.lift()
	s.rate(baseShare * s.capacity)
	s.watch(ctx, a, max(s.options.scaled(recoverTime), settleMin))
	s.finish(a)
	return ctx.Err()
}

func (s *story) rate(rps float64) {
	s.with.generator.SetRate(rps)
	s.without.generator.SetRate(rps)
}

// settle watches on until both sides are as they were before the fault, so
// that the next one is blamed for its own harm alone, or until it takes too
// long.
func (s *story) settle(ctx context.Context, a *act) {
	began := time.Now()
	for s.watch(ctx, a, 250*time.Millisecond) {
		lasted := time.Since(began)
		if lasted > settleMin && s.asBefore() || lasted > settleMin+s.options.scaled(settleMax-settleMin) {
			break
		}
	}
	s.finish(a)
}

func (s *story) asBefore() bool {
	for _, service := range s.gateway.Status().Services {
		up := 0
		for _, e := range service.Endpoints {
			if e.State == "up" {
				up++
			}
		}
		if up < replicas {
			return false
		}
	}
	return s.with.wellNow() && s.without.wellNow()
}

// finish ends an act.
func (s *story) finish(a *act) {
	s.detector.disarm()
	a.close()
	s.teller.summary(a)
}

// watch follows an act for a time, and reports whether the story goes on.
func (s *story) watch(ctx context.Context, a *act, lasting time.Duration) bool {
	end := time.Now().Add(lasting)
	for {
		left := time.Until(end)
		if left <= 0 {
			return true
		}
		if !pause(ctx, min(left, 100*time.Millisecond)) {
			return false
		}
		if found := a.detected(s.detector.detection()); found != nil {
			s.teller.say("  detected after %s: %s", figure(found.After), found.By)
		}
		if healed := a.follow(s.with); healed != nil {
			s.teller.healed(*healed)
		}
	}
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
