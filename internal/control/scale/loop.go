package scale

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"time"
)

// Every is how often a [Loop] looks: as often as Kubernetes does by default.
const Every = 15 * time.Second

// Supervisor runs the replicas.
type Supervisor interface {
	// Replicas returns how many replicas of a service are wanted and those that
	// there are, without what they use; false where there is no such service.
	Replicas(service string) (wanted int, replicas []Replica, ok bool)
	// Spent returns what the replicas of a service have used.
	Spent(service string) ([]Spent, error)
	// Scale has a service run n replicas, and says why; 0 is as many as its
	// configuration says.
	Scale(service string, n int, why string) error
}

// Sample is a value of a series.
type Sample struct {
	Labels map[string]string
	Value  float64
}

// Options are what a Loop works with.
type Options struct {
	Supervisor Supervisor
	// Query evaluates an expression of PromQL now. Nil: metrics have no values.
	Query func(ctx context.Context, query string) ([]Sample, error)
	// Every is the time between looks. Default 15s.
	Every time.Duration
	// Log is told what could not be done. Default: nobody is.
	Log *slog.Logger
}

// Loop scales services until its context ends.
type Loop struct {
	options Options

	mu       sync.Mutex
	services map[string]*scaled // guarded
}

// scaled is one service that is scaled.
type scaled struct {
	scaler  *Scaler
	meter   Meter
	last    Decision
	decided bool
}

// NewLoop returns a Loop without services.
func NewLoop(o Options) *Loop {
	if o.Every == 0 {
		o.Every = Every
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Loop{options: o, services: map[string]*scaled{}}
}

// Set makes configs, by service, those that hold from now on. A service that is
// no longer among them runs as many replicas as its configuration says. Where a
// Config is not valid nothing changes.
func (l *Loop) Set(configs map[string]Config) error {
	for name, c := range configs {
		if err := c.Validate(); err != nil {
			return fmt.Errorf("scale %s: %w", name, err)
		}
	}
	var gone []string
	l.mu.Lock()
	for name := range l.services {
		if _, kept := configs[name]; !kept {
			delete(l.services, name)
			gone = append(gone, name)
		}
	}
	for name, c := range configs {
		s := l.services[name]
		if s == nil {
			s = &scaled{scaler: new(Scaler)}
			l.services[name] = s
		}
		_ = s.scaler.Set(c) // has been validated
	}
	l.mu.Unlock()
	for _, name := range gone {
		l.scale(name, 0, "it is scaled no longer")
	}
	return nil
}

// Serve looks at once and then again and again.
func (l *Loop) Serve(ctx context.Context) error {
	tick := time.NewTicker(l.options.Every)
	defer tick.Stop()
	for {
		l.look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Status is what was decided last, by service.
func (l *Loop) Status() map[string]Decision {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]Decision{}
	for name, s := range l.services {
		if s.decided {
			out[name] = s.last
		}
	}
	return out
}

// look steps every service. Only Serve calls it, so that scalers and meters are
// used by one goroutine but for Set.
func (l *Loop) look(ctx context.Context) {
	l.mu.Lock()
	names := slices.Sorted(maps.Keys(l.services))
	l.mu.Unlock()
	for _, name := range names {
		l.mu.Lock()
		s := l.services[name]
		var metrics []Metric
		if s != nil {
			metrics = s.scaler.config.Metrics
		}
		l.mu.Unlock()
		if s == nil || ctx.Err() != nil {
			continue
		}
		readings := l.read(ctx, metrics)
		spent, err := l.options.Supervisor.Spent(name)
		if err != nil {
			l.options.Log.Warn("what replicas use is not known", "service", name, "error", err)
		}
		wanted, replicas, ok := l.options.Supervisor.Replicas(name)
		if !ok {
			continue
		}
		v := View{Now: time.Now(), Wanted: wanted, Replicas: replicas, Metrics: readings}
		if n, why, changed := l.step(name, s, v, spent); changed {
			l.scale(name, n, why)
		}
	}
}

// step decides for one service.
func (l *Loop) step(name string, s *scaled, v View, spent []Spent) (n int, why string, changed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.services[name] != s {
		return 0, "", false // no longer scaled
	}
	used := s.meter.Read(v.Now, spent)
	for i := range v.Replicas {
		v.Replicas[i].Used = used[v.Replicas[i].ID]
	}
	s.last, s.decided = s.scaler.Step(v), true
	why = s.last.Why
	if s.last.Limit != "" {
		why += "; " + s.last.Limit
	}
	return s.last.Replicas, why, s.last.Replicas != v.Wanted
}

// queryMax bounds how long a figure is waited for.
const queryMax = 5 * time.Second

// read asks for the values of metrics.
func (l *Loop) read(ctx context.Context, metrics []Metric) []Reading {
	all := make([]Reading, len(metrics))
	for i, m := range metrics {
		all[i] = l.readOne(ctx, m)
	}
	return all
}

func (l *Loop) readOne(ctx context.Context, m Metric) Reading {
	if l.options.Query == nil {
		return Reading{Err: fmt.Errorf("metrics are not kept here")}
	}
	ctx, cancel := context.WithTimeout(ctx, queryMax)
	defer cancel()
	samples, err := l.options.Query(ctx, m.Query)
	switch {
	case err != nil:
		return Reading{Err: err}
	case len(samples) == 0:
		return Reading{Err: fmt.Errorf("the query finds no series")}
	}
	r := Reading{Each: map[string]float64{}}
	for _, s := range samples {
		if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
			return Reading{Err: fmt.Errorf("the value is %v", s.Value)}
		}
		r.Sum += s.Value
		if endpoint := s.Labels["endpoint"]; endpoint != "" {
			r.Each[endpoint] += s.Value
		}
	}
	return r
}

func (l *Loop) scale(name string, n int, why string) {
	if err := l.options.Supervisor.Scale(name, n, why); err != nil {
		l.options.Log.Warn("a service could not be scaled", "service", name, "replicas", n, "error", err)
	}
}
