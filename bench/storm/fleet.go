package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/afloat-dev/afloat/bench/rig"
	"github.com/afloat-dev/afloat/internal/freeport"
)

// shape is how many replicas a service has, and what each of them bears.
type shape struct {
	replicas, workers int
	serviceTime       time.Duration
}

// bears is how many requests a second the service can answer.
func (s shape) bears() float64 {
	return float64(s.replicas*s.workers) / s.serviceTime.Seconds()
}

// fleet is the processes of a service, one a replica.
type fleet struct {
	bench *bench
	shape shape

	replicas []*replica
}

// replica is a replica's address, and its process while it has one.
type replica struct {
	fleet   *fleet
	address string

	mu      sync.Mutex
	process *rig.Process // nil between two lives; guarded
}

// startFleet runs replicas until all of them serve.
func (b *bench) startFleet(ctx context.Context, s shape) (*fleet, error) {
	free, err := freeport.Addresses(s.replicas)
	if err != nil {
		return nil, err
	}
	f := &fleet{bench: b, shape: s}
	for _, address := range free {
		f.replicas = append(f.replicas, &replica{fleet: f, address: address})
	}
	if err := f.start(ctx); err != nil {
		f.kill()
		return nil, err
	}
	return f, nil
}

func (f *fleet) addresses() (all []string) {
	for _, r := range f.replicas {
		all = append(all, r.address)
	}
	return all
}

// start starts all replicas, at once.
func (f *fleet) start(ctx context.Context) error {
	return f.each(func(r *replica) error { return r.start(ctx) })
}

// kill ends all replicas.
func (f *fleet) kill() {
	_ = f.each(func(r *replica) error { r.kill(); return nil })
}

// each does something to all replicas at once.
func (f *fleet) each(do func(*replica) error) error {
	problems := make([]error, len(f.replicas))
	var all sync.WaitGroup
	for i, r := range f.replicas {
		all.Go(func() { problems[i] = do(r) })
	}
	all.Wait()
	return errors.Join(problems...)
}

// start begins a life of the replica, until it serves.
func (r *replica) start(ctx context.Context) error {
	s := r.fleet.shape
	b := r.fleet.bench
	p, err := b.keeper.start([]string{"GOMAXPROCS=1"}, b.self, verbReplica, "-listen", r.address,
		"-workers", fmt.Sprint(s.workers), "-service-time", s.serviceTime.String())
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.process = p
	r.mu.Unlock()
	return b.awaitAnswer(ctx, p, r.address, "/health")
}

// take returns the replica's process and leaves it without.
func (r *replica) take() *rig.Process {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.process
	r.process = nil
	return p
}

// kill ends the replica's life at once, if it has one.
func (r *replica) kill() {
	if p := r.take(); p != nil {
		r.fleet.bench.keeper.kill(p)
	}
}

// stop lets the replica answer what it has, and end.
func (r *replica) stop() {
	if p := r.take(); p != nil {
		r.fleet.bench.keeper.stop(p)
	}
}

// signal halts the replica or lets it go on.
func (r *replica) signal(s syscall.Signal) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process == nil {
		return errors.New("the replica does not run")
	}
	return r.process.Signal(s)
}

// misbehave sets a fault of the replica, as its PUT /fault takes it; none
// clears it.
func (r *replica) misbehave(ctx context.Context, how string) error {
	method, url := http.MethodPut, "http://"+r.address+"/fault?"+how
	if how == "" {
		method = http.MethodDelete
	}
	return ask(ctx, method, url)
}

// orders is for what is asked beside the load.
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

// awaitAnswer waits until a process answers well.
func (b *bench) awaitAnswer(ctx context.Context, p *rig.Process, address, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		err := ask(ctx, http.MethodGet, "http://"+address+path)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not serve (%w): %s", p.Name, err, p.Said())
		case <-p.Ended:
			return fmt.Errorf("%s ended: %s", p.Name, p.Said())
		case <-time.After(10 * time.Millisecond):
		}
	}
}
