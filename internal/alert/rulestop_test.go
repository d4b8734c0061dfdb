package alert

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TestRulesEndThoughTheStoreOpensAtThatMoment: an Afloat that is told to end right
// after its start ends.
func TestRulesEndThoughTheStoreOpensAtThatMoment(t *testing.T) {
	ready := make(chan struct{})
	m := &Manager{registry: prometheus.NewRegistry(), log: slog.New(slog.DiscardHandler), options: Options{Store: &Store{Ready: ready}}}
	r := newRuler(m)
	if err := r.update(new(ruleSets), time.Minute); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	r.mu.Lock() // the end waits for it first, and then the beginning
	go func() { r.stop(); close(ended) }()
	time.Sleep(10 * time.Millisecond)
	close(ready)
	time.Sleep(10 * time.Millisecond)
	r.mu.Unlock()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("they go on")
	}
}
