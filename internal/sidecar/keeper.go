package sidecar

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/signal"
	"syscall"
	"time"
)

// keeperBytesMax bounds what a keeper is told.
const keeperBytesMax = 64 << 10

// keeperWaitMax is how long a keeper goes on where removing the rules fails.
const keeperWaitMax = 30 * time.Second

// RunKeeper is the keeper's work: it waits until the sidecar has ended, however
// that happened, removes its rules, and lets kill end its program. It gives
// kill what it was told on its standard input, which the kernel closes when
// the sidecar ends. The rules go first: with nobody behind them they cut off
// the whole namespace.
func RunKeeper(owner string, stdin io.Reader, kill func(io.Reader) error) error {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGTSTP)
	told, err := io.ReadAll(io.LimitReader(stdin, keeperBytesMax))
	return errors.Join(err, insist(owner), kill(bytes.NewReader(told)))
}

// insist removes the rules, and tries again where that fails.
func insist(owner string) error {
	ctx, cancel := context.WithTimeout(context.Background(), keeperWaitMax)
	defer cancel()
	for {
		err := Remove(ctx, owner)
		if err == nil || errors.Is(err, ErrGone) {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(200 * time.Millisecond):
		}
	}
}
