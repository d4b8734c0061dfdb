package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"
)

// newTestBench has a keeper and no gateways.
func newTestBench(t *testing.T) *bench {
	t.Helper()
	if testing.Short() {
		t.Skip("runs real processes")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	k, err := startKeeper(self, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.close)
	return &bench{self: self, keeper: k, dir: t.TempDir()}
}

// state is how a replica answers, or that it does not.
func state(ctx context.Context, r *replica, path string) string {
	began := time.Now()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.address+path, nil)
	if err != nil {
		return err.Error()
	}
	client := http.Client{Timeout: 400 * time.Millisecond, Transport: orders.Transport}
	response, err := client.Do(request)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "silent"
	case err != nil:
		return "refusing"
	}
	response.Body.Close()
	switch {
	case response.StatusCode != http.StatusOK:
		return "failing"
	case time.Since(began) > 150*time.Millisecond:
		return "slow"
	}
	return "well"
}

// TestFaultsHappenAndHeal has each fault of a replica befall one, and looks at
// the replica itself. What a fault brings must be seen while it lasts; a busy
// machine may bring more, as slowness.
func TestFaultsHappenAndHeal(t *testing.T) {
	for _, c := range []struct {
		name string
		play func(context.Context, *trial) error
		want string
		can  func() error
	}{
		{"killed", killed, "refusing", nil},
		{"flapping", flapping, "refusing", nil},
		{"all killed", allKilled, "refusing", nil},
		{"restarting", restarting, "refusing", nil},
		{"hanging", hanging, "silent", nil},
		{"all hanging", allHanging, "silent", nil},
		{"blackholed", blackholed, "silent", canBlock},
		{"errors", misbehaving("errors=1"), "failing", nil},
		{"slow", misbehaving("slow=10"), "slow", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newTestBench(t)
			if c.can != nil {
				if err := c.can(); err != nil {
					t.Skip(err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			f, err := b.startFleet(ctx, shape{replicas: 2, workers: 2, serviceTime: 20 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			defer f.kill()
			trial := &trial{fleet: f, lasts: time.Second}
			victim := trial.victim()
			var over atomic.Bool
			played := make(chan error, 1)
			go func() {
				defer over.Store(true)
				played <- c.play(ctx, trial)
			}()
			seen := false
			for !over.Load() {
				seen = state(ctx, victim, "/") == c.want || seen
				pause(ctx, time.Millisecond)
			}
			if err := <-played; err != nil {
				t.Fatal(err)
			}
			if !seen {
				t.Errorf("it was never %s", c.want)
			}
			for state(ctx, victim, "/") != "well" {
				if !pause(ctx, 10*time.Millisecond) {
					t.Fatal("it does not heal")
				}
			}
		})
	}
}

func TestRuleOfARunThatWasKilledIsTakenBack(t *testing.T) {
	if err := canBlock(); err != nil {
		t.Skip(err)
	}
	if err := block("29999"); err != nil {
		t.Fatal(err)
	}
	unblock()
	if err := filter("list table " + filterTable); err == nil {
		t.Error("the table is still there")
	}
	unblock() // without one it does nothing
}
