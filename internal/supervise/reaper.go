package supervise

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const reapPause = time.Second

// adopt makes this process the parent of all orphans among its descendants, so that none gets out of sight.
func adopt() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become a subreaper: %w", err)
	}
	return nil
}

// reapOrphans takes adopted processes that ended out of the process table, until ctx ends. A child that another part of
// this program started must be left to it: so an orphan is one outside our own process group that stayed a zombie for a
// whole pause, which no child does that somebody waits for.
func reapOrphans(ctx context.Context, started func(pid int) bool) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)
	suspects := map[int]uint64{}
	for {
		var again <-chan time.Time
		if len(suspects) > 0 {
			again = time.After(reapPause)
		}
		select {
		case <-ctx.Done():
			return
		case <-ended:
		case <-again:
		}
		suspects = reapZombies(suspects, started)
		if !pause(ctx, reapPause) {
			return
		}
	}
}

// reapZombies reaps the zombies that were suspects and returns the new suspects.
func reapZombies(suspects map[int]uint64, started func(pid int) bool) map[int]uint64 {
	table, err := processTable(false)
	if err != nil {
		return suspects
	}
	next := map[int]uint64{}
	for _, p := range table {
		if !p.zombie || p.parent != os.Getpid() || p.group == syscall.Getpgrp() || started(p.pid) {
			continue
		}
		if start, ok := suspects[p.pid]; ok && start == p.start {
			p.reap()
		} else {
			next[p.pid] = p.start
		}
	}
	return next
}
