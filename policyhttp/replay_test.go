package policyhttp

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/policy"
)

// stream is a body that net/http cannot rewind.
func stream(text string) *closeCounter {
	return &closeCounter{Reader: io.MultiReader(strings.NewReader(text))}
}

func TestBodyWithoutGetBodyIsKeptUpToALimit(t *testing.T) {
	tests := []struct {
		name   string
		body   string
		length int64
		max    int
		want   int
	}{
		{"short, of unknown length", "order", -1, 0, 3},
		{"short, of known length", "order", 5, 0, 3},
		{"exactly as long as is kept", "order", -1, 5, 3},
		{"longer, of unknown length", "order", -1, 4, 1},
		{"longer, of known length", "order", 5, 4, 1},
		{"none is kept", "order", -1, -1, 1},
		{"much longer than the default", strings.Repeat("x", 1<<20), -1, 0, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				callee := &story{statuses: []int{500}}
				transport := mustTransport(t, TransportConfig{Base: serve(t, callee), BodyMax: test.max,
					Policies: []policy.Policy{retry(policy.RetryConfig{})}})
				body := stream(test.body)
				r := newRequest(t, t.Context(), "PUT", body)
				r.ContentLength = test.length
				if status, _, err := get(t, transport, r); status != 500 || err != nil {
					t.Errorf("got %d, %v", status, err)
				}
				if len(callee.asked) != test.want || body.closed.Load() != 1 {
					t.Errorf("sent %d times, want %d; closed %d times", len(callee.asked), test.want, body.closed.Load())
				}
				for i, got := range callee.asked {
					if got != test.body {
						t.Errorf("try %d sent %d bytes of %d", i+1, len(got), len(test.body))
					}
				}
			})
		})
	}
}

func TestNothingIsAllocatedForABodyBeforeItIsRead(t *testing.T) {
	b := &replay{source: stream("order"), max: 64 << 10}
	if r := b.reader(); cap(b.kept) != 0 {
		t.Errorf("%d bytes for %v", cap(b.kept), r)
	}
}

// TestBodyThatNobodyReadIsSentWhole is a connection that fails before it takes
// anything.
func TestBodyThatNobodyReadIsSentWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		callee := &story{statuses: []int{200}}
		memory, tries := serve(t, callee), 0
		base := tripper(func(r *http.Request) (*http.Response, error) {
			if tries++; tries == 1 {
				_ = r.Body.Close()
				return nil, errors.New("connection refused")
			}
			return memory.RoundTrip(r)
		})
		transport := mustTransport(t, TransportConfig{Base: base, Policies: []policy.Policy{retry(policy.RetryConfig{})}})
		body := stream("order")
		if status, _, err := get(t, transport, newRequest(t, t.Context(), "PUT", body)); status != 200 || err != nil {
			t.Errorf("got %d, %v", status, err)
		}
		if diff := cmp.Diff([]string{"order"}, callee.asked); diff != "" || body.closed.Load() != 1 {
			t.Errorf("closed %d times\n%s", body.closed.Load(), diff)
		}
	})
}

// TestResponseBeforeTheBodyWasTakenIsFinal: the rest may be more than is kept,
// and then the response would be lost for nothing.
func TestResponseBeforeTheBodyWasTakenIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		base := tripper(func(r *http.Request) (*http.Response, error) {
			tries++
			_, _ = io.ReadFull(r.Body, make([]byte, 2))
			time.AfterFunc(time.Second, func() { _ = r.Body.Close() }) // still being sent
			return &http.Response{StatusCode: 500, Body: http.NoBody}, nil
		})
		b := breaker(1)
		transport := mustTransport(t, TransportConfig{Base: base, Policies: []policy.Policy{patient(), b}})
		body := stream("order")
		if status, _, err := get(t, transport, newRequest(t, t.Context(), "PUT", body)); status != 500 || err != nil || tries != 1 {
			t.Errorf("got %d, %v after %d tries", status, err, tries)
		}
		if body.closed.Load() != 0 || b.Status().State != policy.BreakerOpen {
			t.Errorf("the breaker is %v, and the body was closed %d times too early", b.Status().State, body.closed.Load())
		}
		time.Sleep(2 * time.Second)
		if body.closed.Load() != 1 {
			t.Errorf("closed %d times", body.closed.Load())
		}
	})
}

func TestLaterTryEndsTheReadingOfAnEarlierOne(t *testing.T) {
	b := &replay{source: stream("order"), max: 4}
	one := b.reader()
	head := make([]byte, 3)
	if _, err := io.ReadFull(one, head); err != nil || string(head) != "ord" {
		t.Fatalf("%q, %v", head, err)
	}
	two := b.reader()
	if _, err := one.Read(head); err != errSuperseded {
		t.Errorf("the earlier one: %v", err)
	}
	if text, err := io.ReadAll(two); string(text) != "order" || err != nil {
		t.Errorf("the later one reads on: %q, %v", text, err)
	}
	if _, err := io.ReadAll(b.reader()); !errors.Is(err, ErrNotRepeatable) {
		t.Errorf("after more than is kept: %v", err)
	}
}

func TestGetBodyIsUsedAndItsErrorTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		callee := &story{statuses: []int{500}}
		transport := mustTransport(t, TransportConfig{Base: serve(t, callee), Policies: []policy.Policy{retry(policy.RetryConfig{})}})
		broken := errors.New("file is gone")
		r := newRequest(t, t.Context(), "PUT", stream("order"))
		r.GetBody = func() (io.ReadCloser, error) { return nil, broken }
		if _, _, err := get(t, transport, r); !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
		if diff := cmp.Diff([]string{"order"}, callee.asked); diff != "" {
			t.Error(diff)
		}
	})
}
