package main

import (
	"context"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"github.com/afloat-dev/afloat/internal/alert"
	"github.com/afloat-dev/afloat/internal/console"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/signal"
	"github.com/afloat-dev/afloat/internal/signal/tsdb"
)

// openAlerts makes what watches and tells. A sidecar has it only where its file
// asks for it: there may be many.
func (d *daemon) openAlerts() (err error) {
	if d.from.sidecar && reflect.DeepEqual(d.assembly.Alerts, alert.Config{}) {
		return nil
	}
	options := alert.Options{
		Dir: filepath.Join(d.data.path, "alerts"), Journal: d.journal, Log: d.log, Totals: d.totals, Situation: d.situation,
	}
	if d.admin != nil {
		options.URL = "http://" + d.admin.Addr().String()
	}
	if d.store != nil {
		options.Store = &alert.Store{
			Queryable: d.store.Queryable(), Appendable: d.store.Appendable(), Engine: d.store.Engine(), Ready: d.store.Ready(), Closed: tsdb.ErrNotReady,
		}
	}
	if d.alerts, err = alert.New(options); err != nil {
		return err
	}
	return d.metrics.Register(d.alerts)
}

// applyAlerts puts the configuration of alerts in force.
func (d *daemon) applyAlerts(c alert.Config) error {
	if d.alerts == nil {
		return nil
	}
	return d.alerts.Apply(c)
}

func (d *daemon) serveAlerts(ctx context.Context) error {
	if d.alerts == nil {
		return nil
	}
	return d.alerts.Serve(ctx)
}

// alerting is what the API serves of alerts; nil where there are none.
func (d *daemon) alerting() console.Alerts {
	if d.alerts == nil {
		return nil
	}
	return d.alerts
}

// totals counts each service's requests, and the endpoints that take them.
func (d *daemon) totals() []alert.Total {
	counted := map[string]signal.ServiceTotal{}
	for _, t := range d.window.Totals() {
		counted[t.Service] = t
	}
	supervised := map[string]bool{}
	d.mu.Lock()
	for i := range d.assembly.Processes {
		supervised[d.assembly.Processes[i].Name] = true
	}
	d.mu.Unlock()
	services := d.gateway.Status().Services
	d.lately.take(services, time.Now())
	all := make([]alert.Total, 0, len(services))
	for _, s := range services {
		c := counted[s.Name]
		t := alert.Total{
			Service: s.Name, Requests: c.Requests, Failed: c.Failed, Harmed: c.Harmed,
			Supervised: supervised[s.Name], Drained: len(s.Endpoints) > 0,
		}
		for i := range s.Endpoints {
			e := &s.Endpoints[i]
			if e.State != "draining" {
				t.Endpoints++
			}
			if e.State == "up" {
				t.Able++
			}
			t.Drained = t.Drained && drained(e)
		}
		all = append(all, t)
	}
	return all
}

// drained reports whether somebody took the endpoint out by hand.
func drained(e *gateway.EndpointStatus) bool {
	return slices.ContainsFunc(e.Levers, func(l gateway.Lever) bool { return l.Kind == gateway.LeverDrain })
}

// situation says how a service fares, for a notice.
func (d *daemon) situation(service string) alert.Situation {
	var s alert.Situation
	now, apart := signalsOf(d.window.Snapshot(10*time.Second), service)
	switch {
	case !apart: // there are too many services
	case now.Requests > 0:
		s.Numbers = fmt.Sprintf("%.1f requests/s, %.1f%% failed, p50 %s, p99 %s", now.Rate, 100*now.FailedShare, millis(now.P50Seconds), millis(now.P99Seconds))
		if now.Limit > 0 {
			s.Numbers += fmt.Sprintf(", %d of %d in flight", now.InFlight, now.Limit)
		}
	default:
		s.Numbers = "no requests in the last 10 seconds"
	}
	for _, each := range d.gateway.Status().Services {
		if each.Name == service {
			s.StandsOut = standsOut(each.Endpoints, d.lately.of(service))
		}
	}
	return s
}

// refused reports whether the configuration in the files is not in force.
func (d *daemon) refused() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.config.Refused != ""
}
