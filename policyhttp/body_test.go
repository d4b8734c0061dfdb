package policyhttp

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

func TestRetryKeepsTheConnectionOfAFailure(t *testing.T) {
	tests := []struct {
		name string
		body string
		want int32
	}{
		{"with a short body", strings.Repeat("x", 1000), 1},
		{"with a body too long to drain", strings.Repeat("x", 10<<20), 3},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var connections atomic.Int32
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(500)
				_, _ = io.WriteString(w, test.body)
			}))
			server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
				if s == http.StateNew {
					connections.Add(1)
				}
			}
			server.Start()
			defer server.Close()
			transport := mustTransport(t, TransportConfig{Base: new(http.Transport), Policies: []policy.Policy{
				retry(policy.RetryConfig{Delay: time.Millisecond})}})
			defer transport.CloseIdleConnections()
			r := newRequest(t, t.Context(), "GET", nil)
			r.URL.Host = server.Listener.Addr().String()
			status, text, err := get(t, transport, r)
			if status != 500 || text != test.body || err != nil {
				t.Errorf("got %d, %d bytes, %v", status, len(text), err)
			}
			if n := connections.Load(); n != test.want {
				t.Errorf("%d connections, want %d", n, test.want)
			}
		})
	}
}

func TestFailureWhoseBodyHangsDoesNotHoldUpTheRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		base := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if calls++; calls == 1 {
				w.WriteHeader(500)
				_, _ = io.WriteString(w, "the start")
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			}
		}))
		transport := mustTransport(t, TransportConfig{Base: base, Policies: []policy.Policy{
			retry(policy.RetryConfig{Delay: time.Second, Jitter: policy.JitterNone})}})
		start := time.Now()
		status, _, err := get(t, transport, newRequest(t, t.Context(), "GET", nil))
		if took := time.Since(start); status != 200 || err != nil || took != time.Second+drainPatience {
			t.Errorf("got %d, %v after %v", status, err, took)
		}
	})
}

func TestClientFollowsRedirectsOrNotAsItWasTold(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/there", http.StatusFound)
		}
	}))
	defer server.Close()
	b := bulkhead(1)
	client := &http.Client{Transport: mustTransport(t, TransportConfig{Policies: []policy.Policy{patient(), b}})}
	defer client.CloseIdleConnections()
	for want, check := range map[int]func(*http.Request, []*http.Request) error{
		200: nil,
		302: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	} {
		client.CheckRedirect = check
		response, err := client.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want || b.Status().InFlight != 0 {
			t.Errorf("got %d, want %d; %d permits are held", response.StatusCode, want, b.Status().InFlight)
		}
	}
}

func TestClientClosesTheIdleConnectionsOfTheBase(t *testing.T) {
	base := &idler{}
	(&http.Client{Transport: mustTransport(t, TransportConfig{Base: base})}).CloseIdleConnections()
	if base.closed != 1 {
		t.Errorf("closed %d times", base.closed)
	}
	mustTransport(t, TransportConfig{Base: tripper(nil)}).CloseIdleConnections() // has none, and that is well
}

type idler struct {
	tripper
	closed int
}

func (i *idler) CloseIdleConnections() { i.closed++ }
