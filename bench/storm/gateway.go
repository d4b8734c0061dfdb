package main

import (
	"context"
	"embed"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/bench/rig"
	"github.com/afloat-dev/afloat/internal/freeport"
)

// gateway is a program that stands between users and replicas. To add one,
// write a file with a type that implements this, put its configuration's
// template into testdata, and name it in gateways.
type gateway interface {
	// name is what -gateway calls it, title what tables do.
	name() string
	title() string
	// find looks the program up, or builds it into dir, and returns its
	// version. The error says how to install it.
	find(ctx context.Context, dir string) (version string, err error)
	// config is its configuration's file name; its template has .tmpl at the end.
	config() string
	// command runs it in the foreground with a configuration.
	command(file string) (path string, args []string)
	// reload makes it take over its configuration, which has changed.
	reload(front *rig.Process) error
}

// gateways are all that storms can be sent through. The first is the one that
// the others are compared with.
func gateways(o options) []gateway {
	return []gateway{&afloat{path: o.afloat}, &haproxy{}, &nginx{}}
}

// site is what a configuration's template is filled in with: what the owner of
// the service knows, the same for all.
type site struct {
	Dir, Port string
	Replicas  []string
	// Workers is on how many requests a replica works at once.
	Workers int
	// Patience is how long users wait, and Try how long one try may take.
	Patience, Try time.Duration
}

// List is the replicas' addresses in one line.
func (s site) List() string { return strings.Join(s.Replicas, ", ") }

// HalfPatience is half of what users wait.
func (s site) HalfPatience() time.Duration { return s.Patience / 2 }

// LongWait is for how long a request may wait and still be answered in time.
func (s site) LongWait() time.Duration { return s.Patience - s.Try }

// Slots is a good bound on the requests that one replica has: it never waits
// for work, and has no long queue.
func (s site) Slots() int { return 2 * s.Workers }

// AllSlots is the same for all replicas together.
func (s site) AllSlots() int { return s.Slots() * len(s.Replicas) }

// CrowdSlots is three quarters of AllSlots.
func (s site) CrowdSlots() int { return max(s.AllSlots()*3/4, 1) }

//go:embed testdata
var testdata embed.FS

// front is a gateway that runs.
type front struct {
	*rig.Process
	gateway gateway
	address string
	file    string
	site    site
}

// startFront runs a gateway before the replicas at these addresses until it
// serves.
func (b *bench) startFront(ctx context.Context, g gateway, f *fleet) (*front, error) {
	free, err := freeport.Addresses(1)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.dir, g.name())
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // a worker may run as another user
		return nil, err
	}
	_, port, _ := net.SplitHostPort(free[0])
	t := &front{gateway: g, address: free[0], file: filepath.Join(dir, g.config()), site: site{
		Dir: dir, Port: port, Replicas: f.addresses(), Workers: f.shape.workers, Patience: patience, Try: try,
	}}
	if err := t.configure(f.addresses()); err != nil {
		return nil, err
	}
	path, args := g.command(t.file)
	if t.Process, err = b.keeper.start(nil, path, args...); err != nil {
		return nil, err
	}
	if err := b.awaitAnswer(ctx, t.Process, t.address, "/"); err != nil {
		b.keeper.kill(t.Process)
		return nil, err
	}
	return t, nil
}

// configure writes the gateway's configuration, for some of the replicas.
func (t *front) configure(replicas []string) error {
	t.site.Replicas = replicas
	if err := rig.WriteTemplate(t.file, testdata, "testdata/"+t.gateway.config()+".tmpl", t.site); err != nil {
		return fmt.Errorf("configure %s: %w", t.gateway.title(), err)
	}
	return nil
}
