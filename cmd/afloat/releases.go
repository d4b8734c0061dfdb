package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/afloat-dev/afloat/internal/config"
	"github.com/afloat-dev/afloat/internal/control/rollout"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/journal"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// openReleases goes on with the releases that are written down in the data
// folder.
func (d *daemon) openReleases() (err error) {
	dir := filepath.Join(d.data.path, "releases")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("releases: %w", err)
	}
	d.releases, err = rollout.NewController(rollout.Options{
		Dir: dir, Processes: levers{d}, Traffic: levers{d}, Log: d.log, Tell: d.released, Query: d.values,
		Scale: func(set string, n int, why string) error { return d.supervisor.Scale(set, n, why) },
		Evict: func(set string, id int) error { return d.supervisor.Evict(set, id) },
	})
	return err
}

// values asks the store of metrics for a judge.
func (d *daemon) values(ctx context.Context, query string) ([]float64, error) {
	samples, err := d.samples(ctx, query)
	var out []float64
	for _, s := range samples {
		out = append(out, s.Value)
	}
	return out, err
}

// released writes a release's progress into the journal.
func (d *daemon) released(n rollout.Note) {
	level := journal.LevelNote
	switch n.Phase {
	case rollout.PhaseAborting, rollout.PhaseAborted:
		level = journal.LevelBad
	case rollout.PhaseComplete:
		level = journal.LevelGood
	}
	d.journal.Post(journal.Entry{
		Time: n.Time, Kind: journal.KindRelease, Level: level, Who: n.Who, Subject: n.Service, What: n.What, Why: n.Why,
		Detail: journal.Detail(map[string]string{"release": n.Release, "phase": string(n.Phase)}),
	})
}

// levers are what a release moves: the supervisor and the gateway, which are made
// after it.
type levers struct{ d *daemon }

func (l levers) Apply(all []supervise.Config) error { return l.d.supervisor.Apply(all) }

func (l levers) Status() []supervise.ServiceStatus { return l.d.supervisor.Status() }

func (l levers) Supply(service string, endpoints []gateway.EndpointConfig) {
	l.d.gateway.Supply(service, endpoints)
}

func (l levers) SetSplit(service string, split *gateway.Split) error {
	return l.d.gateway.SetSplit(service, split)
}

func (l levers) Drain(ctx context.Context, service, address string) {
	l.d.gateway.Drain(ctx, service, address)
}

// releases lets the API start releases in the words of afloat.yaml.
type releases struct{ *rollout.Controller }

func (r releases) Start(service string, text []byte, who string) error {
	if len(text) == 0 {
		return r.Controller.Start(service, nil, who)
	}
	p, err := r.Process(service)
	if err != nil {
		return err
	}
	if p, err = config.ParseProcess(config.Source{Name: "process", Data: text}, p); err != nil {
		return err
	}
	return r.Controller.Start(service, &p, who)
}
