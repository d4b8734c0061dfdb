package signal_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/signal"
)

// serve runs a Window for the rest of a synctest bubble.
func serve(t *testing.T, w *signal.Window) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	synctest.Wait()
}

// ask tells a Window of n requests of the same duration.
func ask(w *signal.Window, service string, n int, took time.Duration, status int) {
	o := w.Route("any", service)
	for i := range n {
		o.Request(&gateway.Record{
			Client:   netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(i)),
			Duration: took, Status: status,
		})
	}
}

var near = cmpopts.EquateApprox(1.0/16, 0)

func TestWindowSumsUpTheSecondsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := signal.NewWindow(gatewayStatus)
		serve(t, w)
		ask(w, "cart", 1000, time.Second, 200) // too long ago for what follows
		for range 10 {
			time.Sleep(time.Second)
			synctest.Wait()
			ask(w, "cart", 97, 10*time.Millisecond, 200)
			ask(w, "cart", 3, 300*time.Millisecond, 503)
			ask(w, "stock", 100, 2*time.Millisecond, 200)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		want := []signal.ServiceSignals{
			{
				Seconds: 10, Requests: 2000, Rate: 200, Failed: 30, FailedShare: 0.015,
				P50Seconds: 0.002, P95Seconds: 0.010, P99Seconds: 0.300, InFlight: 14, Limit: 20, Queued: 2, Saturation: 0.8,
			},
			{
				Service: "cart", Seconds: 10, Requests: 1000, Rate: 100, Failed: 30, FailedShare: 0.03,
				P50Seconds: 0.010, P95Seconds: 0.010, P99Seconds: 0.300, InFlight: 14, Limit: 20, Queued: 2, Saturation: 0.8,
			},
			{
				Service: "stock", Seconds: 10, Requests: 1000, Rate: 100,
				P50Seconds: 0.002, P95Seconds: 0.002, P99Seconds: 0.002,
			},
		}
		if diff := cmp.Diff(want, w.Snapshot(10*time.Second), near); diff != "" {
			t.Errorf("signals (-want +got):\n%s", diff)
		}
	})
}

func TestWindowShowsFaultAndHealing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := signal.NewWindow(nil)
		serve(t, w)
		for _, status := range []int{200, 500, 500, 200} {
			ask(w, "cart", 10, 5*time.Millisecond, status)
			time.Sleep(time.Second)
			synctest.Wait()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		histories := w.Histories(time.Minute)
		want := signal.History{
			Service: "cart", End: time.Now(),
			Rate:        []float64{10, 10, 10, 10, 0},
			FailedShare: []float64{0, 1, 1, 0, 0},
			P99Seconds:  []float64{0.005, 0.005, 0.005, 0.005, 0},
			Saturation:  []float64{0, 0, 0, 0, 0},
		}
		if diff := cmp.Diff(want, histories[1], near); diff != "" {
			t.Errorf("history (-want +got):\n%s", diff)
		}
		want.Service = ""
		if diff := cmp.Diff(want, histories[0], near); diff != "" {
			t.Errorf("history of all (-want +got):\n%s", diff)
		}
	})
}

func TestWindowCountsWhatNoRouteTookInTheSumAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := signal.NewWindow(nil)
		serve(t, w)
		ask(w, "", 5, time.Millisecond, 404)
		ask(w, "cart", 1, time.Millisecond, 200)
		time.Sleep(time.Second)
		synctest.Wait()
		signals, histories := w.Snapshot(time.Second), w.Histories(time.Second)
		if len(signals) != 2 || signals[0].Requests != 6 || signals[1].Service != "cart" {
			t.Errorf("signals %+v", signals)
		}
		if len(histories) != 2 || histories[0].Rate[0] != 6 || histories[1].Service != "cart" {
			t.Errorf("histories %+v", histories)
		}
	})
}

func TestWindowForgetsWhatIsTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := signal.NewWindow(gatewayStatus)
		serve(t, w)
		ask(w, "gone", 10, time.Millisecond, 200)
		time.Sleep(300 * time.Second)
		synctest.Wait()
		if got := w.Snapshot(time.Hour)[0]; got.Requests != 10 || got.Seconds != 300 {
			t.Errorf("after five minutes: %d requests in %v s", got.Requests, got.Seconds)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		got := w.Snapshot(time.Hour)
		if len(got) != 2 || got[0].Requests != 0 || got[1].Service != "cart" {
			t.Errorf("two seconds later: %+v", got)
		}
	})
}

func TestWindowBoundsItsServices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := signal.NewWindow(nil)
		serve(t, w)
		for i := range 600 {
			ask(w, fmt.Sprintf("s%03d", i), 1, time.Millisecond, 200)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		got := w.Snapshot(time.Second)
		if len(got) != 1+500+1 || got[0].Requests != 600 || got[1].Service != "other" || got[1].Requests != 100 {
			t.Errorf("%d entries, the first %+v", len(got), got[:2])
		}
	})
}

func TestWindowIsJSONEvenWithoutRequests(t *testing.T) {
	w := signal.NewWindow(nil)
	w.Route("any", "cart")
	for _, v := range []any{w.Snapshot(time.Minute), w.Histories(time.Minute)} {
		if _, err := json.Marshal(v); err != nil {
			t.Error(err)
		}
	}
}

func TestWindowQuantilesAreAtMostASixteenthTooHigh(t *testing.T) {
	for _, took := range []time.Duration{
		0, time.Microsecond, 17 * time.Microsecond, 999 * time.Microsecond, 33 * time.Millisecond,
		1500 * time.Millisecond, 35 * time.Minute,
	} {
		synctest.Test(t, func(t *testing.T) {
			w := signal.NewWindow(nil)
			serve(t, w)
			ask(w, "cart", 1, took, 200)
			time.Sleep(time.Second)
			synctest.Wait()
			got := w.Snapshot(time.Second)[1].P99Seconds
			if most := took.Seconds()*(1+1.0/16) + 1e-6; got < took.Seconds() || got > most || math.IsNaN(got) {
				t.Errorf("%v is shown as %v s", took, got)
			}
		})
	}
}
