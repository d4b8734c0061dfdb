package main

import (
	"context"
	"net/http"
	"path/filepath"
	"reflect"

	"github.com/afloat-dev/afloat/internal/signal/promapi"
	"github.com/afloat-dev/afloat/internal/signal/tsdb"
)

// openStore makes the store of metrics, unless the file switches it off. A
// sidecar has one only where its file asks for it: there may be many.
func (d *daemon) openStore() error {
	c := d.assembly.Metrics
	if c.Disabled || d.from.sidecar && reflect.DeepEqual(c, tsdb.Config{}) {
		return nil
	}
	store, err := tsdb.New(tsdb.Options{
		Config: c, Dir: filepath.Join(d.data.path, "metrics"), Gatherer: d.metrics.Gatherer(), Registerer: d.metrics.Registerer(),
		Log: d.log,
	})
	if err != nil {
		return err
	}
	d.store = store
	return d.metrics.Register(store)
}

func (d *daemon) serveStore(ctx context.Context) error {
	if d.store == nil {
		return nil
	}
	return d.store.Serve(ctx)
}

// rules are those that are evaluated; nil where none are.
func (d *daemon) rules() promapi.Rules {
	if d.alerts == nil {
		return nil
	}
	return d.alerts
}

// prometheus serves the API of Prometheus; nil without a store.
func (d *daemon) prometheus() http.Handler {
	if d.store == nil {
		return nil
	}
	b := readBuild()
	return promapi.Handler(promapi.Options{
		Store: d.store, Rules: d.rules(), Address: d.admin.Addr().String(), Version: b.Version, Revision: b.Revision, Started: d.started, Log: d.log,
	})
}
