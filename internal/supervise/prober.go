package supervise

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	eagerMin  = 5 * time.Millisecond // between the tries of an eager prober at first, then doubling
	eagerMax  = time.Second
	jitterMax = time.Second // before the first try
)

// prober asks one question of one process until its context ends.
type prober struct {
	config ProbeConfig // with defaults
	eager  bool        // until the first success, try more often than each period
	check  func(context.Context) error
	report func(ok bool, why string) // on every change of the verdict, or of why it is bad
}

// serve tries, counts and reports. It returns when ctx ends.
func (p prober) serve(ctx context.Context) {
	jitter := time.Duration(rand.Float64() * float64(min(p.config.Period/10, jitterMax)))
	if p.eager {
		jitter = min(jitter, eagerMin)
	}
	if !pause(ctx, p.config.InitialDelay+jitter) {
		return
	}
	tally := tally{success: p.config.SuccessThreshold, failure: p.config.FailureThreshold}
	delay, counted, why := eagerMin, time.Time{}, ""
	for {
		began := time.Now()
		err := p.try(ctx)
		if ctx.Err() != nil {
			return
		}
		// A failure between periods is one of an eager try, and does not count.
		if err == nil || !p.eager || counted.IsZero() || began.Sub(counted) >= p.config.Period {
			if err != nil {
				counted = began
			}
			ok, changed := tally.add(err == nil)
			if changed || err != nil && tally.bad() && reason(err) != why {
				why = reason(err)
				p.report(ok, why)
			}
		}
		wait := p.config.Period - time.Since(began)
		if p.eager = p.eager && err != nil; p.eager {
			wait = max(eagerMin, min(delay, time.Until(counted.Add(p.config.Period))))
			delay = min(2*delay, eagerMax)
		}
		if !pause(ctx, wait) {
			return
		}
	}
}

func (p prober) try(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.config.Timeout)
	defer cancel()
	return p.check(ctx)
}

// tally turns results into a verdict: the first after enough of one kind in a row, then again on each change.
type tally struct {
	success, failure int // thresholds
	run              int // results of the last kind in a row
	last             bool
	verdict, decided bool
}

func (t *tally) add(ok bool) (verdict, changed bool) {
	if ok != t.last {
		t.run = 0
	}
	t.last = ok
	t.run++
	threshold := t.failure
	if ok {
		threshold = t.success
	}
	if t.run < threshold || t.decided && t.verdict == ok {
		return t.verdict, false
	}
	t.verdict, t.decided = ok, true
	return ok, true
}

// bad reports whether the verdict is failure.
func (t *tally) bad() bool { return t.decided && !t.verdict }

// pause waits for d and reports whether ctx still holds.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
