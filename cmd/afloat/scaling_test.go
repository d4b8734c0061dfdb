package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/control/rollout"
	"github.com/afloat-dev/afloat/internal/control/scale"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// TestLoadStartsReplicasAndItsEndStopsThem runs processes that use a processor
// while a file is there.
func TestLoadStartsReplicasAndItsEndStopsThem(t *testing.T) {
	load := filepath.Join(t.TempDir(), "load")
	var mu sync.Mutex
	var told []supervise.Event
	s := supervise.New(supervise.Options{NoKeeper: true, OnEvent: func(e supervise.Event) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, e)
	}})
	if err := s.Apply([]supervise.Config{{
		Name: "worker", Grace: time.Second,
		Command: []string{"/bin/sh", "-c", "while :; do [ -e " + load + " ] || sleep 0.05; done"},
	}}); err != nil {
		t.Fatal(err)
	}
	releases, err := rollout.NewController(rollout.Options{Processes: s, Scale: s.Scale})
	if err != nil {
		t.Fatal(err)
	}
	none := time.Duration(0)
	loop := scale.NewLoop(scale.Options{Supervisor: replicas{s, releases}, Every: 300 * time.Millisecond})
	if err := loop.Set(map[string]scale.Config{"worker": {Max: 3, CPU: &scale.Amount{Value: 0.2}, Down: scale.Rules{Window: &none}}}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(ctx) })
	serving.Go(func() { _ = loop.Serve(ctx) })
	defer func() { stop(); serving.Wait() }()

	running := func(n int) func() bool {
		return func() bool { st := s.Status(); return len(st) == 1 && st[0].Ready == n && len(st[0].Replicas) == n }
	}
	soon(t, "one runs", running(1))
	if err := os.WriteFile(load, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	soon(t, "three run under load", running(3))
	if err := os.Remove(load); err != nil {
		t.Fatal(err)
	}
	soon(t, "one runs without", running(1))
	mu.Lock()
	for _, e := range told {
		if e.Kind == supervise.EventScaled && !strings.Contains(e.Why, "cpu is ") {
			t.Errorf("scaled without saying why: %q", e.Why)
		}
	}
	mu.Unlock()
	if d := loop.Status()["worker"]; d.Replicas != 1 || len(d.Figures) != 1 || d.Figures[0].Name != "cpu" {
		t.Errorf("the last decision is %+v", d)
	}

	// A service that is not scaled any more runs as many as it says.
	if err := os.WriteFile(load, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	soon(t, "three run under load again", running(3))
	if err := loop.Set(nil); err != nil {
		t.Fatal(err)
	}
	soon(t, "one runs, as it says", running(1))
}
