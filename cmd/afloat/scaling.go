package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/afloat-dev/afloat/internal/control/rollout"
	"github.com/afloat-dev/afloat/internal/control/scale"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// newScaling makes the loop that changes how many replicas run. An assembly's
// scaling has been validated.
func (d *daemon) newScaling() *scale.Loop {
	loop := scale.NewLoop(scale.Options{Supervisor: replicas{d.supervisor, d.releases}, Query: d.samples, Log: d.log})
	_ = loop.Set(d.assembly.Scaling)
	return loop
}

// serveScaling begins with what an Afloat before this one has scaled and this one
// does not: it runs as many replicas as it says again.
func (d *daemon) serveScaling(ctx context.Context) error {
	for _, p := range d.first.Processes {
		if _, scaled := d.first.Scaling[p.Name]; !scaled {
			_ = d.releases.Scale(p.Name, 0, "it is scaled no longer")
		}
	}
	return d.scaling.Serve(ctx)
}

// samples asks the store of metrics.
func (d *daemon) samples(ctx context.Context, query string) ([]scale.Sample, error) {
	if d.store == nil {
		return nil, errors.New("metrics are not kept: metrics.disabled is true")
	}
	vector, err := d.store.Query(ctx, query, time.Now())
	if err != nil {
		return nil, err
	}
	out := make([]scale.Sample, len(vector))
	for i, s := range vector {
		out[i] = scale.Sample{Labels: s.Metric.Map(), Value: s.F}
	}
	return out, nil
}

// replicas are those of the supervisor, as scaling sees them: of all versions of a
// service, while one is released.
type replicas struct {
	supervisor *supervise.Supervisor
	releases   *rollout.Controller
}

// setStride is by how much the IDs of one set's replicas differ from another's.
const setStride = 1 << 24

// Replicas is part of [scale.Supervisor].
func (r replicas) Replicas(service string) (wanted int, all []scale.Replica, ok bool) {
	sets, wanted, _ := r.releases.SetsOf(service)
	for _, s := range r.supervisor.Status() {
		i := slices.Index(sets, s.Name)
		if i < 0 || s.Desired == 0 {
			continue
		}
		ok = true
		if wanted == 0 {
			wanted = s.Desired
		}
		for _, status := range s.Replicas {
			one := scaleReplica(status)
			one.ID += i * setStride
			all = append(all, one)
		}
	}
	return wanted, all, ok
}

func scaleReplica(s supervise.ReplicaStatus) scale.Replica {
	r := scale.Replica{
		ID: s.ID, Started: s.Started, Changed: s.Since,
		Ready: s.Phase == supervise.PhaseReady,
		Gone:  s.Phase == supervise.PhaseStopping || s.Phase == supervise.PhaseStopped,
	}
	if len(s.Ports) > 0 {
		r.Endpoint = s.Ports[0].Addr
	}
	return r
}

// Spent is part of [scale.Supervisor].
func (r replicas) Spent(service string) (out []scale.Spent, err error) {
	sets, _, _ := r.releases.SetsOf(service)
	for i, set := range sets {
		used, e := r.supervisor.Usage(set)
		err = errors.Join(err, e)
		for _, u := range used {
			out = append(out, scale.Spent{ID: u.Replica + i*setStride, Started: u.Started, CPU: u.CPU, Memory: float64(u.Memory)})
		}
	}
	return out, err
}

// Scale is part of [scale.Supervisor].
func (r replicas) Scale(service string, n int, why string) error {
	return r.releases.Scale(service, n, why)
}
