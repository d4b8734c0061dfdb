package idempotency

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func newMemory(t testing.TB, c MemoryConfig) *Memory {
	t.Helper()
	m, err := NewMemory(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func newHandler(t testing.TB, next http.HandlerFunc, c Config) *Handler {
	t.Helper()
	if c.Store == nil {
		c.Store = newMemory(t, MemoryConfig{})
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	h, err := NewHandler(next, c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// post is a request with a key.
func post(ctx context.Context, key, body string) *http.Request {
	r := httptest.NewRequestWithContext(ctx, "POST", "/payments", strings.NewReader(body))
	r.Header.Set("Content-Type", "text/plain")
	r.Header.Set(Header, key)
	return r
}

// ask serves one request.
func ask(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// wantProblem fails unless the answer is a problem with that status.
func wantProblem(t *testing.T, w *httptest.ResponseRecorder, status int) {
	t.Helper()
	var p struct {
		Type, Title string
		Status      int
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("no problem: %v, %q", err, w.Body)
	}
	if w.Code != status || p.Status != status || p.Title != http.StatusText(status) || p.Type != "about:blank" {
		t.Errorf("got %d and %+v, want %d", w.Code, p, status)
	}
}

// counter answers with how often it was asked.
func counter(served *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %d", body, served.Add(1))
	}
}

func TestRepeatGetsTheFirstAnswer(t *testing.T) {
	served := 0
	inner := newHandler(t, func(w http.ResponseWriter, r *http.Request) {
		served++
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Location", "/payments/17")
		w.Header().Add("X-Two", "a")
		w.Header().Add("X-Two", "b")
		w.Header().Set("Set-Cookie", "session=secret")
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "this connection's")
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, "paid %s by %s", body, Key(r.Context()))
	}, Config{})
	requests := 0
	outer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		w.Header().Set("X-Request-Id", fmt.Sprint(requests))
		inner.ServeHTTP(w, r)
	})
	first, repeat := ask(outer, post(t.Context(), `"k1"`, "10")), ask(outer, post(t.Context(), "k1", "10"))
	if served != 1 {
		t.Errorf("served %d times", served)
	}
	if first.Code != 201 || first.Body.String() != "paid 10 by k1" || first.Header().Get("Set-Cookie") == "" || first.Header().Get(ReplayedHeader) != "" {
		t.Errorf("first: %+v", first)
	}
	h := repeat.Header()
	if repeat.Code != 201 || repeat.Body.String() != "paid 10 by k1" || h.Get("Location") != "/payments/17" || len(h["X-Two"]) != 2 {
		t.Errorf("repeat: %+v", repeat)
	}
	if h.Get(ReplayedHeader) != "true" || h.Get("Set-Cookie") != "" || h.Get("X-Hop") != "" || h.Get("Connection") != "" {
		t.Errorf("repeat has the headers %v", h)
	}
	if h.Get("X-Request-Id") != "2" {
		t.Errorf("repeat has the request ID %q of the first", h.Get("X-Request-Id"))
	}
	if w := ask(outer, post(t.Context(), "k2", "10")); served != 2 || w.Body.String() != "paid 10 by k2" {
		t.Errorf("another key: %q", w.Body)
	}
}

func TestAnswerWithoutContentTypeIsReplayedWithIt(t *testing.T) {
	h := newHandler(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, Config{})
	for range 2 {
		if w := ask(h, post(t.Context(), "k", "")); w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("headers %v", w.Header())
		}
	}
	empty := newHandler(t, func(http.ResponseWriter, *http.Request) {}, Config{})
	for range 2 {
		if w := ask(empty, post(t.Context(), "k", "")); w.Code != 200 || w.Body.Len() != 0 {
			t.Errorf("empty: %+v", w)
		}
	}
}

func TestConcurrentRepeatsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var served atomic.Int64
		count := counter(&served)
		h := newHandler(t, func(w http.ResponseWriter, r *http.Request) { time.Sleep(5 * time.Second); count(w, r) }, Config{})
		var done sync.WaitGroup
		for range 50 {
			done.Go(func() {
				if w := ask(h, post(t.Context(), "k", "x")); w.Code != 200 || w.Body.String() != "x 1" {
					t.Errorf("got %d %q", w.Code, w.Body)
				}
			})
		}
		done.Wait()
		if n := served.Load(); n != 1 {
			t.Errorf("served %d times", n)
		}
	})
}

func TestWaitIsBounded(t *testing.T) {
	for _, c := range []struct {
		name   string
		config Config
		waits  time.Duration
	}{
		{"by Wait", Config{Wait: 2 * time.Second}, 2 * time.Second},
		{"not at all", Config{Wait: -1}, 0},
		{"by WaitingMax", Config{Wait: 2 * time.Second, WaitingMax: 1}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var served atomic.Int64
				count := counter(&served)
				h := newHandler(t, func(w http.ResponseWriter, r *http.Request) { time.Sleep(4 * time.Second); count(w, r) }, c.config)
				var others sync.WaitGroup
				others.Go(func() { ask(h, post(t.Context(), "k", "x")) })
				synctest.Wait()
				if c.config.WaitingMax == 1 {
					others.Go(func() { ask(h, post(t.Context(), "k", "x")) })
					synctest.Wait()
				}
				began := time.Now()
				w := ask(h, post(t.Context(), "k", "x"))
				wantProblem(t, w, 409)
				if w.Header().Get("Retry-After") != "1" || time.Since(began) != c.waits {
					t.Errorf("Retry-After %q after %v", w.Header().Get("Retry-After"), time.Since(began))
				}
				others.Wait()
				if w := ask(h, post(t.Context(), "k", "x")); w.Body.String() != "x 1" { // healed
					t.Errorf("after it: %q", w.Body)
				}
			})
		})
	}
}

func TestWaitEndsWithItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var served atomic.Int64
		count := counter(&served)
		h := newHandler(t, func(w http.ResponseWriter, r *http.Request) { time.Sleep(5 * time.Second); count(w, r) }, Config{})
		var first sync.WaitGroup
		first.Go(func() { ask(h, post(t.Context(), "k", "x")) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		ask(h, post(ctx, "k", "x"))
		if time.Since(began) != time.Second {
			t.Errorf("waited %v", time.Since(began))
		}
		first.Wait()
		if served.Load() != 1 || h.waiting.Load() != 0 {
			t.Errorf("served %d times, %d wait", served.Load(), h.waiting.Load())
		}
	})
}

func TestKeyOfAnotherRequestIsRefused(t *testing.T) {
	change := map[string]func(*http.Request) *http.Request{
		"method":       func(r *http.Request) *http.Request { r.Method = "PATCH"; return r },
		"path":         func(r *http.Request) *http.Request { r.URL.Path = "/refunds"; return r },
		"query":        func(r *http.Request) *http.Request { r.URL.RawQuery = "a=b"; return r },
		"host":         func(r *http.Request) *http.Request { r.Host = "other"; return r },
		"content type": func(r *http.Request) *http.Request { r.Header.Set("Content-Type", "text/csv"); return r },
		"body":         func(*http.Request) *http.Request { return post(t.Context(), "k", "99") },
	}
	for name, f := range change {
		var served atomic.Int64
		h := newHandler(t, counter(&served), Config{})
		ask(h, post(t.Context(), "k", "10"))
		wantProblem(t, ask(h, f(post(t.Context(), "k", "10"))), 422)
		if served.Load() != 1 {
			t.Errorf("%s: served %d times", name, served.Load())
		}
		if w := ask(h, post(t.Context(), "k", "10")); w.Body.String() != "10 1" {
			t.Errorf("%s: the first's answer is gone: %q", name, w.Body)
		}
	}
}

func TestMethodsAndMissingKeys(t *testing.T) {
	var served atomic.Int64
	h := newHandler(t, counter(&served), Config{Required: true})
	without := func(method string) *http.Request { return httptest.NewRequest(method, "/payments", nil) }
	wantProblem(t, ask(h, without("POST")), 400)
	wantProblem(t, ask(h, without("PATCH")), 400)
	wantProblem(t, ask(h, post(t.Context(), "two words", "")), 400)
	if served.Load() != 0 {
		t.Error("served without a key")
	}
	for range 2 { // a key on a GET is passed over
		r := without("GET")
		r.Header.Set(Header, "k")
		ask(h, r)
	}
	optional := newHandler(t, counter(&served), Config{Methods: []string{"PUT"}})
	for range 2 {
		ask(optional, without("PUT"))
		ask(optional, post(t.Context(), "k", "")) // not one of its methods
	}
	if served.Load() != 6 {
		t.Errorf("served %d, want 6", served.Load())
	}
}

func TestFailureFreesTheKey(t *testing.T) {
	for _, status := range []int{500, 502, 503, 408, 425, 429} {
		served := 0
		h := newHandler(t, func(w http.ResponseWriter, _ *http.Request) {
			if served++; served == 1 {
				w.WriteHeader(status)
			}
		}, Config{})
		for i, want := range []int{status, 200, 200} {
			if w := ask(h, post(t.Context(), "k", "")); w.Code != want {
				t.Errorf("request %d after %d: status %d, want %d", i+1, status, w.Code, want)
			}
		}
		if served != 2 {
			t.Errorf("%d: served %d times, want 2", status, served)
		}
	}
}

func TestPanicFreesTheKey(t *testing.T) {
	served := 0
	h := newHandler(t, func(w http.ResponseWriter, _ *http.Request) {
		if served++; served == 1 {
			_, _ = io.WriteString(w, "half of")
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, "whole")
	}, Config{})
	func() {
		defer func() {
			if v := recover(); v != http.ErrAbortHandler {
				t.Errorf("recovered %v", v)
			}
		}()
		ask(h, post(t.Context(), "k", ""))
	}()
	for range 2 {
		if w := ask(h, post(t.Context(), "k", "")); w.Body.String() != "whole" {
			t.Errorf("got %q", w.Body)
		}
	}
	if served != 2 {
		t.Errorf("served %d times", served)
	}
}

// TestWorkOutlivesItsClient: over a real connection that the client closes in
// the middle of the answer.
func TestWorkOutlivesItsClient(t *testing.T) {
	var served atomic.Int64
	gone := make(chan struct{})
	piece := strings.Repeat("x", 64<<10)
	h := newHandler(t, func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		for i := range 10 {
			if _, err := io.WriteString(w, piece); err != nil {
				t.Errorf("write: %v", err)
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Errorf("flush: %v", err)
			}
			if i == 0 {
				<-gone
			}
		}
		if r.Context().Err() != nil {
			t.Error("the work's context ended with its client")
		}
	}, Config{})
	server := httptest.NewServer(h)
	defer server.Close()
	send := func(ctx context.Context) *http.Response {
		r, err := http.NewRequestWithContext(ctx, "POST", server.URL, strings.NewReader("10"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(Header, "k")
		response, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return response
	}
	ctx, cancel := context.WithCancel(t.Context())
	response := send(ctx)
	cancel()
	_ = response.Body.Close()
	close(gone)
	response = send(t.Context())
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil || string(body) != strings.Repeat(piece, 10) || response.Header.Get(ReplayedHeader) != "true" || served.Load() != 1 {
		t.Errorf("got %d bytes and %v, %v, served %d times", len(body), err, response.Header, served.Load())
	}
}

func TestLeaseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		served := 0
		h := newHandler(t, func(w http.ResponseWriter, r *http.Request) {
			served++
			n := served
			if n == 1 {
				<-r.Context().Done()
				time.Sleep(30 * time.Second) // it does not listen
			}
			_, _ = fmt.Fprint(w, n)
		}, Config{Lease: 20 * time.Second, Wait: time.Minute})
		var first sync.WaitGroup
		first.Go(func() { ask(h, post(t.Context(), "k", "")) })
		synctest.Wait()
		began := time.Now()
		w := ask(h, post(t.Context(), "k", ""))
		if waited := time.Since(began); w.Body.String() != "2" || waited < 20*time.Second || waited > 21*time.Second {
			t.Errorf("got %q after %v", w.Body, waited)
		}
		first.Wait() // its late answer takes nobody's place
		if w := ask(h, post(t.Context(), "k", "")); w.Body.String() != "2" || served != 2 {
			t.Errorf("got %q, served %d times", w.Body, served)
		}
	})
}

func TestLongAnswerIsSentButNotKept(t *testing.T) {
	served := 0
	h := newHandler(t, func(w http.ResponseWriter, _ *http.Request) {
		served++
		for range 10 {
			_, _ = io.WriteString(w, "0123456789")
			_ = http.NewResponseController(w).Flush()
		}
	}, Config{AnswerMax: 99})
	if w := ask(h, post(t.Context(), "k", "")); w.Code != 200 || w.Body.Len() != 100 || !w.Flushed {
		t.Errorf("first: %d, %d bytes", w.Code, w.Body.Len())
	}
	wantProblem(t, ask(h, post(t.Context(), "k", "")), 409)
	if served != 1 {
		t.Errorf("served %d times", served)
	}
	h = newHandler(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 100)) }, Config{AnswerMax: 100})
	ask(h, post(t.Context(), "k", ""))
	if w := ask(h, post(t.Context(), "k", "")); w.Body.Len() != 100 || w.Header().Get(ReplayedHeader) == "" {
		t.Errorf("an answer of AnswerMax: %+v", w)
	}
}

func TestLongBodyIsRefused(t *testing.T) {
	var served atomic.Int64
	h := newHandler(t, counter(&served), Config{BodyMax: 10})
	unknown := post(t.Context(), "k", "01234567890")
	unknown.ContentLength = -1
	for _, r := range []*http.Request{post(t.Context(), "k", "01234567890"), unknown} {
		wantProblem(t, ask(h, r), 413)
	}
	broken := post(t.Context(), "k", "")
	broken.Body, broken.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader("01"), failing{})), -1
	wantProblem(t, ask(h, broken), 400)
	if served.Load() != 0 {
		t.Error("served")
	}
	if w := ask(h, post(t.Context(), "k", "0123456789")); w.Body.String() != "0123456789 1" {
		t.Errorf("of BodyMax: %q", w.Body)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestNobodyReadsAnothersAnswer(t *testing.T) {
	var served atomic.Int64
	h := newHandler(t, counter(&served), Config{})
	clients := []func(*http.Request){
		func(r *http.Request) { r.Header.Set("Authorization", "Bearer ada") },
		func(r *http.Request) { r.Header.Set("Authorization", "Bearer mallory") },
		func(r *http.Request) { r.Header.Set("Cookie", "session=ada") },
		func(r *http.Request) { r.Header.Set("Cookie", "session=mallory") },
		func(r *http.Request) { r.RemoteAddr = "192.0.2.1:1000" },
		func(r *http.Request) { r.RemoteAddr = "192.0.2.2:1000" },
	}
	for round := range 2 {
		for i, client := range clients {
			r := post(t.Context(), "k", "x")
			client(r)
			if w := ask(h, r); w.Body.String() != fmt.Sprintf("x %d", i+1) {
				t.Errorf("round %d, client %d got %q", round+1, i+1, w.Body)
			}
		}
	}
	r := post(t.Context(), "k", "x") // another connection of the same address
	r.RemoteAddr = "192.0.2.1:2000"
	if w := ask(h, r); w.Body.String() != "x 5" {
		t.Errorf("from another port: %q", w.Body)
	}
}

// broken is a Store that fails while it is told to.
type broken struct {
	Store
	fails atomic.Bool
}

func (b *broken) Claim(ctx context.Context, key string, e Entry, lease time.Duration) (Entry, error) {
	if b.fails.Load() {
		return Entry{}, errors.New("no connection")
	}
	return b.Store.Claim(ctx, key, e, lease)
}

func TestStoreThatFailsRefuses(t *testing.T) {
	var served atomic.Int64
	store := &broken{Store: newMemory(t, MemoryConfig{})}
	h := newHandler(t, counter(&served), Config{Store: store})
	store.fails.Store(true)
	w := ask(h, post(t.Context(), "k", "x"))
	wantProblem(t, w, 503)
	if served.Load() != 0 || w.Header().Get("Retry-After") != "1" || strings.Contains(w.Body.String(), "connection") {
		t.Errorf("served %d, %v %q", served.Load(), w.Header(), w.Body)
	}
	store.fails.Store(false)
	if w := ask(h, post(t.Context(), "k", "x")); w.Body.String() != "x 1" {
		t.Errorf("healed: %q", w.Body)
	}
}

func TestHijackIsRefused(t *testing.T) {
	h := newHandler(t, func(w http.ResponseWriter, _ *http.Request) {
		if _, _, err := http.NewResponseController(w).Hijack(); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("hijack: %v", err)
		}
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Errorf("deadline: %v", err)
		}
	}, Config{})
	server := httptest.NewServer(h)
	defer server.Close()
	r, _ := http.NewRequest("POST", server.URL, nil)
	r.Header.Set(Header, "k")
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
}
