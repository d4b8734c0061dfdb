package main

import (
	"context"
	"sync"
	"time"

	"github.com/afloat-dev/afloat/internal/signal"
)

// watchInterval is how often a running Afloat is asked for its view.
const watchInterval = 500 * time.Millisecond

// watchStatus shows a running Afloat's view until it is interrupted. When
// Afloat cannot be asked for a while, the last view stays and says so.
func watchStatus(ctx context.Context, s *streams, from *remote) error {
	var mu sync.Mutex // guards view
	var view signal.View
	if err := from.get(ctx, "/api/v1/view", &view); err != nil {
		return err
	}
	go func() {
		tick := time.NewTicker(watchInterval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			next := signal.View{}
			err := from.get(ctx, "/api/v1/view", &next)
			mu.Lock()
			if err != nil {
				view.Section = func(int) []string { return []string{"connection lost: " + err.Error()} }
			} else {
				view = next
			}
			mu.Unlock()
		}
	}()
	terminal := signal.NewTerminal(signal.TerminalConfig{Out: s.out, View: func() signal.View {
		mu.Lock()
		defer mu.Unlock()
		return view
	}})
	return terminal.Serve(ctx)
}
