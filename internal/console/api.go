// Package console is what operators and their programs talk to: a JSON API, the
// metrics, and the health of Afloat itself. It serves on loopback, and elsewhere
// only with a token.
package console

import (
	"crypto/subtle"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/signal"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// Status is all that runs, what is out of order, and why.
type Status struct {
	Version       string                    `json:"version"`
	PID           int                       `json:"pid"`
	StartedAt     time.Time                 `json:"startedAt"`
	UptimeSeconds float64                   `json:"uptimeSeconds"`
	Config        ConfigStatus              `json:"config"`
	Signals       []signal.ServiceSignals   `json:"signals"`
	Gateway       gateway.Status            `json:"gateway"`
	Processes     []supervise.ServiceStatus `json:"processes"`
	Events        []signal.Event            `json:"events"`
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
}

// Options are what the API shows.
type Options struct {
	// Status and View are asked for each request of them.
	Status func() Status
	View   func() signal.View
	// Metrics serves /metrics.
	Metrics http.Handler
	// Token is asked of every request but the health checks, as
	// "Authorization: Bearer TOKEN". Empty asks none, and then only requests
	// to a loopback name are answered.
	Token string
}

// Handler serves the API:
//
//	GET /healthz        200 while Afloat runs
//	GET /metrics        for Prometheus
//	GET /api/v1/status  a Status
//	GET /api/v1/view    a signal.View: the last minute, for the live view
func Handler(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n")) // nobody to tell when the client has gone
	})
	mux.Handle("GET /metrics", o.guard(o.Metrics))
	mux.Handle("GET /api/v1/status", o.guard(answer(func() any { return o.Status() })))
	mux.Handle("GET /api/v1/view", o.guard(answer(func() any { return o.View() })))
	return mux
}

// answer gives what get returns as JSON.
func answer(get func() any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(get()) // fails when the client has gone
	})
}

// guard lets only those in who may be: with the token, or, where there is none,
// by a loopback name, so that no page in a browser can be made to ask for it
// under a name of its own.
func (o Options) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case o.Token == "" && !loopbackHost(r.Host):
			http.Error(w, "without a token, the API answers only to a loopback name", http.StatusForbidden)
		case o.Token != "" && !bearer(r, o.Token):
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "a token is needed: send Authorization: Bearer TOKEN", http.StatusUnauthorized)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func bearer(r *http.Request, token string) bool {
	got, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && subtle.ConstantTimeCompare([]byte(got), []byte(token)) == 1
}

func loopbackHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}

// NewServer returns a server of the API with a limit on every wait.
func NewServer(o Options) *http.Server {
	return &http.Server{
		Handler:           Handler(o),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
}
