package policyhttp

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

func TestRetryAfterIsReadAndBounded(t *testing.T) {
	tests := []struct {
		name, after, date string
		want              time.Duration
		asked             bool
	}{
		{"none", "", "", 0, false},
		{"seconds", "120", "", 2 * time.Minute, true},
		{"no time at all", "0", "", 0, true},
		{"a year", "31536000", "", 24 * time.Hour, true},
		{"more than a number holds", "99999999999999999999999", "", 24 * time.Hour, true},
		{"a date, by our clock", "Sat, 01 Jan 2000 00:01:00 GMT", "", time.Minute, true},
		{"a date, by the callee's clock", "Fri, 31 Dec 1999 00:01:00 GMT", "Fri, 31 Dec 1999 00:00:00 GMT", time.Minute, true},
		{"a date that has passed", "Fri, 31 Dec 1999 00:00:00 GMT", "", 0, true},
		{"a date far away", "Sat, 01 Jan 2050 00:00:00 GMT", "", 24 * time.Hour, true},
		{"less than nothing", "-1", "", 0, false},
		{"a fraction", "1.5", "", 0, false},
		{"words", "soon", "", 0, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // the year 2000
				header := http.Header{}
				header.Set("Retry-After", test.after)
				header.Set("Date", test.date)
				if got, asked := retryAfterOf(header); got != test.want || asked != test.asked {
					t.Errorf("got %v, %v", got, asked)
				}
			})
		})
	}
}

func TestErrorsAreClassifiedByWhoseFaultTheyAre(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	reset := errors.New("connection reset")
	tests := []struct {
		name string
		ctx  context.Context
		err  error
		want policy.Class
	}{
		{"a broken connection", t.Context(), reset, policy.Failure},
		{"a caller who went", gone, reset, policy.Ignored},
		{"a refusal", t.Context(), &policy.Rejected{Policy: "breaker", Reason: policy.ErrOpen}, policy.Shed},
	}
	for _, test := range tests {
		if class, _ := Classify(test.ctx, nil, test.err); class != test.want {
			t.Errorf("%s is a %v", test.name, class)
		}
	}
}

func TestPatientClassifierWaitsForALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A limit of somebody else's API is waited for.
		callee := &story{statuses: []int{429, 200}, header: http.Header{"Retry-After": {"7"}}}
		transport := mustTransport(t, TransportConfig{Base: serve(t, callee), Policies: []policy.Policy{patient()},
			Classify: ClassifyPatiently})
		start := time.Now()
		status, _, err := get(t, transport, newRequest(t, t.Context(), "GET", nil))
		if waited := time.Since(start); status != 200 || err != nil || waited < 7*time.Second || waited > 8*time.Second { // and a little, so that not all come at once
			t.Errorf("got %d, %v after %v", status, err, waited)
		}
		for header, want := range map[string]policy.Class{"": policy.Shed, "0": policy.Failure} {
			h := http.Header{"Retry-After": {header}}
			if class, _ := ClassifyPatiently(t.Context(), &http.Response{StatusCode: 429, Header: h}, nil); class != want {
				t.Errorf("a 429 with Retry-After %q is a %v, want %v", header, class, want)
			}
		}
		if class, _ := ClassifyPatiently(t.Context(), nil, &policy.Rejected{Policy: "bulkhead", Reason: policy.ErrFull, RetryAfter: 1}); class != policy.Shed {
			t.Errorf("a refusal of a policy is a %v", class)
		}
	})
}
