package policyhttp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

func TestHandlerCountsWhatWasAnswered(t *testing.T) {
	tests := []struct {
		name   string
		header http.Header
		status int
		want   policy.Class
	}{
		{"nothing", nil, 0, policy.Success},
		{"200", nil, 200, policy.Success},
		{"404", nil, 404, policy.Success},
		{"429", nil, 429, policy.Shed},
		{"500", nil, 500, policy.Failure},
		{"501", nil, 501, policy.Success},
		{"503", nil, 503, policy.Failure},
		{"503 that says when", http.Header{"Retry-After": {"1"}}, 503, policy.Shed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			counted := new(classes)
			h := mustHandler(t, func(w http.ResponseWriter, _ *http.Request) {
				for name, values := range test.header {
					w.Header()[name] = values
				}
				if test.status != 0 {
					w.WriteHeader(http.StatusEarlyHints)
					w.WriteHeader(test.status)
				}
			}, HandlerConfig{Policies: []policy.Policy{counted}})
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
			counted.want(t, test.want)
		})
	}
}

func TestBreakerAroundAHandlerOpensAndHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, status := breaker(5), 500
		h := mustHandler(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) },
			HandlerConfig{Policies: []policy.Policy{b}})
		client := serve(t, h)
		for range 5 {
			if got, _, err := get(t, client, newRequest(t, t.Context(), "GET", nil)); got != 500 || err != nil {
				t.Fatalf("got %d, %v", got, err)
			}
		}
		response, err := client.RoundTrip(newRequest(t, t.Context(), "GET", nil))
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != 503 || response.Header.Get("Retry-After") == "" {
			t.Errorf("got %d %v", response.StatusCode, response.Header)
		}
		if class, _ := Classify(t.Context(), response, nil); class != policy.Shed {
			t.Errorf("a client takes the refusal for a %v", class)
		}
		status = 200
		time.Sleep(2 * time.Minute)
		for range 3 {
			if got, _, err := get(t, client, newRequest(t, t.Context(), "GET", nil)); got != 200 || err != nil {
				t.Fatalf("got %d, %v", got, err)
			}
		}
		if s := b.Status().State; s != policy.BreakerClosed {
			t.Errorf("the breaker is %v", s)
		}
	})
}

func TestPanicCountsAndGoesOn(t *testing.T) {
	b, full := breaker(1), bulkhead(1)
	h := mustHandler(t, func(http.ResponseWriter, *http.Request) { panic("boom") }, HandlerConfig{Policies: []policy.Policy{b, full}})
	func() {
		defer func() {
			if v := recover(); v != "boom" {
				t.Errorf("recovered %v", v)
			}
		}()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	}()
	if b.Status().State != policy.BreakerOpen || full.Status().InFlight != 0 {
		t.Errorf("the breaker is %v, %d permits are held", b.Status().State, full.Status().InFlight)
	}
}

func TestAbortCountsUnlessTheClientHasGone(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for want, ctx := range map[policy.Class]context.Context{policy.Failure: t.Context(), policy.Ignored: gone} {
		counted := new(classes)
		h := mustHandler(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, HandlerConfig{Policies: []policy.Policy{counted}})
		func() {
			defer func() {
				if v := recover(); v != http.ErrAbortHandler {
					t.Errorf("recovered %v", v)
				}
			}()
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil).WithContext(ctx))
		}()
		counted.want(t, want)
	}
}

func TestClientWhoGoesIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counted := new(classes)
		var cause error
		client := serve(t, mustHandler(t, func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			cause = r.Context().Err()
			w.WriteHeader(500)
		}, HandlerConfig{Policies: []policy.Policy{counted, timeout(time.Minute)}}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := get(t, client, newRequest(t, ctx, "GET", nil)); err == nil {
			t.Error("the client got an answer")
		}
		synctest.Wait()
		counted.want(t, policy.Ignored)
		if cause != context.Canceled {
			t.Errorf("the handler saw %v", cause)
		}
	})
}

func TestStreamingHandlerHoldsItsPermitUntilItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bulkhead(1)
		client := serve(t, mustHandler(t, trickle("one", "two").ServeHTTP, HandlerConfig{Policies: []policy.Policy{b}}))
		response, err := client.RoundTrip(newRequest(t, t.Context(), "GET", nil))
		if err != nil {
			t.Fatal(err)
		}
		first := make([]byte, 3)
		if _, err := io.ReadFull(response.Body, first); err != nil || string(first) != "one" {
			t.Fatalf("%q, %v: the stream does not flow", first, err)
		}
		if status, text, err := get(t, client, newRequest(t, t.Context(), "GET", nil)); status != 503 || !strings.Contains(text, "Service Unavailable") {
			t.Errorf("meanwhile: %d %q, %v", status, text, err)
		}
		if rest, err := io.ReadAll(response.Body); err != nil || string(rest) != "two" {
			t.Errorf("%q, %v", rest, err)
		}
		_ = response.Body.Close()
		if status, _, err := get(t, client, newRequest(t, t.Context(), "GET", nil)); status != 200 {
			t.Errorf("afterwards: %d, %v", status, err)
		}
	})
}

func TestHandlerThatWritesNothingInTimeAnswers503(t *testing.T) {
	tests := []struct {
		name   string
		header string
		want   policy.Class
		took   time.Duration
	}{
		{"the server's time", "", policy.Failure, time.Second},
		{"the caller's time", "200", policy.Ignored, 200 * time.Millisecond},
		{"a caller who would wait longer", "5000", policy.Failure, time.Second},
		{"a caller who says nonsense", "-5", policy.Failure, time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				counted := new(classes)
				h := mustHandler(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
					HandlerConfig{Policies: []policy.Policy{counted, timeout(time.Second)}})
				r := httptest.NewRequest("GET", "/", nil)
				r.Header.Set(TimeoutHeader, test.header)
				w, start := httptest.NewRecorder(), time.Now()
				h.ServeHTTP(w, r)
				if took := time.Since(start); w.Code != 503 || took != test.took {
					t.Errorf("got %d after %v", w.Code, took)
				}
				counted.want(t, test.want)
			})
		})
	}
}

func TestDetachedTimeoutDoesNotOutliveTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counted := new(classes)
		detached := must(policy.NewTimeout(policy.TimeoutConfig{Timeout: time.Second, Detached: true}))
		h := mustHandler(t, func(w http.ResponseWriter, _ *http.Request) { time.Sleep(time.Minute); w.WriteHeader(200) },
			HandlerConfig{Policies: []policy.Policy{counted, detached}})
		w, start := httptest.NewRecorder(), time.Now()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if took := time.Since(start); took != time.Minute {
			t.Errorf("the server got its writer back after %v, and the handler still had it", took)
		}
		counted.want(t, policy.Failure)
	})
}

// TestAnswerOfAStragglerIsJudgedWhileTheWriterIsItsOwn has a handler answer
// after a detached Timeout has given it up, and Classify take its time: the
// server must not have its writer back before. The race detector watches.
func TestAnswerOfAStragglerIsJudgedWhileTheWriterIsItsOwn(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP/1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			judged := make(chan string, 1)
			detached := must(policy.NewTimeout(policy.TimeoutConfig{Timeout: 5 * time.Millisecond, Detached: true}))
			h := mustHandler(t, func(w http.ResponseWriter, r *http.Request) {
				<-r.Context().Done()
				w.Header().Set("X-Late", "yes")
				w.WriteHeader(200)
			}, HandlerConfig{Policies: []policy.Policy{detached}, Classify: func(_ int, header http.Header) (policy.Class, time.Duration) {
				time.Sleep(20 * time.Millisecond)
				judged <- header.Get("X-Late")
				return policy.Success, 0
			}})
			server := httptest.NewUnstartedServer(h)
			server.EnableHTTP2 = http2
			server.StartTLS()
			defer server.Close()
			for range 3 {
				res, err := server.Client().Get(server.URL)
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
				if got := <-judged; got != "yes" || res.Header.Get("X-Late") != "yes" {
					t.Errorf("judged by %q, answered with %v", got, res.Header)
				}
			}
		})
	}
}

func TestRefusalsSayWhenToComeBack(t *testing.T) {
	open := breaker(1)
	open.Force(true, "test")
	limit := func(c policy.RateLimitConfig) *policy.RateLimit {
		l := must(policy.NewRateLimit(c))
		for l.Allow() == nil {
		}
		return l
	}
	problem := func(kind, title, status string) string {
		return `{"type":"` + kind + `","title":"` + title + `","status":` + status + "}\n"
	}
	unavailable := problem("about:blank", "Service Unavailable", "503")
	exceeded := problem("https://iana.org/assignments/http-problem-types#quota-exceeded", "Too Many Requests", "429")
	tests := []struct {
		name     string
		policies []policy.Policy
		status   int
		header   map[string]string
		body     string
	}{
		{"breaker", []policy.Policy{open}, 503, map[string]string{"Retry-After": "1"}, unavailable},
		{"one limit", []policy.Policy{limit(policy.RateLimitConfig{Requests: 2, Per: time.Minute})}, 429, map[string]string{
			"Retry-After": "30", "RateLimit-Policy": `"default";q=2;w=60`, "RateLimit": `"default";r=0;t=30`}, exceeded},
		{"two limits", []policy.Policy{
			must(policy.NewRateLimit(policy.RateLimitConfig{Requests: 90, Per: 1500 * time.Millisecond})),
			limit(policy.RateLimitConfig{Requests: 1, Per: time.Hour, Algorithm: policy.SlidingWindow}),
		}, 429, map[string]string{
			"Retry-After": "3600", "RateLimit-Policy": `"default";q=120;w=2, "default-2";q=1;w=3600`, "RateLimit": `"default";r=89;t=2, "default-2";r=0;t=3600`}, exceeded},
		{"fault", []policy.Policy{must(policy.NewFault(policy.FaultConfig{Abort: policy.FaultAbort{Share: 1, Status: 418}}))}, 418, nil,
			problem("about:blank", "I'm a teapot", "418")},
		{"another policy", []policy.Policy{policyFunc(func(context.Context, policy.Next) policy.Result {
			return policy.Result{Err: errors.New("no"), Class: policy.Failure}
		})}, 503, nil, unavailable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := mustHandler(t, func(http.ResponseWriter, *http.Request) { t.Error("was served") }, HandlerConfig{Policies: test.policies})
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			if w.Code != test.status || w.Body.String() != test.body {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
			for _, name := range []string{"Retry-After", "RateLimit-Policy", "RateLimit"} {
				if got := w.Header().Get(name); got != test.header[name] {
					t.Errorf("%s is %q, want %q", name, got, test.header[name])
				}
			}
			for name := range w.Header() {
				if strings.HasPrefix(name, "X-Ratelimit") {
					t.Errorf("%s is sent", name)
				}
			}
		})
	}
}

func TestPolicyThatDoesNotRunTheHandlerIsNoSuccess(t *testing.T) {
	h := mustHandler(t, nil, HandlerConfig{Policies: []policy.Policy{policyFunc(func(context.Context, policy.Next) policy.Result {
		return policy.Result{}
	})}})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 503 {
		t.Errorf("got %d", w.Code)
	}
}

func TestRefuseWritesItsOwnAnswer(t *testing.T) {
	var got error
	h := mustHandler(t, nil, HandlerConfig{
		Policies: []policy.Policy{new(refusal)},
		Refuse: func(w http.ResponseWriter, _ *http.Request, status int, err error) {
			got = err
			http.Error(w, "busy", status)
		},
	})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 503 || w.Body.String() != "busy\n" || w.Header().Get("Retry-After") != "1" || !errors.Is(got, policy.ErrFull) {
		t.Errorf("got %d %q %v for %v", w.Code, w.Body, w.Header(), got)
	}
}

func TestAdvertiseTellsWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := must(policy.NewRateLimit(policy.RateLimitConfig{Requests: 10, Per: 10 * time.Second}))
		h := mustHandler(t, func(http.ResponseWriter, *http.Request) {}, HandlerConfig{Policies: []policy.Policy{limit}, Advertise: true})
		for _, want := range []string{`"default";r=10;t=10`, `"default";r=9;t=10`} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			if got := w.Header().Get("RateLimit"); w.Code != 200 || got != want {
				t.Errorf("got %d %q, want %q", w.Code, got, want)
			}
		}
	})
}

func TestAdvertiseTellsWhatIsLeftOfTheRequestsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		users := must(policy.NewKeyedRateLimit(policy.KeyedRateLimitConfig{Requests: 2, Per: 10 * time.Second, Key: ByHeader("X-User")}))
		all := must(policy.NewRateLimit(policy.RateLimitConfig{Requests: 100, Per: time.Minute}))
		h := mustHandler(t, func(http.ResponseWriter, *http.Request) {}, HandlerConfig{
			Policies: []policy.Policy{users, policy.Limits{policy.Limit{}, all.Limit()}},
		})
		ask := func(user string) *httptest.ResponseRecorder {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("X-User", user)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w
		}
		for range 2 {
			if w := ask("ada"); w.Code != 200 || len(w.Header()) > 0 {
				t.Errorf("got %d %v", w.Code, w.Header())
			}
		}
		w := ask("ada")
		const policies, left = `"default";q=2;w=10, "default-3";q=100;w=60`, `"default";r=0;t=5, "default-3";r=98;t=60`
		if w.Code != 429 || w.Header().Get("Retry-After") != "5" || w.Header().Get("RateLimit-Policy") != policies || w.Header().Get("RateLimit") != left {
			t.Errorf("got %d %v", w.Code, w.Header())
		}
		if w := ask("bob"); w.Code != 200 {
			t.Errorf("another user: %d", w.Code)
		}
	})
}

func TestHandlerConfigNamesEveryProblem(t *testing.T) {
	hedge := must(policy.NewHedge(policy.HedgeConfig{}))
	err := HandlerConfig{
		Policies:      []policy.Policy{policy.Chain(), breaker(1), patient(), hedge, policy.FallbackValue(1)},
		AttemptHeader: "ä",
		TimeoutHeader: "a b",
	}.Validate()
	for _, field := range []string{"policies[0]", "policies[2]", "policies[3]", "policies[4]", "attemptHeader", "timeoutHeader"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s is missing in %v", field, err)
		}
	}
	if strings.Contains(err.Error(), "policies[1]") {
		t.Errorf("a breaker is no problem: %v", err)
	}
	if _, err := NewHandler(http.NotFoundHandler(), HandlerConfig{TimeoutHeader: " "}); err == nil {
		t.Error("NewHandler takes it")
	}
}

func TestFaultHitsAHeadersValue(t *testing.T) {
	fault := must(policy.NewFault(policy.FaultConfig{Abort: policy.FaultAbort{Share: 1, Status: 418}, Key: ByHeader("X-User"), Keys: []string{"ada"}}))
	h := mustHandler(t, func(http.ResponseWriter, *http.Request) {}, HandlerConfig{Policies: []policy.Policy{fault}})
	for user, want := range map[string]int{"ada": 418, "bob": 200, "": 200} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-User", user)
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != want {
			t.Errorf("%q: status %d, want %d", user, w.Code, want)
		}
	}
}

func TestFaultCutsConnections(t *testing.T) {
	fault := must(policy.NewFault(policy.FaultConfig{Abort: policy.FaultAbort{Share: 1, Err: http.ErrAbortHandler}}))
	transport := serve(t, mustHandler(t, func(http.ResponseWriter, *http.Request) {}, HandlerConfig{Policies: []policy.Policy{fault}}))
	if status, _, err := get(t, transport, newRequest(t, t.Context(), "POST", nil)); err == nil {
		t.Errorf("got status %d", status)
	}
	if err := fault.Set(policy.FaultConfig{}); err != nil {
		t.Fatal(err)
	}
	if status, _, err := get(t, transport, newRequest(t, t.Context(), "POST", nil)); status != 200 {
		t.Errorf("healed: %d, %v", status, err)
	}
}
