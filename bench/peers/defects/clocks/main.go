//go:build clocks

// Command clocks does to a library what nobody can do to a machine: it sets the
// wall clock back, or has a reading of the clock come late, as that of a caller
// who is stopped before it gets any further. It prints what the library does
// wrong. It is compiled against a package time that knows the variables below.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"
	_ "unsafe" // for the names below

	"github.com/afloat-dev/afloat/policy"
	"go.uber.org/ratelimit"
	"golang.org/x/time/rate"
)

// setBack is by how many seconds the wall clock is.
//
//go:linkname setBack time.setBack
var setBack int64

// late is how many nanoseconds ago a reading of the clock was made.
//
//go:linkname late time.late
var late int64

func main() {
	switch scene, library := os.Args[1], os.Args[2]; scene {
	case "setBack":
		fmt.Print(wallClockSetBack(library))
	case "late":
		fmt.Print(lateReadings(library))
	}
}

func afloatLimit(c policy.RateLimitConfig) *policy.RateLimit {
	l, err := policy.NewRateLimit(c)
	if err != nil {
		log.Fatal(err)
	}
	return l
}

// wallClockSetBack has a limit let one call begin, and after an hour less than
// nothing another.
func wallClockSetBack(library string) string {
	uber := ratelimit.New(1000)
	take := func() { uber.Take() }
	if library == "Afloat" {
		l := afloatLimit(policy.RateLimitConfig{Requests: 1000, Algorithm: policy.LeakyBucket})
		take = func() { _ = l.Wait(context.Background()) }
	}
	take()
	before := time.Now()
	setBack = 3600
	if ago := before.Unix() - time.Now().Unix(); ago < 3500 {
		log.Fatalf("the clock was set back by %d seconds", ago)
	}
	done := make(chan struct{})
	go func() { take(); close(done) }()
	select {
	case <-done:
		return ""
	case <-time.After(time.Second):
		return "a call that should wait a millisecond has not begun after a second"
	}
}

// lateReadings has every second caller be ten milliseconds late.
func lateReadings(library string) string {
	const perSecond, burst, behind = 1000, 10, 10 * time.Millisecond
	began := time.Now()
	allow := rate.NewLimiter(perSecond, burst).Allow
	if library == "Afloat" {
		l := afloatLimit(policy.RateLimitConfig{Requests: perSecond, Burst: burst})
		allow = func() bool { return l.Allow() == nil }
	}
	time.Sleep(2 * behind)
	admitted := 0
	for range 1000 {
		for _, late = range []int64{0, int64(behind)} {
			if allow() {
				admitted++
			}
		}
	}
	late = 0
	took := time.Since(began)
	if most := burst + int(took.Seconds()*perSecond); admitted > most || admitted == 0 {
		return fmt.Sprintf("%d calls are admitted in %v, want at most %d", admitted, took, most)
	}
	return ""
}
