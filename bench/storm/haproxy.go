package main

import (
	"context"
	"syscall"

	"github.com/afloat-dev/afloat/bench/rig"
)

// haproxy is HAProxy, with a master process so that it can reload.
type haproxy struct{ path string }

func (*haproxy) name() string   { return "haproxy" }
func (*haproxy) title() string  { return "HAProxy" }
func (*haproxy) config() string { return "haproxy.cfg" }

func (h *haproxy) find(ctx context.Context, _ string) (version string, err error) {
	if h.path, err = rig.Find("haproxy"); err != nil {
		return "", err
	}
	return rig.Version(ctx, h.path, "-v"), nil
}

func (h *haproxy) command(file string) (string, []string) {
	return h.path, []string{"-W", "-db", "-f", file}
}

func (*haproxy) reload(front *rig.Process) error { return front.Signal(syscall.SIGUSR2) }
