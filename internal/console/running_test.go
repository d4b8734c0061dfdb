package console

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/alert"
	"github.com/afloat-dev/afloat/internal/control/rollout"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/journal"
	"github.com/afloat-dev/afloat/internal/signal"
)

// running are the Options of a gateway that serves one real endpoint of the
// service web.
func running(t *testing.T) Options {
	t.Helper()
	upstream := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(upstream.Close)
	g := gateway.New(gateway.Options{})
	err := g.Apply(&gateway.Config{
		Listeners: []gateway.ListenerConfig{{Address: "127.0.0.1:0"}},
		Services:  map[string]gateway.ServiceConfig{"web": {Endpoints: gateway.Addresses(strings.TrimPrefix(upstream.URL, "http://"))}},
		Routes:    []gateway.RouteConfig{{Name: "all", To: []gateway.DestinationConfig{{Service: "web"}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = g.Serve(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	kept, err := journal.Open(journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	alerts, err := alert.New(alert.Options{Journal: kept})
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan struct{})
	go func() { defer close(told); _ = alerts.Serve(ctx) }()
	t.Cleanup(func() { cancel(); <-told })
	window := signal.NewWindow(g.Status)
	return Options{
		Status:    func() Status { return Status{Version: "v1", Gateway: g.Status()} },
		View:      signal.Source{Status: g.Status, Window: window}.View,
		Histories: window.Histories,
		Metrics:   http.NotFoundHandler(),
		Faults:    gatewayFaults{g},
		Levers:    g,
		Journal:   kept,
		Alerts:    alerts,
		Releases:  nothingReleased{},
		Replicas:  new(evictions),
		Upgrade:   func(context.Context) (Upgraded, error) { return Upgraded{}, nil },
	}
}

// gatewayFaults injects one fault, whatever the text says.
type gatewayFaults struct{ *gateway.Gateway }

func (f gatewayFaults) Inject(route string, _ []byte, lasts time.Duration, by gateway.Actor) error {
	c := gateway.FaultConfig{Reset: 1}
	c.For = lasts
	return f.Gateway.Inject(route, c, by)
}

// nothingReleased has no release, and no service that one could be of.
type nothingReleased struct{}

func (nothingReleased) Status() []rollout.Status                         { return nil }
func (nothingReleased) Brief() []rollout.Status                          { return nil }
func (nothingReleased) Start(string, []byte, string) error               { return rollout.ErrNoService }
func (nothingReleased) Do(string, rollout.Command, string, string) error { return rollout.ErrNoService }
func (nothingReleased) Undo(string, string, string) error                { return rollout.ErrNoService }

// addressOf is the endpoint of the service web.
func addressOf(o Options) string { return o.Status().Gateway.Services[0].Endpoints[0].Address }
