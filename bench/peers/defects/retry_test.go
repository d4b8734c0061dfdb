package defects

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/afloat-dev/afloat/policy"
	"github.com/afloat-dev/afloat/policyhttp"
	"github.com/cenkalti/backoff/v5"
	"github.com/eapache/go-resiliency/retrier"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/hashicorp/go-retryablehttp"
	slokretry "github.com/slok/goresilience/retry"
)

var retryBehaviours = []behaviour{
	{"A retry whose next wait would outlast the deadline gives up at once", inBubble(put(hopelessWait, faults{
		"cenkalti":     "sleeps until the deadline",
		"eapache":      "sleeps until the deadline",
		"failsafe":     "sleeps until the deadline",
		"goresilience": "sleeps on after the deadline",
	}, retriers...))},
	{"A POST that may have been carried out is not sent again", inBubble(put(repeatedPost, faults{
		"failsafe":      "sends it 5 times",
		"retryablehttp": "sends it 5 times",
	}, clients...))},
	{"A Retry-After beyond the longest wait is not waited for", inBubble(put(longRetryAfter, faults{
		"failsafe":      "waits an hour with a longest wait of 30s",
		"retryablehttp": "waits an hour with a longest wait of 30s",
	}, clients...))},
	{"Nothing is sent before the date that a Retry-After gives", inBubble(put(datedRetryAfter, faults{
		"failsafe": "reads no dates",
	}, clients...))},
	{"A breaker around an HTTP handler sees what it answered", put(blindAdapter, faults{
		"failsafe": "counts an answer of 500 as a success",
	}, maker[adapter]{library: afloat, make: afloatHandler}, maker[adapter]{library: "failsafe", make: failsafeHandler})},
}

// retry repeats a call, each time after ten seconds.
type retry func(context.Context, func() error) error

const between = 10 * time.Second

var retriers = []maker[retry]{
	{library: afloat, make: func(tb testing.TB) retry {
		r := must[*policy.Retry](tb)(policy.NewRetry(policy.RetryConfig{Delay: between, DelayMax: between, Jitter: policy.JitterNone}))
		return func(ctx context.Context, call func() error) error {
			_, err := policy.Do(ctx, r, func(context.Context) (any, error) { return nil, call() })
			return err
		}
	}},
	{library: "cenkalti", make: func(testing.TB) retry {
		return func(ctx context.Context, call func() error) error {
			_, err := backoff.Retry(ctx, func() (any, error) { return nil, call() }, backoff.WithBackOff(backoff.NewConstantBackOff(between)))
			return err
		}
	}},
	{library: "eapache", make: func(testing.TB) retry {
		r := retrier.New(retrier.ConstantBackoff(2, between), nil)
		return func(ctx context.Context, call func() error) error {
			return r.RunCtx(ctx, func(context.Context) error { return call() })
		}
	}},
	{library: "failsafe", make: func(testing.TB) retry {
		r := failsafe.With(retrypolicy.NewBuilder[any]().WithDelay(between).Build())
		return func(ctx context.Context, call func() error) error { return r.WithContext(ctx).Run(call) }
	}},
	{library: "goresilience", make: func(testing.TB) retry {
		r := slokretry.New(slokretry.Config{Times: 2, WaitBase: between, DisableBackoff: true})
		return func(ctx context.Context, call func() error) error {
			return r.Run(ctx, func(context.Context) error { return call() })
		}
	}},
}

func hopelessWait(t *testing.T, do retry) string {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	began, calls := time.Now(), 0
	if err := do(ctx, func() error { calls++; return errFailed }); err == nil || calls != 1 {
		t.Fatalf("%d calls, then %v", calls, err)
	}
	if took := time.Since(began); took > 0 {
		return fmt.Sprintf("with a second left and a wait of %v it sleeps %v", between, took)
	}
	return ""
}

// client sends requests through policies and then through the base. It repeats
// them up to four times, with waits of a second to half a minute.
type client func(base http.RoundTripper) http.RoundTripper

const (
	repeats          = 4
	waitMin, waitMax = time.Second, 30 * time.Second
)

var clients = []maker[client]{
	{library: afloat, make: func(tb testing.TB) client {
		r := must[*policy.Retry](tb)(policy.NewRetry(policy.RetryConfig{Attempts: repeats, Delay: waitMin, DelayMax: waitMax}))
		return func(base http.RoundTripper) http.RoundTripper {
			return must[*policyhttp.Transport](tb)(policyhttp.NewTransport(policyhttp.TransportConfig{Base: base, Policies: []policy.Policy{r},
				Classify: policyhttp.ClassifyPatiently})) // or it would not repeat what is shed
		}
	}},
	{library: "failsafe", make: func(testing.TB) client {
		r := failsafehttp.NewRetryPolicyBuilder().WithMaxRetries(repeats).WithBackoff(waitMin, waitMax).Build()
		return func(base http.RoundTripper) http.RoundTripper { return failsafehttp.NewRoundTripper(base, r) }
	}},
	{library: "retryablehttp", make: func(testing.TB) client {
		c := retryablehttp.NewClient()
		c.Logger, c.RetryMax, c.RetryWaitMin, c.RetryWaitMax = nil, repeats, waitMin, waitMax
		return func(base http.RoundTripper) http.RoundTripper {
			c.HTTPClient = &http.Client{Transport: base}
			return &retryablehttp.RoundTripper{Client: c}
		}
	}},
}

// callee answers every request with a status and keeps when they came.
type callee struct {
	status     int
	retryAfter string
	came       []time.Time
	once       bool // then it answers well
}

func (c *callee) RoundTrip(r *http.Request) (*http.Response, error) {
	c.came = append(c.came, time.Now())
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
	}
	header := http.Header{}
	if c.retryAfter != "" {
		header.Set("Retry-After", c.retryAfter)
	}
	status := c.status
	if c.once && len(c.came) > 1 {
		status = http.StatusOK
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

// asked has the client ask the callee once, and returns how long that took.
func asked(t *testing.T, c client, callee *callee, method, body string) time.Duration {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://callee/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	response, err := c(callee).RoundTrip(r)
	if err == nil {
		_ = response.Body.Close()
	}
	return time.Since(began)
}

func repeatedPost(t *testing.T, c client) string {
	callee := &callee{status: 500}
	asked(t, c, callee, "POST", "an order")
	if n := len(callee.came); n != 1 {
		return fmt.Sprintf("it is sent %d times", n)
	}
	callee.came = nil
	asked(t, c, callee, "GET", "")
	if n := len(callee.came); n != 1+repeats {
		t.Errorf("a GET is sent %d times", n)
	}
	return ""
}

func longRetryAfter(t *testing.T, c client) string {
	for _, status := range []int{429, 503} {
		callee := &callee{status: status, retryAfter: "3600"}
		if took := asked(t, c, callee, "GET", ""); took > (1+repeats)*waitMax {
			return fmt.Sprintf("%d: it takes %v", status, took)
		}
	}
	return ""
}

func datedRetryAfter(t *testing.T, c client) string {
	for _, status := range []int{429, 503} {
		at := time.Now().Add(20 * time.Second).Truncate(time.Second)
		callee := &callee{status: status, retryAfter: at.UTC().Format(http.TimeFormat)}
		asked(t, c, callee, "GET", "")
		if n := len(callee.came); n > 1 && callee.came[1].Before(at) {
			return fmt.Sprintf("%d: it is sent again after %v, and was asked to wait 20s", status, callee.came[1].Sub(callee.came[0]))
		}
	}
	return ""
}

// TestAfloatComesBackWhenItIsAskedTo: that nothing is sent too early says little
// of a client that sends nothing.
func TestAfloatComesBackWhenItIsAskedTo(t *testing.T) {
	for _, status := range []int{429, 500, 502, 503} {
		for _, dated := range []bool{false, true} {
			for after, want := range map[time.Duration]int{20 * time.Second: 2, time.Hour: 1} {
				synctest.Test(t, func(t *testing.T) { // whose time begins with a whole second
					header := fmt.Sprint(after.Seconds())
					if dated {
						header = time.Now().Add(after).UTC().Format(http.TimeFormat)
					}
					callee := &callee{status: status, retryAfter: header, once: true}
					took := asked(t, clients[0].make(t), callee, "GET", "")
					if n := len(callee.came); n != want || n > 1 && (took < after || took > after+time.Second) { // a little later, so that not all come at once
						t.Errorf("%d, Retry-After %s: it is sent %d times within %v, want %d", status, header, n, took, want)
					}
				})
			}
		}
	}
}

// adapter puts a breaker around a handler.
type adapter func(http.Handler) http.Handler

func afloatHandler(tb testing.TB) adapter {
	b := must[*policy.Breaker](tb)(policy.NewBreaker(policy.BreakerConfig{ConsecutiveFailures: fails}))
	return func(next http.Handler) http.Handler {
		return must[*policyhttp.Handler](tb)(policyhttp.NewHandler(next, policyhttp.HandlerConfig{Policies: []policy.Policy{b}}))
	}
}

func failsafeHandler(testing.TB) adapter {
	b := circuitbreaker.NewBuilder[*http.Response]().WithFailureThreshold(fails).
		HandleIf(func(r *http.Response, err error) bool { return err != nil || r != nil && r.StatusCode >= 500 }).Build()
	return func(next http.Handler) http.Handler { return failsafehttp.NewHandler(next, b) }
}

func blindAdapter(_ *testing.T, wrap adapter) string {
	reached := 0
	handler := wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached++
		w.WriteHeader(http.StatusInternalServerError)
	}))
	for range 2 * fails {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	}
	if reached != fails {
		return fmt.Sprintf("it lets %d requests through that are answered with 500, and should open after %d", reached, fails)
	}
	return ""
}
