package policyhttp_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
	"github.com/afloat-dev/afloat/policyhttp"
	"github.com/afloat-dev/afloat/policyhttp/idempotency"
)

// keys notes the Idempotency-Key of every request, and breaks the connections
// of the first few after the work is done.
type keys struct {
	next   http.Handler
	breaks int

	mu   sync.Mutex
	seen []string
}

func (k *keys) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	k.seen = append(k.seen, r.Header.Get("Idempotency-Key"))
	broken := len(k.seen) <= k.breaks
	k.mu.Unlock()
	if !broken {
		k.next.ServeHTTP(w, r)
		return
	}
	k.next.ServeHTTP(httptest.NewRecorder(), r)
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

func (k *keys) all() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.seen)
}

func newClient(t *testing.T, keyed bool) *http.Client {
	t.Helper()
	retry, err := policy.NewRetry(policy.RetryConfig{Attempts: 4, Delay: time.Millisecond, Budget: policy.BudgetConfig{Off: true}})
	if err != nil {
		t.Fatal(err)
	}
	transport, err := policyhttp.NewTransport(policyhttp.TransportConfig{
		Base: &http.Transport{DisableKeepAlives: true}, Policies: []policy.Policy{retry}, IdempotencyKeys: keyed,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Transport: transport}
}

// TestLostAnswerIsFetchedNotWorkedAgain: the connection breaks three times
// after the work was done. With keys on both sides there is one effect and one
// answer; without them there is an effect and no answer.
func TestLostAnswerIsFetchedNotWorkedAgain(t *testing.T) {
	var paid atomic.Int64
	pay := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		amount, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "paid %s, payment %d", amount, paid.Add(1))
	})
	store, err := idempotency.NewMemory(idempotency.MemoryConfig{})
	if err != nil {
		t.Fatal(err)
	}
	once, err := idempotency.NewHandler(pay, idempotency.Config{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	serve := func(breaks int) (*keys, string) {
		k := &keys{next: once, breaks: breaks}
		server := httptest.NewServer(k)
		t.Cleanup(server.Close)
		return k, server.URL
	}

	k, url := serve(3)
	response, err := newClient(t, true).Post(url, "text/plain", strings.NewReader("10"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil || string(body) != "paid 10, payment 1" || paid.Load() != 1 || response.Header.Get(idempotency.ReplayedHeader) != "true" {
		t.Errorf("got %q, %v; paid %d times", body, err, paid.Load())
	}
	if seen := k.all(); len(seen) != 4 || seen[0] != seen[3] || !regexp.MustCompile(`^"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"$`).MatchString(seen[0]) {
		t.Errorf("tries had the keys %v", seen)
	}

	k, url = serve(3)
	if response, err := newClient(t, false).Post(url, "text/plain", strings.NewReader("10")); err == nil {
		_ = response.Body.Close()
		t.Error("without a key, a POST was repeated")
	}
	if seen := k.all(); len(seen) != 1 || paid.Load() != 2 {
		t.Errorf("without a key: %d tries, paid %d times", len(seen), paid.Load())
	}
}

func TestKeysAreAddedWhereTheyAreNeeded(t *testing.T) {
	k := &keys{next: http.NotFoundHandler()}
	server := httptest.NewServer(k)
	defer server.Close()
	client := newClient(t, true)
	send := func(method, own string) string {
		r, err := http.NewRequest(method, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		if own != "" {
			r.Header.Set("Idempotency-Key", own)
		}
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if r.Header.Get("Idempotency-Key") != own {
			t.Error("the caller's header was changed")
		}
		seen := k.all()
		return seen[len(seen)-1]
	}
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		if got := send(method, ""); got != "" {
			t.Errorf("%s got the key %s", method, got)
		}
	}
	if a, b := send("POST", ""), send("PATCH", ""); a == "" || b == "" || a == b {
		t.Errorf("fresh keys %q and %q", a, b)
	}
	if got := send("POST", "own"); got != "own" {
		t.Errorf("a key of its own became %q", got)
	}
}
