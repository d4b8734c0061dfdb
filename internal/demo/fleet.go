package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// fleet is the processes of both sides.
type fleet struct {
	sample     []string
	startMax   time.Duration
	supervisor *supervise.Supervisor
	// addresses of the unprotected replicas, in the order of their ID; they
	// stay, whatever becomes of the processes.
	addresses []string
	lives     map[int]life // of those that were started again, by ID
}

// life is one of an unprotected replica's lives after the first.
type life struct {
	id, number int
	address    string
}

func (l life) name() string { return fmt.Sprintf("%s-%d-%d", unprotected, l.id, l.number) }

// replica is a process that a fault is about to befall.
type replica struct {
	ID   int
	PID  int
	Addr string
}

// newFleet prepares both sides' processes. The gateway is told which of the
// protected ones are ready.
func newFleet(o Options, g *gateway.Gateway, onEvent func(supervise.Event)) (*fleet, error) {
	f := &fleet{sample: o.SampleCommand, startMax: o.startMax, lives: map[int]life{}}
	configs := []supervise.Config{shopConfig(f.sample), unprotectedConfig(f.sample)}
	for _, c := range configs {
		if err := errors.Join(c.Check()...); err != nil {
			return nil, err
		}
	}
	f.supervisor = supervise.New(supervise.Options{
		Logger:        o.Log,
		KeeperCommand: o.KeeperCommand,
		OnEvent:       onEvent,
		OnEndpoints: func(service string, ready []supervise.Endpoint) {
			if service != shop {
				return
			}
			var addresses []string
			for _, e := range ready {
				addresses = append(addresses, e.Addr)
			}
			g.SetEndpoints(shop, addresses)
		},
	})
	return f, f.supervisor.Apply(configs)
}

// awaitReady waits until all replicas of both sides are ready.
func (f *fleet) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, f.startMax)
	defer cancel()
	err := await(ctx, func() bool {
		return f.ready(shop) == replicas && f.ready(unprotected) == replicas
	})
	if err != nil {
		return fmt.Errorf("the replicas did not get ready within %v%s", f.startMax, f.trouble())
	}
	for id := 1; id <= replicas; id++ {
		r, err := f.replica(unprotected, id)
		if err != nil {
			return err
		}
		f.addresses = append(f.addresses, r.Addr)
	}
	return nil
}

// trouble is what became of a replica that is not ready, in words.
func (f *fleet) trouble() string {
	for _, s := range f.supervisor.Status() {
		for _, r := range s.Replicas {
			if r.LastExit != "" {
				return fmt.Sprintf(": %s/%d %s", s.Name, r.ID, r.LastExit)
			}
		}
	}
	return ""
}

func (f *fleet) ready(service string) int {
	for _, s := range f.supervisor.Status() {
		if s.Name == service {
			return s.Ready
		}
	}
	return 0
}

// replica is a replica of a service as it runs now.
func (f *fleet) replica(service string, id int) (replica, error) {
	for _, s := range f.supervisor.Status() {
		if s.Name != service {
			continue
		}
		for _, r := range s.Replicas {
			if r.ID == id && r.PID != 0 {
				return replica{ID: id, PID: r.PID, Addr: r.Ports[0].Addr}, nil
			}
		}
	}
	return replica{}, fmt.Errorf("%s/%d does not run", service, id)
}

// protected is the protected replica with an ID.
func (f *fleet) protected(id int) (replica, error) { return f.replica(shop, id) }

// bare is the unprotected one, in its present life.
func (f *fleet) bare(id int) (replica, error) {
	service, inService := unprotected, id
	if l, ok := f.lives[id]; ok {
		service, inService = l.name(), 1
	}
	r, err := f.replica(service, inService)
	r.ID, r.Addr = id, f.addresses[id-1]
	return r, err
}

// startAgain gives an unprotected replica that has ended another life.
func (f *fleet) startAgain(ctx context.Context, id int) error {
	address := f.addresses[id-1]
	f.lives[id] = life{id: id, number: f.lives[id].number + 1, address: address}
	configs := []supervise.Config{shopConfig(f.sample), unprotectedConfig(f.sample)}
	for _, l := range f.lives {
		configs = append(configs, againConfig(f.sample, l))
	}
	if err := f.supervisor.Apply(configs); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, f.startMax)
	defer cancel()
	return await(ctx, func() bool { return healthy(ctx, address) })
}

// renew replaces all unprotected replicas.
func (f *fleet) renew(ctx context.Context) error {
	for id := range len(f.addresses) {
		r, err := f.bare(id + 1)
		if err != nil {
			return err
		}
		if _, err := kill(ctx, r); err != nil {
			return err
		}
		gone := func() bool { _, err := f.bare(id + 1); return err != nil }
		if err := await(ctx, gone); err != nil {
			return err
		}
		if err := f.startAgain(ctx, id+1); err != nil {
			return err
		}
	}
	return nil
}

func healthy(ctx context.Context, address string) bool {
	return ask(ctx, http.MethodGet, "http://"+address+"/health") == nil
}

// orders is for what is asked of replicas beside the load. A hung replica must
// not hold the story up.
var orders = &http.Client{Timeout: time.Second, Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}

func ask(ctx context.Context, method, url string) error {
	request, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return err
	}
	response, err := orders.Do(request)
	if err != nil {
		return err
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s answered %s", method, url, response.Status)
	}
	return nil
}

// await looks every 20 ms until a condition holds or ctx ends.
func await(ctx context.Context, holds func() bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// supervised is how the protected replicas stand, for the view.
func (f *fleet) supervised() []supervise.ServiceStatus {
	var protected []supervise.ServiceStatus
	for _, s := range f.supervisor.Status() {
		if s.Name == shop {
			protected = append(protected, s)
		}
	}
	return protected
}
