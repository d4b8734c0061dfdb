package sample

import (
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/capacity"
)

// The service is there to show what overload does to naive services: goodput
// does not level off at the capacity but falls far below it, and stays there
// until the queue is worked off. This test keeps it that way.
func TestServiceCollapsesUnderOverloadAndRecovers(t *testing.T) {
	url, _, _ := serve(t, New(Config{Workers: 2, ServiceTime: 10 * time.Millisecond})) // 200 a second
	rec := capacity.NewRecorder()
	load, err := capacity.NewGenerator(capacity.Load{Targets: []string{url + "/"}, Rate: 60, Timeout: 300 * time.Millisecond}, rec)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- load.Serve(t.Context()) }()

	calm := rec.Phase("calm")
	poll(t, "calm", func() bool { return calm.Stats().OK > 30 })
	load.SetRate(600)
	rush := rec.Phase("rush")
	poll(t, "collapse", func() bool {
		steps := rec.Timeline(250 * time.Millisecond)
		last := steps[max(len(steps)-3, 0)] // old enough to have timed out
		return last.Requests > 50 && last.Pending == 0 && last.FailureShare() == 1
	})
	load.SetRate(60)
	over := time.Now()
	rec.Phase("after")
	if s := rush.Stats(); s.Timeouts == 0 {
		t.Errorf("no timeouts under overload: %+v", s)
	}
	var healed time.Duration
	poll(t, "recovery", func() (known bool) {
		healed, known = rec.HealedAfter(over, capacity.Healthy{For: time.Second, FailureMax: 0.1})
		return known
	})
	if healed == 0 {
		t.Error("the service was well at once, as if there were no queue to work off")
	}
	load.Stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
