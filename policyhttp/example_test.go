package policyhttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/policy"
	"github.com/afloat-dev/afloat/policyhttp"
)

// A client that repeats what fails, within a budget, and leaves a callee alone
// that is down.
func ExampleTransport() {
	tries := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if tries++; tries < 3 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = io.WriteString(w, "17 in stock, by try "+r.Header.Get(policyhttp.AttemptHeader))
	}))
	defer server.Close()

	retry, err := policy.NewRetry(policy.RetryConfig{Delay: time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	breaker, err := policy.NewBreaker(policy.BreakerConfig{Name: "stock"})
	if err != nil {
		fmt.Println(err)
		return
	}
	timeout, err := policy.NewTimeout(policy.TimeoutConfig{Timeout: time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	transport, err := policyhttp.NewTransport(policyhttp.TransportConfig{
		Policies: []policy.Policy{retry, breaker, timeout}, // the first is outermost
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &http.Client{Transport: transport}

	response, err := client.Get(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	fmt.Println(string(text), err)
	// Output: 17 in stock, by try 3 <nil>
}

// A server that sheds what it cannot serve, and says when to come back.
func ExampleHandler() {
	limit, err := policy.NewRateLimit(policy.RateLimitConfig{Requests: 1, Per: time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	handler, err := policyhttp.NewHandler(hello, policyhttp.HandlerConfig{Policies: []policy.Policy{limit}})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(handler)
	defer server.Close()

	for range 2 {
		response, err := http.Get(server.URL)
		if err != nil {
			fmt.Println(err)
			return
		}
		_ = response.Body.Close()
		fmt.Printf("%s %q %q\n", response.Status, response.Header.Get("Retry-After"), response.Header.Get("RateLimit"))
	}
	// Output:
	// 200 OK "" ""
	// 429 Too Many Requests "60" "\"default\";r=0;t=60"
}

// A POST is sent once, unless the callee knows a repeat when it sees one: by
// its Idempotency-Key, or because the program says so.
func ExampleWithRepeatable() {
	tries := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		tries++
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer server.Close()
	retry, err := policy.NewRetry(policy.RetryConfig{Delay: time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	transport, err := policyhttp.NewTransport(policyhttp.TransportConfig{Policies: []policy.Policy{retry}})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &http.Client{Transport: transport}
	post := func(ctx context.Context) {
		tries = 0
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, strings.NewReader("query"))
		if err != nil {
			fmt.Println(err)
			return
		}
		response, err := client.Do(request)
		if err != nil {
			fmt.Println(err)
			return
		}
		_ = response.Body.Close()
		fmt.Println(response.StatusCode, "after", tries, "tries")
	}
	post(context.Background())
	post(policyhttp.WithRepeatable(context.Background(), true))
	// Output:
	// 500 after 1 tries
	// 500 after 3 tries
}

// A POST gets a key by which the callee knows a repeat, so that it may be sent
// again.
func ExampleTransport_idempotencyKeys() {
	keys := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("Idempotency-Key")
		if keys[key]++; keys[key] < 3 {
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	defer server.Close()

	retry, err := policy.NewRetry(policy.RetryConfig{Delay: time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	transport, err := policyhttp.NewTransport(policyhttp.TransportConfig{Policies: []policy.Policy{retry}, IdempotencyKeys: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &http.Client{Transport: transport}
	response, err := client.Post(server.URL, "text/plain", strings.NewReader("2 apples"))
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = response.Body.Close()
	for key, times := range keys {
		fmt.Println(response.Status, "with one key", times, "times:", len(key) > 30)
	}
	// Output: 200 OK with one key 3 times: true
}

// A classifier that waits for the limits of somebody else's API: a 429 that
// says when to come back is repeated then, if the Retry's DelayMax allows.
func ExampleClassifyPatiently() {
	limited := &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"2"}}}
	fmt.Println(policyhttp.Classify(context.Background(), limited, nil))
	fmt.Println(policyhttp.ClassifyPatiently(context.Background(), limited, nil))
	// Output:
	// shed 2s
	// failure 2s
}

// A fault for one tester: everybody else is served, and after ten minutes so is
// the tester.
func ExampleByHeader() {
	fault, err := policy.NewFault(policy.FaultConfig{
		Abort: policy.FaultAbort{Share: 1, Status: http.StatusBadGateway},
		Key:   policyhttp.ByHeader("X-User"),
		Keys:  []string{"tester"},
		For:   10 * time.Minute,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	handler, err := policyhttp.NewHandler(hello, policyhttp.HandlerConfig{Policies: []policy.Policy{fault}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, user := range []string{"ada", "tester"} {
		request := httptest.NewRequest("GET", "/", nil)
		request.Header.Set("X-User", user)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		fmt.Println(user, answer.Code)
	}
	// Output:
	// ada 200
	// tester 502
}

// A policy that depends on the request asks for it.
func ExampleRequest() {
	refuse := &policy.Rejected{Policy: "door", Reason: errors.New("not today")}
	door := doorkeeper(func(ctx context.Context, next policy.Next) policy.Result {
		if policyhttp.Request(ctx).Header.Get("X-User") == "mallory" {
			return policy.Result{Err: refuse, Class: policy.Shed}
		}
		return next.Do(ctx)
	})
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	handler, err := policyhttp.NewHandler(hello, policyhttp.HandlerConfig{Policies: []policy.Policy{door}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, user := range []string{"ada", "mallory"} {
		request := httptest.NewRequest("GET", "/", nil)
		request.Header.Set("X-User", user)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		fmt.Println(user, answer.Code)
	}
	// Output:
	// ada 200
	// mallory 503
}

type doorkeeper func(context.Context, policy.Next) policy.Result

func (d doorkeeper) Do(ctx context.Context, next policy.Next) policy.Result { return d(ctx, next) }
