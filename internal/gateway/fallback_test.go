package gateway

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// fallingBack is a route to one service that falls back on another.
func fallingBack(main, other string, f FallbackConfig) *Config {
	c := oneService(ServiceConfig{Endpoints: Addresses(main), Timeout: 300 * time.Millisecond, Concurrency: policy.AdaptiveConfig{Disabled: true}})
	c.Services["other"] = ServiceConfig{Endpoints: Addresses(other)}
	f.Service = "other"
	c.Routes[0].Fallback = &f
	return c
}

func TestFallbackServiceAnswersForOneThatFails(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	for name, main := range map[string]string{
		"fails":   origin(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) }),
		"refuses": refusing(t),
		"hangs":   origin(t, func(http.ResponseWriter, *http.Request) { <-release }),
		"breaks":  origin(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
	} {
		t.Run(name, func(t *testing.T) {
			other := origin(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				io.WriteString(w, "other "+string(body))
			})
			seen := make(recorder, 10)
			_, url := startObserved(t, fallingBack(main, other, FallbackConfig{}), seen)
			for client, c := range map[string]*http.Client{"HTTP/1.1": http.DefaultClient, "HTTP/2": http2Client(t, nil)} {
				res, body := do(t, c, "PUT", url, "data")
				if res.StatusCode != 200 || body != "other data" {
					t.Errorf("%s: got %d %q", client, res.StatusCode, body)
				}
				if r := <-seen; r.Service != "other" || r.Reason != ReasonFallback || r.Failed() {
					t.Errorf("%s: noted %+v", client, r)
				}
			}
		})
	}
}

func TestFallbackServiceIsNotAskedForWhatMayBeDone(t *testing.T) {
	var asked atomic.Int64
	other := origin(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	failing := origin(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) })
	_, url := start(t, fallingBack(failing, other, FallbackConfig{}))
	if res, _ := do(t, http.DefaultClient, "POST", url, "order"); res.StatusCode != 500 || asked.Load() != 0 {
		t.Errorf("got %d, and the other service was asked %d times", res.StatusCode, asked.Load())
	}
	_, url = start(t, fallingBack(refusing(t), other, FallbackConfig{}))
	if res, _ := do(t, http.DefaultClient, "POST", url, "order"); res.StatusCode != 200 || asked.Load() != 1 {
		t.Errorf("not sent yet: got %d, and the other service was asked %d times", res.StatusCode, asked.Load())
	}
}

func TestStaticAnswerIsForAFallbackServiceThatFails(t *testing.T) {
	_, url := start(t, fallingBack(refusing(t), refusing(t), FallbackConfig{Body: "sorry"}))
	if status, body := get(t, url); status != 200 || body != "sorry" {
		t.Errorf("got %d %q", status, body)
	}
	_, url = start(t, fallingBack(refusing(t), refusing(t), FallbackConfig{}))
	if status, _ := get(t, url); status != 503 {
		t.Errorf("without one: got %d", status)
	}
}

// TestServiceHealsBehindItsFallback: the fallback must not keep the first one
// from being asked again.
func TestServiceHealsBehindItsFallback(t *testing.T) {
	var down atomic.Bool
	down.Store(true)
	main := origin(t, func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			w.WriteHeader(500)
		}
		io.WriteString(w, "main")
	})
	c := fallingBack(main, named(t, "other"), FallbackConfig{})
	s := c.Services["web"]
	s.Breaker = policy.BreakerConfig{OpenDuration: 100 * time.Millisecond}
	c.Services["web"] = s
	g, url := start(t, c)
	eventually(t, "it is ejected", func() bool {
		if status, body := get(t, url); status != 200 || body != "other" {
			t.Fatalf("got %d %q", status, body)
		}
		return stateOf(g, "web", main).State == "ejected"
	})
	down.Store(false)
	eventually(t, "it heals", func() bool { _, body := get(t, url); return body == "main" })
}

func TestFallbackServiceMustExist(t *testing.T) {
	c := fallingBack("127.0.0.1:1", "127.0.0.1:1", FallbackConfig{})
	delete(c.Services, "other")
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), `fallback.service: unknown service "other"`) {
		t.Errorf("got %v", err)
	}
}
