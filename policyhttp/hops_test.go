package policyhttp

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// hops is a chain of services, each of which calls the next for every request
// and repeats what fails. It returns the first and counts what reaches the
// last, which always fails.
func hops(t *testing.T, n int, header string, budget policy.BudgetConfig) (first http.RoundTripper, reached *atomic.Int64) {
	reached = new(atomic.Int64)
	next := http.RoundTripper(serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached.Add(1)
		w.WriteHeader(500)
	})))
	for i := range n {
		transport := mustTransport(t, TransportConfig{Base: next, AttemptHeader: header,
			Policies: []policy.Policy{retry(policy.RetryConfig{Budget: budget})}})
		if i == n-1 {
			return transport, reached
		}
		next = serve(t, mustHandler(t, func(w http.ResponseWriter, r *http.Request) {
			status, _, err := get(t, transport, newRequest(t, r.Context(), "GET", nil))
			if err != nil {
				status = http.StatusBadGateway
			}
			w.WriteHeader(status)
		}, HandlerConfig{AttemptHeader: header}))
	}
	return next, reached
}

func TestRetriesDoNotMultiplyOverFiveHops(t *testing.T) {
	tests := []struct {
		name   string
		header string
		budget policy.BudgetConfig
		calls  int
		most   float64 // times the calls
	}{
		// Each of five hops sends up to three times: the storm that the rest is for.
		{"nothing is done about it", NoHeader, policy.BudgetConfig{Off: true}, 1, 3 * 3 * 3 * 3 * 3},
		{"the header alone", "", policy.BudgetConfig{Off: true}, 1, 3},
		{"the header and the default share", "", policy.BudgetConfig{MinPerSecond: -1}, 400, 1.25},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first, reached := hops(t, 5, test.header, test.budget)
				for range test.calls {
					if status, _, err := get(t, first, newRequest(t, t.Context(), "GET", nil)); status != 500 || err != nil {
						t.Fatalf("got %d, %v", status, err)
					}
				}
				times := float64(reached.Load()) / float64(test.calls)
				t.Logf("%d calls became %d", test.calls, reached.Load())
				if times > test.most || times <= 1 {
					t.Errorf("%v times the calls reached the last service, want at most %v", times, test.most)
				}
				if test.header == NoHeader && times != test.most {
					t.Errorf("without the header they multiply %v times: the test shows nothing", times)
				}
			})
		})
	}
}

func TestHandlerTellsTheTransportOfARepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		callee := &story{statuses: []int{500}}
		transport := mustTransport(t, TransportConfig{Base: serve(t, callee), Policies: []policy.Policy{patient()}})
		front := serve(t, mustHandler(t, func(w http.ResponseWriter, r *http.Request) {
			_, _, _ = get(t, transport, newRequest(t, r.Context(), "GET", nil))
			w.WriteHeader(502)
		}, HandlerConfig{}))
		r := newRequest(t, t.Context(), "GET", nil)
		r.Header.Set(AttemptHeader, "2")
		response, err := front.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if callee.count() != 1 || callee.headers[0].Get(AttemptHeader) != "2" {
			t.Errorf("sent %d times, with %v", callee.count(), callee.headers)
		}
		if got := response.Header.Get(AttemptHeader); response.StatusCode != 502 || got != "1" {
			t.Errorf("answered %d with %q", response.StatusCode, got)
		}
	})
}

func TestAnswerThatIsGoodAfterAllSaysNothingOfTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := mustTransport(t, TransportConfig{Base: serve(t, &story{statuses: []int{500}}), Policies: []policy.Policy{patient()}})
		h := mustHandler(t, func(w http.ResponseWriter, r *http.Request) {
			_, _, _ = get(t, transport, newRequest(t, r.Context(), "GET", nil))
			_, _ = io.WriteString(w, "without the extras")
		}, HandlerConfig{})
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil).WithContext(t.Context()))
		if w.Code != 200 || w.Header().Get(AttemptHeader) != "" {
			t.Errorf("got %d %v", w.Code, w.Header())
		}
	})
}

func TestReverseProxyHandsTheAttemptAndTheDeadlineOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		callee := &story{statuses: []int{500}}
		transport := mustTransport(t, TransportConfig{Base: serve(t, callee), Policies: []policy.Policy{patient()}})
		target, err := url.Parse("http://memory")
		if err != nil {
			t.Fatal(err)
		}
		proxy := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
		front := serve(t, mustHandler(t, proxy.ServeHTTP, HandlerConfig{}))
		r := newRequest(t, t.Context(), "GET", nil)
		r.Header.Set(AttemptHeader, "3")
		r.Header.Set(TimeoutHeader, "1000")
		if status, _, err := get(t, front, r); status != 500 || err != nil || callee.count() != 1 {
			t.Fatalf("got %d, %v after %d tries", status, err, callee.count())
		}
		h := callee.headers[0]
		if ms, err := strconv.Atoi(h.Get(TimeoutHeader)); err != nil || ms != 995 || h.Get(AttemptHeader) != "3" {
			t.Errorf("sent %v", h)
		}
	})
}

func TestDeadlineShrinksFromHopToHop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		last := &story{statuses: []int{200}}
		transport := mustTransport(t, TransportConfig{Base: serve(t, last)})
		middle := serve(t, mustHandler(t, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(300 * time.Millisecond)
			_, _, _ = get(t, transport, newRequest(t, r.Context(), "GET", nil))
		}, HandlerConfig{}))
		r := newRequest(t, t.Context(), "GET", nil)
		r.Header.Set(TimeoutHeader, "1000")
		if _, _, err := get(t, middle, r); err != nil {
			t.Fatal(err)
		}
		if got := last.headers[0].Get(TimeoutHeader); got != "695" {
			t.Errorf("the last service has %q ms", got)
		}
	})
}
