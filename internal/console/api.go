// Package console is what operators and their programs talk to: a JSON API, a
// stream of what is live, the metrics, the health of Afloat itself, and the page
// that shows all of it. It serves on loopback, and elsewhere only with a token.
package console

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/afloat-dev/afloat/internal/control/scale"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/signal"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// Status is all that runs, what is out of order, and why.
type Status struct {
	Version       string       `json:"version"`
	PID           int          `json:"pid"`
	StartedAt     time.Time    `json:"startedAt"`
	UptimeSeconds float64      `json:"uptimeSeconds"`
	Config        ConfigStatus `json:"config"`
	// Signals are the golden signals of the last 10 s: first the sum of all
	// services, then each by name.
	Signals   []signal.ServiceSignals   `json:"signals"`
	Gateway   gateway.Status            `json:"gateway"`
	Processes []supervise.ServiceStatus `json:"processes"`
	// Scaling is what was decided last of how many replicas a service runs, by
	// its name.
	Scaling map[string]scale.Decision `json:"scaling,omitempty"`
	// Events are the last changes of state, oldest first.
	Events []signal.Event `json:"events"`
}

// ConfigStatus is which configuration is in force.
type ConfigStatus struct {
	Files     []string  `json:"files"`
	AppliedAt time.Time `json:"appliedAt"`
	// RefusedAt and Refused tell of the last reload, if it changed nothing
	// because of a problem.
	RefusedAt time.Time `json:"refusedAt,omitzero"`
	Refused   string    `json:"refused,omitempty"`
	// Waiting lists the changes that only a restart takes over.
	Waiting []string `json:"waiting,omitempty"`
	// Warnings are those of `afloat check` about what is in force, at most 100.
	Warnings []string `json:"warnings,omitempty"`
}

// Options are what the API shows.
type Options struct {
	// Status and View are asked for each request of them, and Status once a
	// second while somebody reads the stream.
	Status func() Status
	View   func() signal.View
	// Histories are the golden signals of so many seconds, one by one.
	Histories func(last time.Duration) []signal.History
	// Metrics serves /metrics.
	Metrics http.Handler
	// Faults are injected where it is not nil, and Levers pulled.
	Faults Faults
	Levers Levers
	// Replicas are evicted where it is not nil.
	Replicas Replicas
	// Journal is read, and told of what people do, where it is not nil.
	Journal Journal
	// Alerts are served where they are not nil.
	Alerts Alerts
	// Releases are shown and steered where it is not nil.
	Releases Releases
	// Upgrade lets a new process take over, where it is not nil.
	Upgrade func(context.Context) (Upgraded, error)
	// Mounts are APIs of others, beside Afloat's own.
	Mounts []Mount
	// Access says who may do what.
	Access Access
}

// Mount is an API of another kind, such as Prometheus' or Alertmanager's.
type Mount struct {
	// Prefix is the path below which it answers, such as "/prometheus/".
	Prefix  string
	Handler http.Handler
	// Reads is set where no request changes anything, whatever its method.
	Reads bool
}

// api is the API in service.
type api struct {
	Options
	guard  *guard
	stream *stream
}

func newAPI(o Options) *api {
	a := &api{Options: o, guard: newGuard(o.Access)}
	a.stream = newStream(a.live, a.guard.still)
	return a
}

// Handler serves the API, which /api/v1/openapi.json describes, and beside it
//
//	GET /healthz  200 while Afloat runs
//	GET /metrics  for Prometheus
//	GET /         the page
func Handler(o Options) http.Handler { return newAPI(o).handler() }

func (a *api) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+healthPath, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n")) // nobody to tell when the client has gone
	})
	mux.Handle("GET /metrics", a.guard.admit(RoleReader, a.Metrics))
	for _, o := range a.operations() {
		if o.serve != nil {
			mux.Handle(o.method+" "+o.path, a.guard.admit(o.role, o.serve))
		}
	}
	mux.HandleFunc("/", servePage)
	for _, m := range a.Mounts {
		mux.Handle(m.Prefix, a.guard.mount(m))
	}
	return a.guard.secure(mux)
}

// answer gives what get returns as JSON.
func answer(get func() any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, get()) }
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(v) // fails when the client has gone
}

// NewServer returns a server of the API with a limit on every wait.
func NewServer(o Options) *http.Server {
	a := newAPI(o)
	s := &http.Server{
		Handler:           a.handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	s.RegisterOnShutdown(a.stream.end)
	return s
}

// healthPath is the one that needs nothing.
const healthPath = "/healthz"
