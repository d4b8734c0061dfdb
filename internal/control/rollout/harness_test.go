package rollout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/control/judge"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/supervise"
	"github.com/afloat-dev/afloat/policy"
)

// patience bounds what a test waits for.
const patience = 60 * time.Second

// house is a gateway, a supervisor and a controller, as Afloat joins them, with a
// service whose requests go to the replicas of its versions.
type house struct {
	t          *testing.T
	controller *Controller
	gateway    *gateway.Gateway
	supervisor *supervise.Supervisor
	url        string
	replicas   int
	rolling    supervise.RollingConfig
	config     Config
	mark       string
	plain      bool
	fault      string // of the first version
	query      atomic.Pointer[func(expression string) ([]float64, error)]
}

// ask answers what a judge asks of the metrics.
func (h *house) ask(_ context.Context, expression string) ([]float64, error) {
	if query := h.query.Load(); query != nil {
		return (*query)(expression)
	}
	return nil, errors.New("there are no metrics")
}

// plain makes the first version one that nobody said how to release.
func plain(h *house) { h.plain = true }

// build makes a house with a first version that serves. Retries says whether the
// gateway repeats what failed.
func build(t *testing.T, c Config, replicas int, retries bool, rolling supervise.RollingConfig, more ...func(*house)) *house {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, replicas: replicas, rolling: rolling, config: c, mark: fmt.Sprintf("ROLLOUT_TEST_MARK=%s %d", t.Name(), os.Getpid())}
	for _, change := range more {
		change(h)
	}
	var err error
	h.controller, err = NewController(Options{Dir: t.TempDir(), Processes: h, Traffic: h, Query: h.ask})
	if err != nil {
		t.Fatal(err)
	}
	h.gateway = gateway.New(gateway.Options{Observer: h.controller.Observer()})
	h.supervisor = supervise.New(supervise.Options{
		OnEndpoints: h.controller.EndpointsChanged, Drain: h.controller.Drain, OnEvent: h.controller.Supervised, Output: os.Stderr,
	})
	service := gateway.ServiceConfig{}
	if !retries {
		service.Retry = policy.RetryConfig{Attempts: -1}
	}
	if err := h.gateway.Apply(&gateway.Config{
		Listeners: []gateway.ListenerConfig{{Address: "127.0.0.1:0"}},
		Services:  map[string]gateway.ServiceConfig{"web": service},
		Routes:    []gateway.RouteConfig{{To: []gateway.DestinationConfig{{Service: "web"}}}},
	}); err != nil {
		t.Fatal(err)
	}
	h.url = "http://" + h.gateway.Addresses()[0]
	h.want("v1", h.fault)
	h.plain = false
	ctx, stop := context.WithCancel(context.Background())
	supervising, stopSupervisor := context.WithCancel(context.Background())
	var group, behind sync.WaitGroup
	group.Go(func() { _ = h.gateway.Serve(ctx) })
	group.Go(func() { _ = h.controller.Serve(ctx) })
	behind.Go(func() { _ = h.supervisor.Serve(supervising) })
	t.Cleanup(func() {
		stop()
		group.Wait()
		stopSupervisor()
		behind.Wait()
		if left := h.processes(); len(left) > 0 {
			t.Errorf("processes are left: %v", left)
		}
	})
	h.eventually("the first version serves", func() bool { return len(h.ready("web")) == replicas })
	return h
}

// Apply and the others make the house what the controller moves.
func (h *house) Apply(all []supervise.Config) error { return h.supervisor.Apply(all) }

func (h *house) Status() []supervise.ServiceStatus { return h.supervisor.Status() }

func (h *house) Supply(service string, all []gateway.EndpointConfig) { h.gateway.Supply(service, all) }

func (h *house) SetSplit(service string, c *gateway.Split) error {
	return h.gateway.SetSplit(service, c)
}

func (h *house) Drain(ctx context.Context, service, address string) {
	h.gateway.Drain(ctx, service, address)
}

// want configures a version of the service, which releases it.
func (h *house) want(version, fault string) {
	h.t.Helper()
	name, value, _ := strings.Cut(h.mark, "=")
	p := supervise.Config{
		Name: "web", Command: []string{os.Args[0]}, Replicas: h.replicas, Serves: true, Rolling: h.rolling, Grace: 3 * time.Second,
		Env: map[string]string{"ROLLOUT_TEST_VERSION": version, "ROLLOUT_TEST_FAULT": fault, name: value},
	}
	config := h.config
	config.Hooks = slices.Clone(config.Hooks) // tests change theirs
	releases := map[string]Config{"web": config}
	if h.plain {
		releases = nil
	}
	if err := h.controller.Apply([]supervise.Config{p}, releases); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) eventually(what string, ok func() bool) {
	h.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	h.t.Fatalf("not within %v: %s: %+v", patience, what, h.release())
}

// release is how the last release stands; nil where there was none.
func (h *house) release() *ReleaseStatus {
	for _, s := range h.controller.Status() {
		if s.Service == "web" && s.Release != nil {
			s.Release.History = nil
			return s.Release
		}
	}
	return nil
}

// ends waits for the end of the release.
func (h *house) ends(want Phase) *ReleaseStatus {
	h.t.Helper()
	h.eventually("the release ends", func() bool { r := h.release(); return r != nil && r.Phase.Ended() })
	r := h.release()
	if r.Phase != want {
		h.t.Fatalf("%s: %s, want %s", r.Phase, r.Why, want)
	}
	return r
}

// ready are the replicas of a set that are ready.
func (h *house) ready(set string) (ids []int) {
	for _, s := range h.supervisor.Status() {
		for _, r := range s.Replicas {
			if s.Name == set && r.Phase == supervise.PhaseReady {
				ids = append(ids, r.ID)
			}
		}
	}
	return ids
}

// processes are those that any version has started and that still run.
func (h *house) processes() (left []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil && slices.Contains(strings.Split(string(text), "\x00"), h.mark) {
			left = append(left, file)
		}
	}
	return left
}

// tally is what users got.
type tally struct {
	mu       sync.Mutex
	requests map[string]int       // by version
	errors   map[string]int       // by version
	last     map[string]time.Time // when the last one began, by version
	failed   []string
	stop     context.CancelFunc
	users    sync.WaitGroup
}

// load sends requests at a rate, each when its time has come, whatever became of
// those before.
func (h *house) load(rate int, methods ...string) *tally {
	method := cmp.Or(append(methods, http.MethodGet)...)
	ctx, cancel := context.WithCancel(context.Background())
	l := &tally{requests: map[string]int{}, errors: map[string]int{}, last: map[string]time.Time{}, stop: cancel}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	l.users.Go(func() {
		tick := time.NewTicker(time.Second / time.Duration(rate))
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				l.users.Go(func() { l.ask(client, method, h.url) })
			}
		}
	})
	h.t.Cleanup(func() { l.end(); client.CloseIdleConnections() })
	return l
}

func (l *tally) ask(client *http.Client, method, url string) {
	began := time.Now()
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader("once")
	}
	req, _ := http.NewRequest(method, url, body)
	res, err := client.Do(req)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failed = append(l.failed, err.Error())
		return
	}
	res.Body.Close()
	version := res.Header.Get("X-Version")
	l.requests[version]++
	if began.After(l.last[version]) {
		l.last[version] = began
	}
	if res.StatusCode != 200 {
		l.errors[version]++
		l.failed = append(l.failed, fmt.Sprint(version, " ", res.Status))
	}
}

// end waits for the last answers and returns what failed.
func (l *tally) end() []string {
	l.stop()
	l.users.Wait()
	return l.failed
}

// soon is a judge that is content with few requests.
func soon() *judge.Config { return &judge.Config{RequestsMin: 20} }
