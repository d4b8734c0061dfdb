package defects

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// inTime are the libraries whose breakers can be put to the test over hours.
var inTime = []string{afloat, "eapache", "failsafe", "gobreaker", "mercari", "sentinel"}

// everyBreaker are all that have one.
var everyBreaker = append(slices.Clone(inTime), "goresilience")

var breakerBehaviours = []behaviour{
	{"A half-open breaker lets no more calls through than its probes", inBubble(put(stampede, faults{
		"eapache":      "lets 100 of 100 through",
		"goresilience": "lets 100 of 100 through",
		"mercari":      "lets 100 of 100 through",
		"sentinel":     "lets 100 of 100 through when more than one probe is wanted",
	}, breakers(everyBreaker...)...))},
	{"A probe that panics gives its place back", inBubble(put(probeEnds(func() { panic("probe") }), faults{
		"failsafe": "refuses every call for ever",
	}, breakers(inTime...)...))},
	{"A probe that ends in runtime.Goexit gives its place back", inBubble(put(probeEnds(runtime.Goexit), faults{
		"failsafe":  "refuses every call for ever",
		"gobreaker": "refuses every call for ever",
	}, breakers(inTime...)...))},
	{"A probe that hangs gives its place back in the end", inBubble(put(probeHangs, faults{
		"failsafe":  "refuses every call for ever",
		"gobreaker": "refuses every call for ever",
		"sentinel":  "refuses every call for ever",
	}, breakers(inTime...)...))},
	{"A call that began before the breaker opened does not decide for the probes", inBubble(put(lateResult, faults{
		"eapache":  "opens again, by a failure of a call that began before",
		"failsafe": "closes, by a success that began before the failures",
		"mercari":  "closes, by a success that began before the failures",
		"sentinel": "closes, by a success that began before the failures",
	}, breakers(inTime...)...))},
	{"A callback may ask the breaker for its state", put(callbackReads, faults{
		"gobreaker": "waits for itself for ever",
		"mercari":   "waits for itself for ever",
	}, breakers(afloat, "failsafe", "gobreaker", "mercari", "sentinel")...)},
	{"Failures in a row open the breaker however far apart they are", inBubble(put(slowFailures, faults{
		"eapache":           "stays closed: forgets what is older than its open period",
		"gobreaker rolling": "stays closed: a rolling window counts the run anew",
		"sentinel":          "stays closed: has no other criterion than its window",
	}, breakers(append(inTime, "gobreaker rolling")...)...))},
	{"Calls through a breaker do not wait for one another", inBubble(put(concurrentCalls, faults{
		"gobreaker distributed": "holds the lock of all instances while a call runs",
	}, breakers(append(everyBreaker, "gobreaker distributed")...)...))},
	{"Failures that come together all count", inBubble(put(concurrentFailures, faults{
		"gobreaker distributed": "counts 1 of 8",
	}, breakers(append(everyBreaker, "gobreaker distributed")...)...))},
}

// opens makes calls fail and reports whether that has opened the breaker.
func opens(b breaker) bool {
	for range fails {
		_ = b.do(func() error { return errFailed })
	}
	return b.do(func() error { return nil }) == errRefused
}

// halfOpen makes a breaker whose open period has just ended.
func halfOpen(t *testing.T, build newBreaker, s breakerSpec) breaker {
	b := build(s)
	if !opens(b) {
		t.Fatal("it does not open")
	}
	time.Sleep(b.openFor())
	return b
}

// hang makes calls that hang until release is called, and then end with result.
// It returns once each of them runs or is refused, with how many run.
func hang(b breaker, calls int, result error) (running int, release func()) {
	var n atomic.Int64
	var decided, over sync.WaitGroup
	end := make(chan struct{})
	decided.Add(calls)
	for range calls {
		over.Go(func() {
			decide := sync.OnceFunc(decided.Done)
			defer decide()
			_ = b.do(func() error {
				n.Add(1)
				decide()
				<-end
				return result
			})
		})
	}
	decided.Wait()
	return int(n.Load()), func() { close(end); over.Wait() }
}

func stampede(t *testing.T, build newBreaker) string {
	running, release := hang(halfOpen(t, build, breakerSpec{probes: 3}), 100, nil)
	defer release()
	if running != 3 {
		return fmt.Sprintf("%d of 100 callers are let through, want 3", running)
	}
	return ""
}

// recovers reports whether a breaker lets a call through again within a day,
// being asked every ten minutes.
func recovers(b breaker) bool {
	for range 6 * 24 {
		if b.do(func() error { return nil }) == nil {
			return true
		}
		time.Sleep(10 * time.Minute)
	}
	return false
}

// probeEnds is the test of a probe that ends without returning.
func probeEnds(how func()) func(*testing.T, newBreaker) string {
	return func(t *testing.T, build newBreaker) string {
		b := halfOpen(t, build, breakerSpec{probes: 1})
		ended := false
		var caller sync.WaitGroup
		caller.Go(func() {
			defer func() { _ = recover() }()
			_ = b.do(func() error { ended = true; how(); return nil })
		})
		caller.Wait()
		if !ended {
			t.Fatal("the probe did not run")
		}
		if !recovers(b) {
			return "no call is let through within a day"
		}
		return ""
	}
}

func probeHangs(t *testing.T, build newBreaker) string {
	b := halfOpen(t, build, breakerSpec{probes: 1})
	running, release := hang(b, 1, nil)
	defer release()
	if running != 1 {
		t.Fatal("the probe did not run")
	}
	if !recovers(b) {
		return "no call is let through within a day"
	}
	return ""
}

// lateResult has a call that began while the breaker was closed end while its
// only probe runs.
func lateResult(t *testing.T, build newBreaker) string {
	for _, late := range []error{nil, errFailed} {
		b := build(breakerSpec{probes: 1})
		running, release := hang(b, 1, late)
		if running != 1 || !opens(b) {
			t.Fatal("it does not open")
		}
		time.Sleep(b.openFor())
		probing, end := hang(b, 1, nil)
		if probing != 1 {
			t.Fatal("the probe did not run")
		}
		release()
		decided := b.closed()
		end()
		switch {
		case decided:
			return "it is closed though its only probe still runs"
		case !b.closed():
			return "it is not closed though its only probe succeeded"
		}
	}
	return ""
}

// callbackReads cannot run in a bubble: who waits for a lock there waits for
// ever.
func callbackReads(_ *testing.T, build newBreaker) string {
	var b breaker
	var ready atomic.Bool // a library may tell of the state that it begins with
	told := make(chan struct{})
	var once sync.Once
	b = build(breakerSpec{probes: 1, onChange: func() {
		if ready.Load() {
			_ = b.closed()
			once.Do(func() { close(told) })
		}
	}})
	ready.Store(true)
	go opens(b)
	select {
	case <-told:
		return ""
	case <-time.After(2 * time.Second):
		return "the callback has not returned after 2 seconds"
	}
}

func slowFailures(_ *testing.T, build newBreaker) string {
	b := build(breakerSpec{probes: 1})
	for range 100 {
		_ = b.do(func() error { return errFailed })
		if !b.closed() {
			return ""
		}
		time.Sleep(19 * time.Second)
	}
	return fmt.Sprintf("it is closed after 100 failures in a row, and should open after %d", fails)
}

func concurrentCalls(_ *testing.T, build newBreaker) string {
	running, release := hang(build(breakerSpec{probes: 1}), 8, nil)
	defer release()
	if running != 8 {
		return fmt.Sprintf("%d of 8 calls run", running)
	}
	return ""
}

// concurrentFailures has eight calls fail at one moment, or where they wait for
// one another soon after, and then as many more as it takes.
func concurrentFailures(_ *testing.T, build newBreaker) string {
	b := build(breakerSpec{probes: 1})
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			_ = b.do(func() error { time.Sleep(10 * time.Millisecond); return errFailed })
		})
	}
	callers.Wait()
	for more := range fails + 1 {
		if b.do(func() error { return errFailed }) == errRefused {
			if more == 0 {
				return ""
			}
			return fmt.Sprintf("it has counted %d of 8 failures", fails-more)
		}
	}
	return "it does not open"
}
