package promapi

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/prometheus/rules"

	"github.com/afloat-dev/afloat/internal/signal/tsdb"
)

// Root is the path of what clients take for a Prometheus, and Prefix that of
// its API.
const (
	Root   = "/prometheus"
	Prefix = Root + "/api/v1"
)

// Rules are those that are evaluated, for the API to tell of.
type Rules interface {
	RuleGroups() []*rules.Group
}

// Options are what the API shows.
type Options struct {
	// Store is what is asked. Required.
	Store *tsdb.Store
	// Rules are listed with their alerts; nil lists none.
	Rules Rules
	// Address is that of the listener, to be shown as the target.
	Address string
	// Version and Revision of the program.
	Version, Revision string
	// Started is when the program started.
	Started time.Time
	// Log is told of what goes wrong inside; nil tells nobody.
	Log *slog.Logger
}

// handler serves the API.
type handler struct {
	Options
	queries chan struct{} // a place for each query under way
}

// formBytesMax bounds a query that is sent as a form.
const formBytesMax = 1 << 20

// Handler serves what is below [Root]. Nothing there changes anything. The
// caller guards it.
func Handler(o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h := &handler{Options: o, queries: make(chan struct{}, o.Store.Config().Query.ParallelMax)}
	mux := http.NewServeMux()
	well := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("Afloat is well.\n")) }
	mux.HandleFunc("GET "+Root+"/-/healthy", well)
	mux.Handle("GET "+Root+"/-/ready", h.whenOpen(well))
	for path, do := range map[string]call{
		"/query":           h.query,
		"/query_range":     h.queryRange,
		"/query_exemplars": h.exemplars,
		"/format_query":    h.format,
		"/labels":          h.labelNames,
		"/series":          h.series,
	} {
		mux.Handle("GET "+Prefix+path, h.inTurn(h.serve(do)))
		mux.Handle("POST "+Prefix+path, h.inTurn(h.serve(do)))
	}
	mux.Handle("GET "+Prefix+"/label/{name}/values", h.inTurn(h.serve(h.labelValues)))
	for path, do := range map[string]call{
		"/metadata":           h.metadata,
		"/targets":            h.targets,
		"/rules":              h.rules,
		"/alerts":             h.alerts,
		"/alertmanagers":      h.alertmanagers,
		"/status/buildinfo":   h.buildInfo,
		"/status/runtimeinfo": h.runtimeInfo,
		"/status/flags":       h.flags,
		"/status/config":      h.config,
		"/status/tsdb":        h.database,
	} {
		mux.Handle("GET "+Prefix+path, h.serve(do))
	}
	return mux
}

// answerMax bounds the time that an answer may take to be written.
const answerMax = 30 * time.Second

// inTurn lets a bounded number of requests go on at a time.
func (h *handler) inTurn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Waiting and the query may take as long each, and then there is the answer. It fails where the server has no
		// deadline to change.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(2*h.Store.Config().Query.Timeout + answerMax))
		select {
		case h.queries <- struct{}{}:
			defer func() { <-h.queries }()
			next.ServeHTTP(w, r)
		case <-r.Context().Done(): // nobody waits for the answer
		case <-time.After(h.Store.Config().Query.Timeout):
			w.Header().Set("Retry-After", "1")
			h.refuse(w, &failure{unavailable, errBusy})
		}
	})
}

// serve answers with what a call returns.
func (h *handler) serve(do call) http.Handler {
	return h.whenOpen(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, formBytesMax)
		f := &form{store: h.Store}
		if err := r.ParseForm(); err != nil {
			h.refuse(w, &failure{badData, err})
			return
		}
		f.values = r.Form
		found, err := do(r, f)
		if found.end != nil {
			defer found.end()
		}
		if err = orBad(f, err); err != nil {
			h.refuse(w, err)
			return
		}
		h.answer(w, found)
	})
}

// whenOpen answers 503 while the store is not open.
func (h *handler) whenOpen(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.Store.DB() == nil {
			w.Header().Set("Retry-After", "1")
			h.refuse(w, &failure{unavailable, tsdb.ErrNotReady})
			return
		}
		next(w, r)
	})
}
