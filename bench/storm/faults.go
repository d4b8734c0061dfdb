package main

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"
)

// Each of these makes a fault happen, keeps it up, and takes it away again: when
// it returns, all is as it was.

// killed ends a replica and starts it again later.
func killed(ctx context.Context, t *trial) error {
	victim := t.victim()
	victim.kill()
	pause(ctx, t.lasts)
	return victim.start(ctx)
}

// hanging stops a replica's process without a word to those who wait for it.
func hanging(ctx context.Context, t *trial) error {
	victim := t.victim()
	if err := victim.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	pause(ctx, t.lasts)
	return victim.signal(syscall.SIGCONT)
}

// misbehaving has a replica do its work badly, and its health answers well.
func misbehaving(how string) func(context.Context, *trial) error {
	return func(ctx context.Context, t *trial) error {
		victim := t.victim()
		if err := victim.misbehave(ctx, how); err != nil {
			return err
		}
		pause(ctx, t.lasts)
		return victim.misbehave(ctx, "")
	}
}

// blackholed drops all packets to a replica.
func blackholed(ctx context.Context, t *trial) error {
	_, port, err := net.SplitHostPort(t.victim().address)
	if err != nil {
		return err
	}
	defer unblock()
	if err := block(port); err != nil {
		return err
	}
	pause(ctx, t.lasts)
	return nil
}

// flapping has a replica be there and gone in turn, each for a second.
func flapping(ctx context.Context, t *trial) error {
	victim := t.victim()
	for end := time.Now().Add(t.lasts); time.Now().Before(end); {
		victim.kill()
		pause(ctx, time.Second)
		if err := victim.start(ctx); err != nil {
			return err
		}
		pause(ctx, time.Second)
	}
	return nil
}

// surging has far more users come than the service bears.
func surging(ctx context.Context, t *trial) error {
	t.users.surge(t.storm.surge)
	pause(ctx, t.lasts)
	t.users.surge(1)
	return nil
}

// allKilled ends all replicas at once.
func allKilled(ctx context.Context, t *trial) error {
	t.fleet.kill()
	pause(ctx, t.lasts)
	return t.fleet.start(ctx)
}

// allHanging stops all replicas at once.
func allHanging(ctx context.Context, t *trial) error {
	if err := t.fleet.each(func(r *replica) error { return r.signal(syscall.SIGSTOP) }); err != nil {
		return err
	}
	pause(ctx, t.lasts)
	return t.fleet.each(func(r *replica) error { return r.signal(syscall.SIGCONT) })
}

// restarting replaces every replica, one after the other. Each may answer what
// it has.
func restarting(ctx context.Context, t *trial) error {
	between := t.lasts / time.Duration(2*len(t.fleet.replicas))
	for _, r := range t.fleet.replicas {
		r.stop()
		pause(ctx, between)
		if err := r.start(ctx); err != nil {
			return err
		}
		pause(ctx, between)
	}
	return nil
}

// reloading has the gateway take over a changed configuration, with a replica
// more or less, four times a second. The replica itself stays.
func reloading(ctx context.Context, t *trial) error {
	all := t.fleet.addresses()
	fewer := all[:len(all)-1]
	const often = 250 * time.Millisecond
	for i := range 2 * int(t.lasts/(2*often)) { // an even number: in the end it is as before
		replicas := fewer
		if i%2 == 1 {
			replicas = all
		}
		if err := t.front.configure(replicas); err != nil {
			return err
		}
		if err := t.front.gateway.reload(t.front.Process); err != nil {
			return err
		}
		pause(ctx, often)
	}
	return nil
}

// frontHanging stops the gateway itself.
func frontHanging(ctx context.Context, t *trial) error {
	if err := t.front.SignalAll(syscall.SIGSTOP); err != nil {
		return err
	}
	held := pause(ctx, t.lasts)
	if err := t.front.SignalAll(syscall.SIGCONT); err != nil || held {
		return err
	}
	return errors.New("interrupted")
}
