package main

import (
	"context"
	"path/filepath"
	"syscall"

	"github.com/afloat-dev/afloat/bench/rig"
)

// nginx is the free nginx.
type nginx struct{ path string }

func (*nginx) name() string   { return "nginx" }
func (*nginx) title() string  { return "nginx" }
func (*nginx) config() string { return "nginx.conf" }

func (n *nginx) find(ctx context.Context, _ string) (version string, err error) {
	if n.path, err = rig.Find("nginx"); err != nil {
		return "", err
	}
	return rig.Version(ctx, n.path, "-v"), nil
}

func (n *nginx) command(file string) (string, []string) {
	return n.path, []string{"-e", "stderr", "-p", filepath.Dir(file), "-c", file}
}

func (*nginx) reload(front *rig.Process) error { return front.Signal(syscall.SIGHUP) }
