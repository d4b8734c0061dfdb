package supervise

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	grpchealth "google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// watch runs a prober whose check fails at the seconds that bad holds for, and returns its verdicts by second.
func watch(config ProbeConfig, eager bool, length time.Duration, bad func(time.Duration) bool) (verdicts []string, tries int) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), length)
	defer cancel()
	p := prober{config: *config.withDefaults(0), eager: eager}
	p.check = func(context.Context) error {
		tries++
		if bad(time.Since(start)) {
			return errors.New("down")
		}
		return nil
	}
	p.report = func(ok bool, why string) {
		verdicts = append(verdicts, fmt.Sprintf("%v %v %s", time.Since(start).Round(time.Second), ok, why))
	}
	p.serve(ctx)
	return verdicts, tries
}

func TestProberCountsToItsThresholdsAndHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := ProbeConfig{InitialDelay: 20 * time.Second, Period: 10 * time.Second, SuccessThreshold: 2}
		got, tries := watch(config, false, 125*time.Second, func(at time.Duration) bool {
			return at > 45*time.Second && at < 85*time.Second
		})
		// Tries are at 20, 30 and so on, later by the jitter of the first, at most a second.
		for i := range got {
			got[i] = strings.NewReplacer("21s", "20s", "31s", "30s", "1m11s", "1m10s", "1m41s", "1m40s").Replace(got[i])
		}
		want := []string{"30s true ", "1m10s false down", "1m40s true "}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if tries != 11 {
			t.Errorf("got %d tries, want 11", tries)
		}
	})
}

func TestProberTellsWhyAgainWhenThatChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 55*time.Second)
		defer cancel()
		var told []string
		p := prober{config: *(&ProbeConfig{}).withDefaults(0), report: func(_ bool, why string) { told = append(told, why) }}
		tries := 0
		p.check = func(context.Context) error {
			tries++
			return errors.New(map[bool]string{true: "refused", false: "status 500"}[tries < 4])
		}
		p.serve(ctx)
		if diff := cmp.Diff([]string{"refused", "status 500"}, told); diff != "" {
			t.Error(diff)
		}
	})
}

func TestEagerProberFindsSuccessSoonAndCountsFailuresByPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := ProbeConfig{Period: 30 * time.Second}
		got, _ := watch(config, true, 20*time.Second, func(at time.Duration) bool { return at < 3*time.Second })
		if len(got) != 1 || !strings.HasSuffix(got[0], "true ") {
			t.Errorf("got %v, want a success within the first period", got)
		}
		got, tries := watch(config, true, 100*time.Second, func(time.Duration) bool { return true })
		if len(got) != 1 || got[0] != "1m0s false down" || tries > 120 {
			t.Errorf("got %v after %d tries, want failure at the third period", got, tries)
		}
	})
}

func TestHTTPProbeVerdicts(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "example.test" || r.Header.Get("X-Key") != "v" || !r.Close {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	mux.HandleFunc("/fail", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	mux.HandleFunc("/here", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/fail", 302) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "http://192.0.2.1/", 302) })
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", 302) })
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<10)); err != nil {
				return
			}
		}
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	closed := httptest.NewServer(mux)
	closed.Close()
	for _, test := range []struct {
		path, addr, want string
		timeout          time.Duration
	}{
		{"/ok", server.Listener.Addr().String(), "", patience},
		{"/fail", server.Listener.Addr().String(), "GET /fail: status 503", patience},
		{"/away", server.Listener.Addr().String(), "", patience},
		{"/loop", server.Listener.Addr().String(), "more than 10 redirects", patience},
		{"/endless", server.Listener.Addr().String(), "", patience},
		{"/hang", server.Listener.Addr().String(), "GET /hang: no answer in time", 20 * time.Millisecond},
		{"/ok", closed.Listener.Addr().String(), "GET /ok: connection refused", patience},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), test.timeout)
		probe := &HTTPProbe{Path: test.path, Scheme: "http", Headers: map[string]string{"Host": "example.test", "X-Key": "v"}}
		got := reason(checkHTTP(ctx, probe, test.addr))
		cancel()
		if got != test.want && (test.path != "/loop" || !strings.Contains(got, test.want)) {
			t.Errorf("%s: got %q, want %q", test.path, got, test.want)
		}
	}
	probe := &HTTPProbe{Path: "/here", Scheme: "http"}
	if got := reason(checkHTTP(t.Context(), probe, server.Listener.Addr().String())); got != "GET /here: status 503" {
		t.Errorf("got %q, want the redirect on the same host followed", got)
	}
}

func TestGRPCProbeVerdicts(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, state := grpc.NewServer(), grpchealth.NewServer()
	healthpb.RegisterHealthServer(server, state)
	go func() { _ = server.Serve(l) }()
	defer server.Stop()
	ask := func(service string) string {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		return reason(checkGRPC(ctx, &GRPCProbe{Service: service}, l.Addr().String()))
	}
	if got := ask(""); got != "" {
		t.Errorf("got %q of a server that serves", got)
	}
	if got := ask("shop"); !strings.Contains(got, `grpc-status "5"`) {
		t.Errorf("got %q of an unknown service", got)
	}
	state.SetServingStatus("shop", healthpb.HealthCheckResponse_NOT_SERVING)
	if got := ask("shop"); !strings.Contains(got, "not serving") {
		t.Errorf("got %q of a service that is down", got)
	}
	state.SetServingStatus("shop", healthpb.HealthCheckResponse_SERVING)
	if got := ask("shop"); got != "" {
		t.Errorf("got %q of a service that is back", got)
	}
	server.Stop()
	if got := ask("shop"); !strings.HasSuffix(got, "connection refused") {
		t.Errorf("got %q of no server", got)
	}
}

func TestTCPProbeVerdicts(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := checkTCP(t.Context(), l.Addr().String()); err != nil {
		t.Error(err)
	}
	l.Close()
	if err := checkTCP(t.Context(), l.Addr().String()); err == nil || !strings.HasSuffix(err.Error(), "connection refused") {
		t.Errorf("got %v", err)
	}
}

func TestNotifierTellsTheNewestEndpointsInOrder(t *testing.T) {
	var told []string
	n := newNotifier(New(Options{
		OnEndpoints: func(service string, ready []Endpoint) { told = append(told, fmt.Sprint(service, len(ready))) },
		OnEvent:     func(e Event) { told = append(told, string(e.Kind)) },
	}).opts)
	n.endpoints("a", make([]Endpoint, 3))
	n.event(Event{Kind: EventUnready})
	n.endpoints("b", nil)
	n.endpoints("a", make([]Endpoint, 2))
	flushed := n.told()
	for range eventsMax + 5 {
		n.event(Event{Kind: EventReady})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	n.serve(ctx)
	<-flushed
	if diff := cmp.Diff([]string{"a2", "unready", "b0"}, told[:3]); diff != "" {
		t.Error(diff)
	}
	if len(told) != 2+eventsMax {
		t.Errorf("told %d, want the events over the limit dropped", len(told))
	}
}
