package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/afloat-dev/afloat/internal/freeport"
	"github.com/afloat-dev/afloat/internal/otlptest"
)

// traces is a collector of OTLP outside the process: the paths of the requests
// whose traces it got, by trace id.
type traces struct {
	*httptest.Server
	mu    sync.Mutex
	paths map[string]string
}

func newTraces(t *testing.T) *traces {
	c := &traces{paths: map[string]string{}}
	c.Server = otlptest.NewCollector(t, func(_ *http.Request, all []*trace.ResourceSpans) int {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, resource := range all {
			for _, scope := range resource.ScopeSpans {
				for _, span := range scope.Spans {
					for _, a := range span.Attributes {
						if a.Key == "url.path" {
							c.paths[hex.EncodeToString(span.TraceId)] = a.Value.GetStringValue()
						}
					}
				}
			}
		}
		return http.StatusOK
	})
	return c
}

func (c *traces) path(id string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.paths[id]
}

// TestLinesOfRequestsNameTheTraceThatIsKept sends real requests of which some
// are kept: the line of each in the access log leads to its trace, and nothing
// else is kept. Of failed ones there is a line however few others have one.
func TestLinesOfRequestsNameTheTraceThatIsKept(t *testing.T) {
	t.Parallel()
	const slow = 300 * time.Millisecond
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			time.Sleep(slow + 50*time.Millisecond) // as the service that is kept for it
		case "/failed":
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(web.Close)
	const given = "4bf92f3577b34da6a3ce929d0e0e4736"
	for _, c := range []struct {
		sample string // of the access log
		lines  int    // of requests that are kept
	}{
		{"100%", 3},
		{"0.000001%", 2},
	} {
		kept, listen := newTraces(t), freeport.Address(t)
		m := &mortal{t: t, dir: t.TempDir(), admin: freeport.Address(t)}
		text := fmt.Sprintf(`listen: "%s"
admin: {address: "%s"}
metrics: {disabled: true}
accessLog: {path: access.log, sample: %s}
tracing: {endpoint: "%s", sample: -1, slow: %v}
services: {web: {endpoints: ["%s"], retry: {attempts: -1}}}
`, listen, m.admin, c.sample, kept.URL, slow, web.Listener.Addr())
		if err := os.WriteFile(filepath.Join(m.dir, "afloat.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		m.start()
		t.Cleanup(m.kill)
		for _, path := range []string{"/", "/slow", "/failed", "/failed?given"} {
			req, err := http.NewRequest("GET", "http://"+listen+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(path, "given") {
				req.Header.Set("Traceparent", "00-"+given+"-00f067aa0ba902b7-01")
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
		}
		m.await("traces of what is kept", func() bool {
			kept.mu.Lock()
			defer kept.mu.Unlock()
			return len(kept.paths) == 3
		})
		var leading int
		m.await("lines that lead to them", func() bool {
			log, _ := os.ReadFile(filepath.Join(m.dir, "access.log"))
			leading = 0
			for line := range strings.Lines(string(log)) {
				var l struct {
					Path  string `json:"path"`
					Trace string `json:"trace_id"`
				}
				if json.Unmarshal([]byte(line), &l) != nil {
					return false // half of it is written
				}
				if at := kept.path(l.Trace); at == l.Path && at != "" {
					leading++
				} else if at != "" || l.Path != "/" || len(l.Trace) != 32 {
					t.Errorf("the line of %s names trace %q, which is that of %q", l.Path, l.Trace, at)
				}
			}
			return leading == c.lines
		})
		if kept.path(given) != "/failed" {
			t.Errorf("the client's own trace was not kept: %v", kept.paths)
		}
	}
}
