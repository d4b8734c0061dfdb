package policyhttp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/policy"
)

func TestOnlyIdempotentRequestsAreRepeatedUnlessTold(t *testing.T) {
	key := http.Header{"Idempotency-Key": {`"8e03978e"`}}
	tests := []struct {
		name   string
		method string
		header http.Header
		told   []bool
		want   int
	}{
		{"GET", "GET", nil, nil, 5},
		{"HEAD", "HEAD", nil, nil, 5},
		{"PUT", "PUT", nil, nil, 5},
		{"DELETE", "DELETE", nil, nil, 5},
		{"POST", "POST", nil, nil, 1},
		{"PATCH", "PATCH", nil, nil, 1},
		{"POST with a key", "POST", key, nil, 5},
		{"POST that was told to", "POST", nil, []bool{true}, 5},
		{"GET that was told not to", "GET", nil, []bool{false}, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				callee, b := &story{statuses: []int{500}}, breaker(100)
				transport := mustTransport(t, TransportConfig{Base: serve(t, callee), Policies: []policy.Policy{patient(), b}})
				ctx := t.Context()
				for _, told := range test.told {
					ctx = WithRepeatable(ctx, told)
				}
				r := newRequest(t, ctx, test.method, strings.NewReader("order"))
				if test.header != nil {
					r.Header = test.header
				}
				status, text, err := get(t, transport, r)
				if err != nil || status != 500 || test.method != "HEAD" && text != "Internal Server Error" {
					t.Errorf("got %d %q, %v: the last response is the caller's", status, text, err)
				}
				if n := callee.count(); n != test.want {
					t.Errorf("sent %d times, want %d", n, test.want)
				}
				for i, body := range callee.asked {
					if body != "order" {
						t.Errorf("try %d sent %q", i+1, body)
					}
				}
			})
		})
	}
}

func TestPostThatFailsIsCountedThoughItIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := breaker(3)
		transport := mustTransport(t, TransportConfig{Base: serve(t, &story{statuses: []int{500}}), Policies: []policy.Policy{patient(), b}})
		for range 3 {
			_, _, _ = get(t, transport, newRequest(t, t.Context(), "POST", nil))
		}
		if _, _, err := get(t, transport, newRequest(t, t.Context(), "POST", nil)); !errors.Is(err, policy.ErrOpen) {
			t.Errorf("got %v, want an open breaker", err)
		}
	})
}

func TestRetryHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		callee := &story{statuses: []int{500, 502, 200}}
		transport := mustTransport(t, TransportConfig{Base: serve(t, callee), Policies: []policy.Policy{patient()}})
		if status, text, err := get(t, transport, newRequest(t, t.Context(), "GET", nil)); status != 200 || text != "OK" || err != nil {
			t.Errorf("got %d %q, %v", status, text, err)
		}
		var attempts []string
		for _, h := range callee.headers {
			attempts = append(attempts, h.Get("Afloat-Attempt"))
		}
		if diff := cmp.Diff([]string{"", "2", "3"}, attempts); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRetryAfterIsNeverWaitedForBeyondTheLimit(t *testing.T) {
	tests := []struct {
		name    string
		status  int
		after   string
		repeats bool
		waits   time.Duration
	}{
		{"a failure that asks for an hour", 500, "3600", false, 0},
		{"a failure that asks for an hour, as a date", 502, "Sat, 01 Jan 2000 01:00:00 GMT", false, 0},
		{"a failure that asks for a moment", 500, "20", true, 20 * time.Second},
		{"a failure that asks for a moment, as a date", 504, "Sat, 01 Jan 2000 00:00:20 GMT", true, 20 * time.Second},
		{"overload that asks for an hour", 503, "3600", false, 0},
		{"overload that asks for a moment", 503, "1", false, 0},
		{"a limit", 429, "", false, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				callee := &story{statuses: []int{test.status, 200}, header: http.Header{}}
				if test.after != "" {
					callee.header.Set("Retry-After", test.after)
				}
				transport := mustTransport(t, TransportConfig{Base: serve(t, callee), Policies: []policy.Policy{patient()}})
				start := time.Now()
				status, _, err := get(t, transport, newRequest(t, t.Context(), "GET", nil))
				waited := time.Since(start)
				if test.repeats && (status != 200 || waited < test.waits || waited > test.waits+time.Second) {
					t.Errorf("got %d, %v after %v; want a repeat after %v", status, err, waited, test.waits)
				}
				if !test.repeats && (status != test.status || waited != 0 || callee.count() != 1) {
					t.Errorf("got %d, %v after %v and %d tries; want the response at once", status, err, waited, callee.count())
				}
			})
		})
	}
}

func TestRetryTakesWhatTheCalleeHasTriedAlreadyForFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		callee, b := &story{statuses: []int{500}, header: http.Header{"Afloat-Attempt": {"3"}}}, breaker(1)
		transport := mustTransport(t, TransportConfig{Base: serve(t, callee), Policies: []policy.Policy{patient(), b}})
		status, _, err := get(t, transport, newRequest(t, t.Context(), "GET", nil))
		if status != 500 || err != nil || callee.count() != 1 {
			t.Errorf("got %d, %v after %d tries", status, err, callee.count())
		}
		if b.Status().State != policy.BreakerOpen {
			t.Error("the breaker did not count the failure")
		}
	})
}

func TestNestedTransportDoesNotRepeatARepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		callee := &story{statuses: []int{500}}
		inner := mustTransport(t, TransportConfig{Base: serve(t, callee), Policies: []policy.Policy{patient()}})
		outer := mustTransport(t, TransportConfig{Base: inner, Policies: []policy.Policy{patient()}})
		if status, _, err := get(t, outer, newRequest(t, t.Context(), "GET", nil)); status != 500 || err != nil {
			t.Errorf("got %d, %v", status, err)
		}
		if n := callee.count(); n != 5+4 {
			t.Errorf("sent %d times, want the inner one's 5 and one for each of the outer one's 4", n)
		}
	})
}

func TestHedgeClosesLoserAndKeepsTheWinnersBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		gone := make(chan struct{})
		base := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // after it, the server watches the connection
			if calls.Add(1) == 1 {
				<-r.Context().Done() // until the client hangs up
				close(gone)
				return
			}
			_, _ = io.WriteString(w, strings.Repeat("x", 100_000))
		}))
		hedge := must(policy.NewHedge(policy.HedgeConfig{Delay: 100 * time.Millisecond, Budget: policy.BudgetConfig{Off: true}}))
		b := bulkhead(2)
		transport := mustTransport(t, TransportConfig{Base: base, Policies: []policy.Policy{hedge, b}})
		start := time.Now()
		status, text, err := get(t, transport, newRequest(t, t.Context(), "PUT", strings.NewReader("order")))
		if status != 200 || len(text) != 100_000 || err != nil {
			t.Fatalf("got %d, %d bytes, %v", status, len(text), err)
		}
		if took := time.Since(start); took != 100*time.Millisecond {
			t.Errorf("took %v", took)
		}
		<-gone
		synctest.Wait()
		if n := b.Status().InFlight; n != 0 {
			t.Errorf("%d calls still hold their permits", n)
		}
	})
}

func TestHedgeSendsOnceWhatItMustNotRepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bodies := map[string]func() *http.Request{
			"a POST": func() *http.Request { return newRequest(t, t.Context(), "POST", nil) },
			"a stream": func() *http.Request {
				return newRequest(t, t.Context(), "PUT", io.MultiReader(strings.NewReader("stream")))
			},
		}
		for name, request := range bodies {
			var calls int
			base := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls++; time.Sleep(time.Second) }))
			hedge := must(policy.NewHedge(policy.HedgeConfig{Delay: 100 * time.Millisecond}))
			transport := mustTransport(t, TransportConfig{Base: base, Policies: []policy.Policy{hedge}})
			if status, _, err := get(t, transport, request()); status != 200 || err != nil || calls != 1 {
				t.Errorf("%s: got %d, %v after %d calls", name, status, err, calls)
			}
		}
	})
}

func TestPolicyOfAnotherMakeCannotRepeatAPost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		callee := &story{statuses: []int{500}}
		transport := mustTransport(t, TransportConfig{Base: serve(t, callee), Policies: []policy.Policy{twice{}}})
		if _, _, err := get(t, transport, newRequest(t, t.Context(), "POST", nil)); !errors.Is(err, ErrNotRepeatable) || callee.count() != 1 {
			t.Errorf("got %v after %d tries", err, callee.count())
		}
	})
}

// twice repeats everything.
type twice struct{}

func (twice) Do(ctx context.Context, next policy.Next) policy.Result {
	next.Do(ctx).Discard()
	return next.Do(ctx)
}
