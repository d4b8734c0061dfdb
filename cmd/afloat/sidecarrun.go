package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/afloat-dev/afloat/internal/sidecar"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// sidecarRun is `afloat sidecar`: a daemon, the rules before it, and a program.
type sidecarRun struct {
	streams *streams
	from    sources
	capture capture
	grace   time.Duration
}

func (r *sidecarRun) run(ctx context.Context, command []string) error {
	rules, err := r.capture.rules()
	if err != nil {
		return err
	}
	if r.capture.dryRun {
		r.capture.script(r.streams, rules)
		return nil
	}
	r.from.sidecar = true
	r.from.outbound, r.from.inbound = r.capture.listeners(rules)
	a, err := r.from.load(r.streams)
	if err != nil {
		return err
	}
	d, err := newDaemon(&r.from, a, r.streams, false, nil)
	if err != nil {
		return &exit{code: exitUsage, err: err}
	}
	instance, owner := rand.Text(), sidecar.NewOwner(os.Getpid())
	release, err := supervise.Keep(selfKeeper(owner), instance, d.log)
	if err != nil {
		return &exit{code: exitFailed, err: err}
	}
	defer release()
	if err := r.capture.up(ctx, rules, owner); err != nil {
		return err
	}
	d.log.Info("rules in place", "table", "inet "+sidecar.Table, "owner", owner)
	return r.serve(ctx, d, owner, r.program(command, rules, instance))
}

// program is what runs beside the gateway; nil: nothing.
func (r *sidecarRun) program(command []string, rules *sidecar.Rules, instance string) *sidecar.Program {
	if len(command) == 0 {
		return nil
	}
	return &sidecar.Program{
		Command: command, UID: rules.UID, GID: rules.GID, Env: []string{supervise.Mark(instance, "program")},
		In: r.streams.in, Out: r.streams.out, Err: r.streams.err, Grace: r.grace,
	}
}

// serve runs the gateway and the program, and takes everything down in order:
// the program, whose calls are protected to its end, then the rules, so that
// nothing new is redirected, then the gateway.
func (r *sidecarRun) serve(ctx context.Context, d *daemon, owner string, p *sidecar.Program) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var group errgroup.Group
	broken := make(chan struct{})
	group.Go(func() error {
		defer close(broken)
		return d.serve(serving)
	})
	go forceOnSecondSignal(ctx, r.streams)
	running, end := context.WithCancel(ctx)
	defer end()
	go func() {
		select {
		case <-broken: // a gateway that fails takes the program with it
			end()
		case <-running.Done():
		}
	}()
	code, err := r.await(running, p)
	err = errors.Join(err, removeRules(ctx, owner))
	stop()
	if err := errors.Join(err, group.Wait()); err != nil {
		return &exit{code: exitFailed, err: err}
	}
	if code != 0 {
		return &exit{code: code, err: fmt.Errorf("the program ended with status %d", code), quiet: true}
	}
	return nil
}

// await waits for the program's end, or for that of the context.
func (r *sidecarRun) await(ctx context.Context, p *sidecar.Program) (int, error) {
	if p == nil {
		<-ctx.Done()
		return 0, nil
	}
	code, err := p.Run(ctx)
	if ctx.Err() != nil && code == 128+int(syscall.SIGTERM) {
		code = 0 // it ended as it was told to
	}
	return code, err
}
