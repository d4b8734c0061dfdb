package signal_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/signal"
	"github.com/afloat-dev/afloat/internal/supervise"
	"github.com/afloat-dev/afloat/policy"
)

func TestEventLogWritesWhyAndRemembers(t *testing.T) {
	var out bytes.Buffer
	log := signal.NewEventLog(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})))
	log.Event(gateway.Event{Time: noon, Kind: gateway.EventDown, Service: "cart", Endpoint: "127.0.0.1:9001",
		From: "up", To: "down", Why: "connection refused"})
	log.Event(gateway.Event{Time: noon, Kind: gateway.EventBreaker, Service: "cart", Endpoint: "127.0.0.1:9001",
		From: "half-open", To: "closed"})
	log.Supervised(supervise.Event{Time: noon, Kind: supervise.EventExited, Service: "cart", Replica: 2, PID: 77, Why: "killed by SIGKILL"})
	log.Event(gateway.Event{Time: noon, Kind: gateway.EventUp, Service: "cart", Endpoint: "127.0.0.1:9001"})

	wantLog := `level=WARN msg="gateway changed" event=endpoint_down service=cart endpoint=127.0.0.1:9001 from=up to=down why="connection refused"
level=INFO msg="gateway changed" event=breaker service=cart endpoint=127.0.0.1:9001 from=half-open to=closed
level=INFO msg="gateway changed" event=endpoint_up service=cart endpoint=127.0.0.1:9001
`
	if diff := cmp.Diff(wantLog, out.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	want := []signal.Event{
		{Time: noon, Level: signal.LevelBad, What: "endpoint down", Who: "cart 127.0.0.1:9001", Why: "connection refused"},
		{Time: noon, Level: signal.LevelGood, What: "breaker closed", Who: "cart 127.0.0.1:9001"},
		{Time: noon, Level: signal.LevelBad, What: "exited", Who: "cart replica 2", Why: "killed by SIGKILL"},
		{Time: noon, Level: signal.LevelGood, What: "endpoint up", Who: "cart 127.0.0.1:9001"},
	}
	if diff := cmp.Diff(want, log.Recent(10)); diff != "" {
		t.Errorf("remembered (-want +got):\n%s", diff)
	}
}

func TestEventLogForgetsTheOldest(t *testing.T) {
	log := signal.NewEventLog(nil)
	for i := range 500 {
		log.Event(gateway.Event{Time: noon, Kind: gateway.EventApplied, Why: fmt.Sprint(i)})
	}
	all, last := log.Recent(1000), log.Recent(1)
	if len(all) != 200 || all[0].Why != "300" || len(last) != 1 || last[0].Why != "499" {
		t.Errorf("%d are kept from %v on, the last is %v", len(all), all[0], last)
	}
}

func TestTeeTellsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		metrics, window, log := signal.NewMetrics(signal.MetricsConfig{}), signal.NewWindow(nil), signal.NewEventLog(nil)
		serve(t, window)
		all := signal.Tee(metrics, nil, signal.Tee(window, log))
		all.Route("checkout", "cart").Request(record())
		all.Endpoint("cart", "127.0.0.1:9001").Try(policy.Success, time.Millisecond)
		all.Event(gateway.Event{Kind: gateway.EventListen})
		time.Sleep(time.Second)
		synctest.Wait()

		if got := window.Snapshot(time.Second)[0].Requests; got != 1 {
			t.Errorf("the window has %d requests", got)
		}
		if got := log.Recent(9); len(got) != 1 {
			t.Errorf("the event log has %v", got)
		}
		text := scrape(t, metrics, "text/plain")
		for _, want := range []string{
			`afloat_requests_total{code="200",route="checkout",service="cart"} 1`,
			`afloat_upstream_tries_total{class="success",endpoint="127.0.0.1:9001",service="cart"} 1`,
			`afloat_events_total{kind="listening"} 1`,
		} {
			if !strings.Contains(text, want+"\n") {
				t.Errorf("no line %s", want)
			}
		}
	})
}

func TestSourceGathersAView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		window, log := signal.NewWindow(gatewayStatus), signal.NewEventLog(nil)
		serve(t, window)
		for range 5 {
			ask(window, "cart", 20, 10*time.Millisecond, 200)
			ask(window, "", 5, time.Millisecond, 404) // no route
			time.Sleep(time.Second)
			synctest.Wait()
		}
		log.Event(gateway.Event{Kind: gateway.EventListen})
		v := signal.Source{
			Name: "shop.yaml", Started: began, Status: gatewayStatus, Replicas: replicaStatus, Window: window, Events: log,
		}.View()
		if v.UptimeSeconds != 5 || len(v.Services) != 2 || len(v.Events) != 1 || len(v.Listeners) != 1 {
			t.Fatalf("view %+v", v)
		}
		if v.All.Requests != 125 || v.All.InFlight != 14 {
			t.Errorf("all %+v", v.All)
		}
		cart := v.Services[0]
		if cart.Signals.Requests != 100 || len(cart.History.Rate) != 5 || len(cart.Endpoints) != 2 || len(cart.Replicas) != 2 || cart.Rollout == "" {
			t.Errorf("service %+v", cart)
		}
		if shop := v.Services[1]; shop.Signals.Service != "shop" || len(shop.Replicas) != 2 {
			t.Errorf("a service of two versions: %+v", shop)
		}
	})
}

func TestSourceWithoutAnythingIsAnEmptyView(t *testing.T) {
	if v := (signal.Source{}).View(); len(v.Services) != 0 || v.UptimeSeconds != 0 {
		t.Errorf("view %+v", v)
	}
}
