package demo

import (
	"context"
	"fmt"
	"net/http"
	"syscall"

	"golang.org/x/sys/unix"
)

// A fault befalls one replica of each side at the same time.
type fault struct {
	name  string // in JSON
	title string // in the table
	story string // in the narration
	// strike makes the fault happen to a replica and returns what takes it
	// away again.
	strike func(ctx context.Context, r replica) (lift func(context.Context) error, err error)
	// ends means that the replica's process is gone afterwards.
	ends bool
}

// faults come in this order; overload, the fifth, befalls all replicas alike.
var faults = []fault{
	{name: "kill", title: "replica killed", story: "one replica is killed with SIGKILL", strike: kill, ends: true},
	{name: "hang", title: "replica hangs", story: "one replica hangs: it is stopped with SIGSTOP", strike: hang},
	{name: "errors", title: "30% errors", story: "one replica answers 30% of its requests with 500", strike: misbehave("errors=0.3")},
	{name: "slow", title: "ten times slower", story: "one replica gets ten times slower", strike: misbehave("slow=10")},
}

const (
	calmName      = "calm"
	calmTitle     = "calm, no fault"
	overloadName  = "overload"
	overloadTitle = "3 x overload"
	overloadTimes = 3
)

func kill(_ context.Context, r replica) (func(context.Context) error, error) {
	if r.PID <= 1 {
		return nil, fmt.Errorf("%d is no process to kill", r.PID)
	}
	if err := syscall.Kill(r.PID, syscall.SIGKILL); err != nil {
		return nil, fmt.Errorf("kill %d: %w", r.PID, err)
	}
	return func(context.Context) error { return nil }, nil
}

// hang holds on to the process by its descriptor: by the time that it is let
// go on, the supervisor may have replaced it, and its ID may be another's.
func hang(_ context.Context, r replica) (func(context.Context) error, error) {
	process, err := unix.PidfdOpen(r.PID, 0)
	if err == nil {
		err = unix.PidfdSendSignal(process, unix.SIGSTOP, nil, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("stop %d: %w", r.PID, err)
	}
	return func(context.Context) error {
		defer unix.Close(process)
		if err := unix.PidfdSendSignal(process, unix.SIGCONT, nil, 0); err != nil && err != unix.ESRCH {
			return fmt.Errorf("continue %d: %w", r.PID, err)
		}
		return nil
	}, nil
}

func misbehave(how string) func(context.Context, replica) (func(context.Context) error, error) {
	return func(ctx context.Context, r replica) (func(context.Context) error, error) {
		url := "http://" + r.Addr + "/fault"
		lift := func(ctx context.Context) error { return ask(ctx, http.MethodDelete, url) }
		return lift, ask(ctx, http.MethodPut, url+"?"+how)
	}
}
