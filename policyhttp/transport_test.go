package policyhttp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/policy"
)

func TestClassifierThatPanicsLeavesNoResponseOpen(t *testing.T) {
	closed := make(chan struct{})
	places := must(policy.NewBulkhead(policy.BulkheadConfig{MaxConcurrent: 1}))
	transport := must(NewTransport(TransportConfig{
		Base: tripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: &closingBody{strings.NewReader("hello"), closed}}, nil
		}),
		Policies: []policy.Policy{places},
		Classify: func(context.Context, *http.Response, error) (policy.Class, time.Duration) { panic("the classifier") },
	}))
	func() {
		defer func() {
			if v := recover(); v != "the classifier" {
				t.Errorf("the panic is %v", v)
			}
		}()
		_, _ = transport.RoundTrip(newRequest(t, t.Context(), "GET", nil))
	}()
	select {
	case <-closed:
	default:
		t.Error("the response's body is open")
	}
	if s := places.Status(); s.InFlight != 0 {
		t.Errorf("got %+v", s)
	}
}

// closingBody tells that it was closed.
type closingBody struct {
	io.Reader
	closed chan struct{}
}

func (b *closingBody) Close() error { close(b.closed); return nil }

func TestStreamedResponseHoldsItsPermitUntilItsEnd(t *testing.T) {
	tests := []struct {
		name string
		end  func(*testing.T, *http.Response)
	}{
		{"read to its end", func(t *testing.T, r *http.Response) {
			if text, err := io.ReadAll(r.Body); err != nil || string(text) != "onetwo" {
				t.Errorf("got %q, %v", text, err)
			}
		}},
		{"closed", func(t *testing.T, r *http.Response) {
			if err := r.Body.Close(); err != nil {
				t.Error(err)
			}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := bulkhead(1)
				transport := mustTransport(t, TransportConfig{Base: serve(t, trickle("one", "two")), Policies: []policy.Policy{b}})
				response, err := transport.RoundTrip(newRequest(t, t.Context(), "GET", nil))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := transport.RoundTrip(newRequest(t, t.Context(), "GET", nil)); !errors.Is(err, policy.ErrFull) {
					t.Errorf("while it streams: %v", err)
				}
				test.end(t, response)
				if n := b.Status().InFlight; n != 0 {
					t.Errorf("%d permits are held afterwards", n)
				}
				_ = response.Body.Close()
			})
		})
	}
}

// trickle writes each word a second after the one before.
func trickle(words ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i, word := range words {
			if i > 0 {
				time.Sleep(time.Second)
			}
			_, _ = io.WriteString(w, word)
			_ = http.NewResponseController(w).Flush()
		}
	})
}

func TestBodyThatBreaksIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := breaker(1)
		base := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}))
		transport := mustTransport(t, TransportConfig{Base: base, Policies: []policy.Policy{b}})
		status, text, err := get(t, transport, newRequest(t, t.Context(), "GET", nil))
		if status != 200 || text != "half" || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %d %q, %v", status, text, err)
		}
		if b.Status().State != policy.BreakerOpen {
			t.Error("the breaker did not count it")
		}
	})
}

// TestEarlyCloseKeepsWhatTheStatusSaid is about programs that look at the
// status alone: their failures must open a breaker and their successes heal it.
func TestEarlyCloseKeepsWhatTheStatusSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(policy.NewBreaker(policy.BreakerConfig{ConsecutiveFailures: 2, OpenDuration: time.Minute, Probes: 1}))
		long := strings.Repeat("x", 1<<20)
		status := 500
		base := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, long)
		}))
		transport := mustTransport(t, TransportConfig{Base: base, Policies: []policy.Policy{b}})
		look := func() error {
			response, err := transport.RoundTrip(newRequest(t, t.Context(), "GET", nil))
			if err == nil {
				_ = response.Body.Close()
			}
			return err
		}
		for range 2 {
			if err := look(); err != nil {
				t.Fatal(err)
			}
		}
		if err := look(); !errors.Is(err, policy.ErrOpen) {
			t.Fatalf("got %v, want an open breaker", err)
		}
		status = 200
		time.Sleep(2 * time.Minute)
		if err := look(); err != nil || b.Status().State != policy.BreakerClosed {
			t.Errorf("got %v, and the breaker is %v", err, b.Status().State)
		}
	})
}

func TestCallerWhoGivesUpIsNotBlamedOnTheCallee(t *testing.T) {
	tests := []struct {
		name  string
		words []string
		act   func(*http.Response, context.CancelFunc)
	}{
		{"before the response", nil, nil},
		{"cancelled in the body", []string{"one", "two"}, func(r *http.Response, cancel context.CancelFunc) {
			time.AfterFunc(time.Millisecond, cancel)
			_, _ = io.ReadAll(r.Body)
		}},
		{"closed during a read", []string{"one", "two"}, func(r *http.Response, _ context.CancelFunc) {
			time.AfterFunc(time.Millisecond, func() { _ = r.Body.Close() })
			_, _ = io.ReadAll(r.Body)
		}},
		{"cancelled and closed", []string{"one", "two"}, func(r *http.Response, cancel context.CancelFunc) {
			cancel()
			_ = r.Body.Close()
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				counted := new(classes)
				h := trickle(test.words...)
				if test.words == nil {
					h = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(time.Hour) })
				}
				transport := mustTransport(t, TransportConfig{Base: serve(t, h), Policies: []policy.Policy{patient(), counted}})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if test.words == nil {
					time.AfterFunc(time.Second, cancel)
				}
				response, err := transport.RoundTrip(newRequest(t, ctx, "GET", nil))
				if (err == nil) != (test.words != nil) {
					t.Fatal(err)
				}
				if err == nil {
					test.act(response, cancel)
					_ = response.Body.Close()
				}
				counted.want(t, policy.Ignored)
			})
		})
	}
}

// classes keeps how calls ended.
type classes struct {
	mu    sync.Mutex
	ended []policy.Class
}

func (c *classes) Do(ctx context.Context, next policy.Next) policy.Result {
	r := next.Do(ctx)
	r.AtEnd(func(class policy.Class) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ended = append(c.ended, class)
	})
	return r
}

func (c *classes) want(t *testing.T, ended ...policy.Class) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if diff := cmp.Diff(ended, c.ended); diff != "" {
		t.Errorf("ended with\n%s", diff)
	}
}

func (c *classes) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.ended)
}

func TestTimeoutReachesIntoTheBodyAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counted := new(classes)
		transport := mustTransport(t, TransportConfig{Base: serve(t, trickle("one", "two", "three")), Policies: []policy.Policy{counted, timeout(1500 * time.Millisecond)}})
		start := time.Now()
		status, text, err := get(t, transport, newRequest(t, t.Context(), "GET", nil))
		if status != 200 || text != "onetwo" || !errors.Is(err, policy.ErrTimeout) {
			t.Errorf("got %d %q, %v", status, text, err)
		}
		if took := time.Since(start); took != 1500*time.Millisecond {
			t.Errorf("took %v", took)
		}
		counted.want(t, policy.Failure)
	})
}

func TestDeadlineTravelsMinusAMargin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		callee := &story{statuses: []int{500, 200}}
		transport := mustTransport(t, TransportConfig{Base: serve(t, callee), TimeoutMargin: 50 * time.Millisecond,
			Policies: []policy.Policy{retry(policy.RetryConfig{Jitter: policy.JitterNone, Delay: time.Second}), timeout(1200 * time.Millisecond)}})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if status, _, err := get(t, transport, newRequest(t, ctx, "GET", nil)); status != 200 || err != nil {
			t.Fatalf("got %d, %v", status, err)
		}
		var got []int
		for _, h := range callee.headers {
			n, err := strconv.Atoi(h.Get("Afloat-Timeout-Ms"))
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, n)
		}
		if diff := cmp.Diff([]int{1150, 950}, got); diff != "" {
			t.Errorf("of the try, then of the caller:\n%s", diff)
		}
	})
}

func TestNoDeadlineAndNoRepeatSendTheRequestAsItIs(t *testing.T) {
	r := newRequest(t, t.Context(), "GET", nil)
	r.Header.Set("X-Own", "1")
	var sent *http.Request
	base := tripper(func(r *http.Request) (*http.Response, error) {
		sent = r
		return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
	})
	transport := mustTransport(t, TransportConfig{Base: base, Policies: []policy.Policy{retry(policy.RetryConfig{}), breaker(5)}})
	if _, err := transport.RoundTrip(r); err != nil {
		t.Fatal(err)
	}
	if sent != r {
		t.Error("a copy was sent for nothing")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := transport.RoundTrip(r.WithContext(ctx)); err != nil {
		t.Fatal(err)
	}
	if sent.Header.Get(TimeoutHeader) == "" || r.Header.Get(TimeoutHeader) != "" {
		t.Errorf("sent %v, and the caller's is %v", sent.Header, r.Header)
	}
}

func TestHeadersCanBeRenamedAndSwitchedOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, want := range map[string][]string{"x-try": {"2"}, NoHeader: nil} {
			callee := &story{statuses: []int{500, 200}}
			transport := mustTransport(t, TransportConfig{Base: serve(t, callee), Policies: []policy.Policy{patient()}, AttemptHeader: name, TimeoutHeader: NoHeader})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if _, _, err := get(t, transport, newRequest(t, ctx, "GET", nil)); err != nil {
				t.Fatal(err)
			}
			h := callee.headers[1]
			if diff := cmp.Diff(want, h["X-Try"]); diff != "" || h["Afloat-Attempt"] != nil || h["Afloat-Timeout-Ms"] != nil {
				t.Errorf("%s: %v", name, h)
			}
		}
	})
}

func TestRefusedRequestClosesItsBody(t *testing.T) {
	b := breaker(1)
	b.Force(true, "test")
	transport := mustTransport(t, TransportConfig{Base: tripper(nil), Policies: []policy.Policy{b}})
	for name, r := range map[string]*http.Request{
		"kept":     newRequest(t, t.Context(), "PUT", nil),
		"not kept": newRequest(t, t.Context(), "POST", nil),
	} {
		body := &closeCounter{Reader: strings.NewReader("x")}
		r.Body = body
		if _, err := transport.RoundTrip(r); !errors.Is(err, policy.ErrOpen) || body.closed.Load() != 1 {
			t.Errorf("%s: %v, and the body was closed %d times", name, err, body.closed.Load())
		}
	}
}

type closeCounter struct {
	io.Reader
	closed atomic.Int32
}

func (c *closeCounter) Close() error { c.closed.Add(1); return nil }

func TestPolicyThatAnswersWithNothingIsAnError(t *testing.T) {
	transport := mustTransport(t, TransportConfig{Policies: []policy.Policy{policy.FallbackValue(nil), new(refusal)}})
	if r, err := transport.RoundTrip(newRequest(t, t.Context(), "GET", nil)); r != nil || err != errNoResponse {
		t.Errorf("got %v, %v", r, err)
	}
}

type refusal struct{}

func (refusal) Do(context.Context, policy.Next) policy.Result {
	return policy.Result{Err: &policy.Rejected{Policy: "test", Reason: policy.ErrFull}, Class: policy.Shed}
}

func TestFallbackAnswersForACalleeThatIsDown(t *testing.T) {
	fallback := policy.NewFallback(func(context.Context, policy.Result) policy.Result {
		return policy.Result{Value: &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("stale"))}}
	})
	transport := mustTransport(t, TransportConfig{Policies: []policy.Policy{fallback, new(refusal)}})
	if status, text, err := get(t, transport, newRequest(t, t.Context(), "GET", nil)); status != 200 || text != "stale" || err != nil {
		t.Errorf("got %d %q, %v", status, text, err)
	}
}

func TestPolicySeesTheRequest(t *testing.T) {
	var seen string
	spy := policyFunc(func(ctx context.Context, next policy.Next) policy.Result {
		seen = Request(ctx).Header.Get("X-User")
		return next.Do(ctx)
	})
	transport := mustTransport(t, TransportConfig{Policies: []policy.Policy{spy, new(refusal)}})
	r := newRequest(t, t.Context(), "GET", nil)
	r.Header.Set("X-User", "ada")
	_, _ = transport.RoundTrip(r)
	if seen != "ada" || Request(t.Context()) != nil {
		t.Errorf("saw %q", seen)
	}
}

type policyFunc func(context.Context, policy.Next) policy.Result

func (f policyFunc) Do(ctx context.Context, next policy.Next) policy.Result { return f(ctx, next) }

func TestTransportConfigNamesEveryProblem(t *testing.T) {
	err := TransportConfig{
		Policies:      []policy.Policy{policy.Chain()},
		AttemptHeader: "no header",
		TimeoutHeader: "bad:",
		TimeoutMargin: time.Hour,
	}.Validate()
	for _, field := range []string{"policies[0]", "attemptHeader", "timeoutHeader", "timeoutMargin"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s is missing in %v", field, err)
		}
	}
	if _, err := NewTransport(TransportConfig{TimeoutHeader: " "}); err == nil {
		t.Error("NewTransport takes it")
	}
}

func TestOrderOfPoliciesIsChecked(t *testing.T) {
	retry, bulkhead := must(policy.NewRetry(policy.RetryConfig{})), must(policy.NewBulkhead(policy.BulkheadConfig{MaxConcurrent: 1}))
	breaker, limit := breaker(1), must(policy.NewRateLimit(policy.RateLimitConfig{Requests: 1}))
	for warnings, transport := range map[int]*Transport{
		0: mustTransport(t, TransportConfig{Policies: []policy.Policy{retry, bulkhead}}),
		1: mustTransport(t, TransportConfig{Policies: []policy.Policy{bulkhead, retry}}),
	} {
		if got := transport.Check(); len(got) != warnings {
			t.Errorf("the transport: got %v, want %d", got, warnings)
		}
	}
	for warnings, handler := range map[int]*Handler{
		0: mustHandler(t, func(http.ResponseWriter, *http.Request) {}, HandlerConfig{Policies: []policy.Policy{limit, breaker}}),
		1: mustHandler(t, func(http.ResponseWriter, *http.Request) {}, HandlerConfig{Policies: []policy.Policy{breaker, limit}}),
	} {
		if got := handler.Check(); len(got) != warnings {
			t.Errorf("the handler: got %v, want %d", got, warnings)
		}
	}
}
