package signal_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"strings"
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
				FailingSince: time.Date(2000, 1, 1, 0, 0, 4, 0, time.UTC), // the slow thousand of the first second left the share before
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

// TestWindowGoesOnCountingAfterFiveQuietMinutes: the gateway asks once, at its
// start, for what counts the requests that no route takes.
func TestWindowGoesOnCountingAfterFiveQuietMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := signal.NewWindow(func() gateway.Status {
			return gateway.Status{Originals: []gateway.ServiceStatus{{Name: "outbound"}}}
		})
		serve(t, w)
		unrouted, original := w.Route("none", ""), w.Route("original", "outbound")
		var beyond gateway.RequestObserver
		for i := range 600 {
			beyond = w.Route("any", fmt.Sprintf("s%03d", i))
		}
		for _, wait := range []time.Duration{time.Second, 302 * time.Second} {
			time.Sleep(wait)
			synctest.Wait()
			for _, o := range []gateway.RequestObserver{unrouted, original, beyond} {
				o.Request(&gateway.Record{Status: 404})
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if got := w.Snapshot(time.Second); got[0].Requests != 3 {
				t.Errorf("after %v: %d of 3 requests counted", wait, got[0].Requests)
			}
		}
	})
}

// TestTotalsAreOfEachServiceBeyondTheWindow: what an incident cost, and whether
// there is one, must not depend on how many services there are.
func TestTotalsAreOfEachServiceBeyondTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var status gateway.Status
		for i := range 600 {
			status.Services = append(status.Services, gateway.ServiceStatus{Name: fmt.Sprintf("s%03d", i)})
		}
		w := signal.NewWindow(func() gateway.Status { return status })
		serve(t, w)
		count := func(prefix string, n int, status int) {
			for i := range 600 {
				ask(w, fmt.Sprintf("%s%03d", prefix, i), n, time.Millisecond, status)
			}
		}
		expect := func(prefix string, requests, failed uint64) {
			t.Helper()
			seen := 0
			for _, total := range w.Totals() {
				if !strings.HasPrefix(total.Service, prefix) {
					continue
				}
				seen++
				if want := (signal.ServiceTotal{Service: total.Service, Requests: requests, Failed: failed, Harmed: failed}); total != want {
					t.Fatalf("%+v, want %+v", total, want)
				}
			}
			if seen != 600 {
				t.Errorf("totals of %d services, want 600", seen)
			}
		}
		count("s", 2, 200)
		count("s", 1, 503)
		expect("s", 3, 1)

		// Others take their places. Those beyond have a window once there is room.
		for i := range status.Services {
			status.Services[i].Name = fmt.Sprintf("t%03d", i)
		}
		count("t", 1, 200)
		time.Sleep(302 * time.Second)
		synctest.Wait()
		count("t", 1, 503)
		expect("t", 2, 1)
		time.Sleep(time.Second)
		synctest.Wait()
		apart := 0
		for _, s := range w.Snapshot(time.Second) {
			if strings.HasPrefix(s.Service, "t") && s.Requests == 1 {
				apart++
			}
		}
		if apart != 500 {
			t.Errorf("%d services have a window, want 500", apart)
		}
		if totals := w.Totals(); len(totals) > 600+2 {
			t.Errorf("totals of %d services: those that went are not forgotten", len(totals))
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

// TestWindowTellsSinceWhenAServiceFailsOrIsSlow lets a service fare well, then
// fail, then be slow, and well again.
func TestWindowTellsSinceWhenAServiceFailsOrIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := signal.NewWindow(gatewayStatus)
		serve(t, w)
		fares := func(seconds int, took time.Duration, status int) (begun time.Time, now signal.ServiceSignals) {
			begun = time.Now()
			for range seconds {
				ask(w, "cart", 100, took, status)
				time.Sleep(time.Second)
				synctest.Wait()
			}
			for _, s := range w.Snapshot(10 * time.Second) {
				if s.Service == "cart" {
					now = s
				}
			}
			return begun, now
		}
		close := func(what string, got, want time.Time) {
			t.Helper()
			if d := got.Sub(want); got.IsZero() || d < 0 || d > 3*time.Second {
				t.Errorf("%s since %v, want %v", what, got, want)
			}
		}
		well := func(what string, s signal.ServiceSignals) {
			t.Helper()
			if !s.FailingSince.IsZero() || !s.SlowSince.IsZero() {
				t.Errorf("%s: failing since %v, slow since %v", what, s.FailingSince, s.SlowSince)
			}
		}
		_, now := fares(20, 200*time.Millisecond, 200)
		if well("at first", now); now.UsualP99Seconds != 0 {
			t.Errorf("20 s made a p99 of %v usual", now.UsualP99Seconds)
		}
		_, now = fares(40, 50*time.Millisecond, 200)
		well("faster than at first", now)
		begun, now := fares(60, 50*time.Millisecond, 503)
		close("it fails", now.FailingSince, begun)
		_, now = fares(20, 50*time.Millisecond, 200)
		well("after failures", now)
		begun, now = fares(600, 10*time.Second, 200)
		close("it is slow", now.SlowSince, begun)
		if now.UsualP99Seconds > 1 {
			t.Errorf("ten slow minutes made a p99 of %v usual", now.UsualP99Seconds)
		}
		_, now = fares(20, 50*time.Millisecond, 200)
		well("in the end", now)
	})
}
