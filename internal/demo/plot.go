package demo

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Times at a scale of 1.
const (
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
