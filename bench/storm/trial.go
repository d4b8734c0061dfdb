package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/afloat-dev/afloat/bench/rig"
	"github.com/afloat-dev/afloat/internal/capacity"
)

// trial is one storm against one gateway.
type trial struct {
	storm *storm
	lasts time.Duration // of the fault
	tail  time.Duration
	fleet *fleet
	front *front
	users *crowd

	struck, lifted time.Time // when the fault began and ended
}

// victim is the replica that a fault befalls.
func (t *trial) victim() *replica { return t.fleet.replicas[len(t.fleet.replicas)/2] }

// slack is how much longer than planned a trial may take.
const slack = 30 * time.Second

// visit runs a trial with processes of its own, from none to none.
func (b *bench) visit(ctx context.Context, s *storm, g gateway, round int) (r result, err error) {
	lasts, tail := b.options.times(s)
	ctx, cancel := context.WithTimeout(ctx, b.options.warmup+lasts+tail+slack)
	defer cancel()
	t := &trial{storm: s, lasts: lasts, tail: tail}
	if t.fleet, err = b.startFleet(ctx, s.shape); err != nil {
		return r, err
	}
	defer t.fleet.kill()
	if t.front, err = b.startFront(ctx, g, t.fleet); err != nil {
		return r, err
	}
	defer func() {
		b.keeper.kill(t.front.Process)
		if err == nil {
			err = t.testify(&r)
		}
		if b.options.log {
			progress("%s", t.front.Said())
		}
	}()
	if t.users, err = newCrowd(t.front.address, s, round); err != nil {
		return r, err
	}
	serving, end := context.WithCancel(ctx)
	defer t.users.stop()
	defer end()
	t.users.start(serving)
	return t.run(ctx, b.options.warmup)
}

// run is the trial once everything stands.
func (t *trial) run(ctx context.Context, warmup time.Duration) (r result, err error) {
	t.users.count("calm")
	pause(ctx, warmup)
	calm := t.users.figures()
	before, err := readGauge()
	if err != nil {
		return r, err
	}
	t.users.count("storm")
	t.struck = time.Now()
	if err := t.storm.play(ctx, t); err != nil {
		return r, fmt.Errorf("the fault: %w", err)
	}
	t.lifted = time.Now()
	if t.storm.after {
		t.users.count("after")
	}
	pause(ctx, t.tail)
	t.users.endCount()
	after, err := readGauge()
	if err != nil {
		return r, err
	}
	if err := t.settle(ctx); err != nil {
		return r, err
	}
	counted := t.users.figures()
	r = newResult(&counted)
	r.Others = before.others(after)
	r.Void = void(&calm, &counted)
	if !t.storm.after {
		r.Detected = t.wellAfter(t.struck, t.lifted)
	}
	r.Healed = t.wellAfter(t.lifted, t.lifted.Add(t.tail))
	return r, context.Cause(ctx)
}

// settle waits until it is known what became of everybody who counts.
func (t *trial) settle(ctx context.Context) error {
	bound := time.Duration(t.storm.repeats+1)*patience + time.Second
	for end := time.Now().Add(bound); time.Now().Before(end); {
		if left := t.users.figures(); left.pending() == 0 {
			return nil
		}
		if !pause(ctx, 20*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
	return errors.New("the generator does not end its requests")
}

// wellFor is how long users must notice nothing to be well.
const wellFor = time.Second

// wellAfter is how long after a moment users were well, in seconds, if that
// was seen before another moment.
func (t *trial) wellAfter(then, before time.Time) *float64 {
	healthy := capacity.Healthy{For: wellFor, ShedFails: true, P99Max: t.storm.well}
	after, known := t.users.wellAfter(then, healthy)
	if !known || then.Add(after+wellFor).After(before) {
		return nil
	}
	seconds := after.Seconds()
	return &seconds
}

// gauge is who has used the processors.
type gauge struct{ own, busy, total time.Duration }

func readGauge() (g gauge, err error) {
	if g.busy, g.total, err = rig.Busy(-1); err != nil {
		return g, err
	}
	g.own, err = rig.CPU(os.Getpid()) // and everything that a storm consists of
	return g, err
}

// others is the share of all processors that others have used until then.
func (g gauge) others(then gauge) float64 {
	used := then.busy - g.busy - (then.own - g.own)
	return max(0, used.Seconds()) / max(then.total-g.total, 1).Seconds()
}
