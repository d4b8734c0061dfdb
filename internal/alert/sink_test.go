package alert_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/alert"
	"github.com/afloat-dev/afloat/internal/journal"
)

// post is what a webhook gets.
type post struct {
	Receiver string            `json:"receiver"`
	Status   string            `json:"status"`
	Labels   map[string]string `json:"commonLabels"`
	Alerts   []struct {
		Status      string            `json:"status"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	} `json:"alerts"`
}

// sink is a receiver that keeps what it gets.
type sink struct {
	*httptest.Server
	mu      sync.Mutex
	posts   []post
	refuses int // how many it answers with an error
}

func newSink(t *testing.T) *sink {
	s := &sink{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var p post
		if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
			t.Error(err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.refuses > 0 {
			s.refuses--
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		s.posts = append(s.posts, p)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *sink) got() []post {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]post(nil), s.posts...)
}

// await waits until there are so many posts.
func (s *sink) await(t *testing.T, n int) []post {
	t.Helper()
	var got []post
	eventually(t, fmt.Sprintf("%d posts", n), func() bool { got = s.got(); return len(got) >= n })
	return got
}

// eventually waits for a condition, generously.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s within 30s", what)
		}
	}
}

// rig is a Manager with a journal and the API, as in the binary.
type rig struct {
	*alert.Manager
	journal *journal.Journal
	api     *httptest.Server
	dir     string
	log     *lockedText

	mu     sync.Mutex
	totals []alert.Total
	stop   func()
}

// making has rigs made one by one: Alertmanager's API is loaded into what all of
// a process share.
var making sync.Mutex

// newRig starts a Manager; with a folder of an earlier one it goes on there.
func newRig(t *testing.T, dir string, c alert.Config, totals ...alert.Total) *rig {
	t.Helper()
	r := &rig{dir: dir, totals: totals, log: &lockedText{}}
	var err error
	if r.journal, err = journal.Open(journal.Options{Dir: dir + "/journal"}); err != nil {
		t.Fatal(err)
	}
	making.Lock()
	defer making.Unlock()
	r.Manager, err = alert.New(alert.Options{
		Dir: dir + "/alerts", Journal: r.journal, Log: slog.New(slog.NewTextHandler(io.MultiWriter(t.Output(), r.log), nil)),
		Totals: func() []alert.Total {
			r.mu.Lock()
			defer r.mu.Unlock()
			return append([]alert.Total(nil), r.totals...)
		},
		Situation: func(service string) alert.Situation {
			return alert.Situation{Numbers: "9 requests/s", StandsOut: service + "/127.0.0.1:9001 is ejected"}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Apply(c); err != nil {
		t.Fatal(err)
	}
	r.api = httptest.NewServer(r.Handler())
	ctx, cancel := newContext()
	var wait sync.WaitGroup
	wait.Go(func() { _ = r.Serve(ctx) })
	wait.Go(func() { _ = r.journal.Serve(ctx) })
	var once sync.Once
	r.stop = func() {
		once.Do(func() {
			r.api.Close()
			cancel()
			wait.Wait()
			if err := r.journal.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(r.stop)
	return r
}

// lockedText is text that many write.
type lockedText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// quick is a Config whose tiers do not wait long.
func quick(hook string) alert.Config {
	tier := alert.TierConfig{GroupWait: 50 * time.Millisecond, GroupInterval: 100 * time.Millisecond, NewsInterval: time.Millisecond}
	return alert.Config{Receivers: map[string]alert.ReceiverConfig{"hook": {Webhook: alert.Secret(hook)}}, P0: tier, P1: tier, P2: tier}
}
