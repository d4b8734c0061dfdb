package main

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/handover"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// TestTakeoverOutlivesTheOneBefore: whoever handed over all that it had may end
// before it learns that it was taken.
func TestTakeoverOutlivesTheOneBefore(t *testing.T) {
	elder, file, err := handover.Pair()
	if err != nil {
		t.Fatal(err)
	}
	younger, err := handover.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := handover.NewStore().SendTo(elder); err != nil {
		t.Fatal(err)
	}
	in, err := handover.Receive(younger, time.Now().Add(patience))
	if err != nil {
		t.Fatal(err)
	}
	if err := elder.Close(); err != nil {
		t.Fatal(err)
	}
	s := supervise.New(supervise.Options{NoKeeper: true})
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	var said bytes.Buffer
	d := &daemon{in: in, supervisor: s, log: slog.New(slog.NewTextHandler(&said, nil))}
	d.settle(ctx)
	if !strings.Contains(said.String(), "has ended before") || ctx.Err() != nil {
		t.Errorf("said %q", &said)
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
