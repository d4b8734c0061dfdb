package main

import (
	"context"
	"syscall"

	"github.com/afloat-dev/afloat/bench/rig"
)

// afloat is this module's own gateway.
type afloat struct{ path string }

func (*afloat) name() string   { return "afloat" }
func (*afloat) title() string  { return "Afloat" }
func (*afloat) config() string { return "afloat.yaml" }

func (a *afloat) find(ctx context.Context, dir string) (version string, err error) {
	if a.path == "" {
		if a.path, err = rig.BuildAfloat(ctx, dir); err != nil {
			return "", err
		}
	}
	return rig.Version(ctx, a.path, "version"), nil
}

func (a *afloat) command(file string) (string, []string) {
	return a.path, []string{"run", "-f", file}
}

func (*afloat) reload(front *rig.Process) error { return front.Signal(syscall.SIGHUP) }
