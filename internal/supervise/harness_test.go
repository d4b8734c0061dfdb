package supervise

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	pollEvery = 5 * time.Millisecond
	patience  = 20 * time.Second // for something that should happen soon, on a busy machine
)

// harness is a Supervisor that runs, and what it told.
type harness struct {
	*Supervisor
	t     *testing.T
	stop  func()        // ends Serve and waits
	ended chan struct{} // closed when Serve has ended

	mu        sync.Mutex
	events    []Event
	endpoints map[string][]Endpoint
	output    bytes.Buffer
}

// supervise runs a Supervisor with these services until the test ends. Options without callbacks may be changed by set.
func supervise(t *testing.T, set func(*Options), configs ...Config) *harness {
	t.Helper()
	h := newHarness(t, set)
	h.apply(configs...)
	h.serve()
	return h
}

// newHarness is a Supervisor that does not serve yet.
func newHarness(t *testing.T, set func(*Options)) *harness {
	t.Helper()
	h := &harness{t: t, ended: make(chan struct{}), endpoints: map[string][]Endpoint{}}
	opts := Options{
		Output: lockedWriter{h},
		OnEndpoints: func(service string, ready []Endpoint) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.endpoints[service] = ready
		},
		OnEvent: func(e Event) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.events = append(h.events, e)
		},
	}
	if set != nil {
		set(&opts)
	}
	h.Supervisor = New(opts)
	return h
}

// serve runs the Supervisor until the test ends.
func (h *harness) serve() {
	t := h.t
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		defer close(h.ended)
		served <- h.Serve(ctx)
	}()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if left := marked(h.instance); len(left) > 0 && h.runner.keeper.last != keeperLetGo {
			t.Errorf("processes left: %v", left)
		}
	})
	t.Cleanup(func() {
		h.stop()
		if t.Failed() {
			h.mu.Lock()
			defer h.mu.Unlock()
			for _, e := range h.events {
				t.Logf("%s %s %s/%d pid %d: %s", e.Time.Format("05.000"), e.Kind, e.Service, e.Replica, e.PID, e.Why)
			}
			t.Logf("output:\n%s", h.output.String())
		}
	})
}

func (h *harness) apply(configs ...Config) {
	h.t.Helper()
	if err := h.Apply(configs); err != nil {
		h.t.Fatal(err)
	}
}

type lockedWriter struct{ h *harness }

func (w lockedWriter) Write(p []byte) (int, error) {
	w.h.mu.Lock()
	defer w.h.mu.Unlock()
	return w.h.output.Write(p)
}

func (h *harness) text() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.output.String()
}

// eventually polls until ok.
func (h *harness) eventually(what string, ok func() bool) {
	h.t.Helper()
	eventually(h.t, what, ok)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(pollEvery) {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

// settle waits until all services are as desired and the endpoints were told.
func (h *harness) settle() {
	h.t.Helper()
	h.eventually("all services ready", func() bool {
		status := h.Status()
		for _, s := range status {
			if len(h.ready(s.Name)) != s.Desired {
				return false
			}
		}
		return settled(status)
	})
}

func (h *harness) ready(service string) []Endpoint {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.endpoints[service])
}

// heard returns the events of these kinds. What the status shows may have been queued only just now: that is waited for.
func (h *harness) heard(kinds ...EventKind) []Event {
	select {
	case <-h.notifier.told():
	case <-h.ended:
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []Event
	for _, e := range h.events {
		if slices.Contains(kinds, e.Kind) {
			out = append(out, e)
		}
	}
	return out
}

// service is the status of one service.
func (h *harness) service(name string) ServiceStatus {
	for _, s := range h.Status() {
		if s.Name == name {
			return s
		}
	}
	return ServiceStatus{}
}

// first is the oldest replica of a service; zero when there is none.
func (h *harness) first(name string) ReplicaStatus {
	if replicas := h.service(name).Replicas; len(replicas) > 0 {
		return replicas[0]
	}
	return ReplicaStatus{}
}

// get asks a replica's test server.
func (h *harness) get(addr, path string) {
	client := http.Client{Timeout: patience}
	if resp, err := client.Get("http://" + addr + path); err == nil {
		resp.Body.Close()
	}
}

// testConfig is a service of the test binary in a mode.
func testConfig(name, mode string, env ...string) Config {
	c := Config{
		Name: name, Command: []string{os.Args[0]}, Ports: []int{8080}, Grace: 5 * time.Second,
		Env:     map[string]string{childMode: mode},
		Restart: RestartConfig{DelayMin: 10 * time.Millisecond, DelayMax: 50 * time.Millisecond},
	}
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		c.Env[name] = value
	}
	return c
}

// health is an HTTP probe that asks often.
func health() *ProbeConfig {
	return &ProbeConfig{
		HTTP: &HTTPProbe{Path: "/health", Port: 8080}, Period: 20 * time.Millisecond, Timeout: 2 * time.Second, FailureThreshold: 2,
	}
}

// marked lists the living processes of a supervisor.
func marked(instance string) []string {
	table, err := processTable(true)
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	for _, p := range (family{marker: instance + "/"}).members(table) {
		out = append(out, fmt.Sprintf("%d (%s)", p.pid, p.marker))
	}
	return out
}
