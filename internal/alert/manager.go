package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/api"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/marker"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/route"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"

	"github.com/afloat-dev/afloat/internal/journal"
)

// Prefix is where [Manager.Handler] serves Alertmanager's API.
const Prefix = "/alertmanager"

// Options are what a Manager needs beside its Config.
type Options struct {
	// Dir is a folder of its own, for silences and for what has been sent. Empty
	// keeps them in memory.
	Dir string
	// Journal gets all that happens to alerts, and is where their history is read
	// from. Required.
	Journal *journal.Journal
	// Log is told of what fails; nil for nobody.
	Log *slog.Logger
	// Totals are the requests of each service until now, for what an incident
	// cost and for noticing an outage. Nil: nothing is known of them.
	Totals func() []Total
	// Situation says in words how a service fares now; nil says nothing.
	Situation func(service string) Situation
	// Store is where rules are evaluated. Nil: there are no rules.
	Store *Store
	// URL is where the console is, unless the Config says so.
	URL string
}

// Total counts the requests to a service since the start.
type Total struct {
	Service string
	// Requests is how many ended, Failed how many of them failed their user, and
	// Harmed how many of those not by the client's own doing, such as its flood.
	Requests, Failed, Harmed uint64
	// Able is how many endpoints take requests, of all Endpoints that nobody has
	// taken out by hand.
	Able, Endpoints int
	// Supervised is whether Afloat runs the service's processes itself, and so
	// knows that it is to have an endpoint. That there is none elsewhere may be
	// meant.
	Supervised bool
	// Drained is whether people took out all the endpoints that there are.
	Drained bool
}

// Situation is how a service fares, in words.
type Situation struct {
	// Numbers are its golden signals.
	Numbers string
	// StandsOut is the endpoint or dependency that differs; empty where none does.
	StandsOut string
}

const (
	retention    = 120 * time.Hour // of silences that ended, and of what has been sent
	resolvedKept = 15 * time.Minute
	silencesMax  = 10_000
	namesMax     = 10_000 // alerts of one name
	groupsMax    = 10_000
	housekeeping = 5 * time.Minute
)

// Manager takes alerts and tells people. It is a [prometheus.Collector] too. Its methods may be called by many
// goroutines at once.
type Manager struct {
	options  Options
	log      *slog.Logger
	registry *prometheus.Registry

	provider *mem.Alerts
	silences *silence.Silences
	silencer *silence.Silencer
	sent     *nflog.Log
	// What is silenced and what has been sent is saved at once.
	silencesFile, sentFile *snapshot
	groups                 marker.GroupMarker
	api                    *api.API
	handler                http.Handler
	pipelines              *notify.PipelineBuilder
	dispatching            *dispatch.DispatcherMetrics

	applying sync.Mutex // held while a Config is put in force
	rules    *ruler     // guarded by applying
	ruling   atomic.Pointer[ruler]

	ruleMetrics *rules.Metrics // made once; guarded by applying

	mu      sync.Mutex // guards what follows
	config  Config
	engine  *engine // nil until the first Config
	book    *book
	watch   map[string]*watched // alerts that are open, by fingerprint
	changed []journal.Entry     // what changed lately, oldest first
	done    []journal.Entry     // what was done lately, oldest first
	heard   uint64              // ID of the last entry that was taken
	tallies tallies
	failing map[string]bool // receivers and groups whose notices fail
	outages *outages
	news    map[string]*news // by receiver and group
	swapped time.Time        // since when the Config is in force

	figures *figures
}

// New returns a Manager that goes on where the journal and the folder end. It
// tells nobody until [Manager.Apply] has put a Config in force.
func New(o Options) (*Manager, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	m := &Manager{
		options: o, log: o.Log, registry: prometheus.NewRegistry(), groups: marker.NewGroupMarker(),
		book: newBook(), watch: map[string]*watched{}, failing: map[string]bool{}, outages: newOutages(), news: map[string]*news{}, figures: newFigures(),
	}
	if err := m.open(); err != nil {
		return nil, fmt.Errorf("alerts: %w", err)
	}
	if err := m.remember(); err != nil {
		return nil, fmt.Errorf("alerts: %w", err)
	}
	return m, nil
}

// quiet is for a part of Alertmanager or Prometheus: their everyday lines would
// drown Afloat's own.
func (m *Manager) quiet(part string) *slog.Logger {
	w := warnings{Handler: m.log.Handler()}
	if m.options.Store != nil {
		w.closed = m.options.Store.Closed
	}
	return slog.New(w).With("component", part)
}

// warnings passes on warnings and what is worse, but for what fails because the
// store is closed: each rule does each time, and the store's own log says why,
// and once.
type warnings struct {
	slog.Handler
	closed error
}

func (h warnings) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && h.Handler.Enabled(ctx, l)
}

// Handle is part of [slog.Handler].
func (h warnings) Handle(ctx context.Context, r slog.Record) error {
	closed := false
	r.Attrs(func(a slog.Attr) bool {
		closed = h.saysClosed(a.Value.Any())
		return !closed
	})
	if closed {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

func (h warnings) saysClosed(v any) bool {
	err, ok := v.(error)
	if !ok || h.closed == nil {
		return false
	}
	if e, ok := errors.AsType[promql.ErrStorage](err); ok {
		err = e.Err // it does not unwrap
	}
	return errors.Is(err, h.closed)
}

func (h warnings) WithAttrs(all []slog.Attr) slog.Handler {
	return warnings{h.Handler.WithAttrs(all), h.closed}
}

func (h warnings) WithGroup(name string) slog.Handler {
	return warnings{h.Handler.WithGroup(name), h.closed}
}

// open makes the parts that live as long as the Manager.
func (m *Manager) open() (err error) {
	silences, sent := "", ""
	if m.options.Dir != "" {
		if err := os.MkdirAll(m.options.Dir, 0o700); err != nil {
			return err
		}
		silences, sent = filepath.Join(m.options.Dir, "silences"), filepath.Join(m.options.Dir, "sent")
	}
	m.sent, err = nflog.New(nflog.Options{SnapshotFile: sent, Retention: retention, Logger: m.quiet("nflog"), Metrics: m.registry})
	if err != nil {
		return fmt.Errorf("read %s: %w", sent, err)
	}
	m.silences, err = silence.New(silence.Options{
		SnapshotFile: silences, Retention: retention, Logger: m.quiet("silences"), Metrics: m.registry,
		Limits: silence.Limits{MaxSilences: func() int { return silencesMax }, MaxSilenceSizeBytes: func() int { return 64 << 10 }},
	})
	if err != nil {
		return fmt.Errorf("read %s: %w", silences, err)
	}
	m.silencesFile = &snapshot{path: silences, take: m.silences.Snapshot}
	m.sentFile = &snapshot{path: sent, take: m.sent.Snapshot}
	m.silencer = silence.NewSilencer(m.silences, m.quiet("silencer"), eventrecorder.Recorder{})
	m.provider, err = mem.NewAlerts(context.Background(), resolvedKept, namesMax, m.silencer, m.quiet("provider"), eventrecorder.Recorder{}, m.registry, featurecontrol.NoopFlags{})
	if err != nil {
		return err
	}
	m.pipelines = notify.NewPipelineBuilder(m.registry, featurecontrol.NoopFlags{}, eventrecorder.Recorder{})
	m.dispatching = dispatch.NewDispatcherMetrics(false, m.registry, featurecontrol.NoopFlags{})
	return m.openAPI()
}

func (m *Manager) openAPI() (err error) {
	m.api, err = api.New(api.Options{
		Alerts: gate{m.provider, m}, Silences: m.silences, GroupMutedFunc: m.groups.Muted,
		Timeout: 30 * time.Second, Logger: m.quiet("api"), Registry: m.registry,
		RequestDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "alertmanager_http_request_duration_seconds"}, []string{"handler", "method", "code"}),
		GroupFunc: func(ctx context.Context, ofRoute func(*dispatch.Route) bool, ofAlert func(*alert.Alert, time.Time) bool) (dispatch.AlertGroups, map[model.Fingerprint][]string, error) {
			m.mu.Lock()
			e := m.engine
			m.mu.Unlock()
			if e == nil {
				return nil, nil, errors.New("no configuration is in force yet")
			}
			return e.dispatcher.Groups(ctx, ofRoute, ofAlert)
		},
	})
	if err != nil {
		return err
	}
	m.handler = m.lasting(m.api.Register(route.New().WithPrefix(Prefix), Prefix))
	return nil
}

// Handler serves Alertmanager's API v2 below [Prefix], until a Config is in
// force with an error.
func (m *Manager) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		ready := m.engine != nil
		m.mu.Unlock()
		if !ready {
			http.Error(w, "alerts are disabled", http.StatusServiceUnavailable)
			return
		}
		m.handler.ServeHTTP(w, r)
	})
}

// Serve keeps watch until ctx ends: alerts whose time is over, those that nobody
// acknowledges, outages. It returns nil once nothing is sent any more.
func (m *Manager) Serve(ctx context.Context) error {
	listening, stop := context.WithCancel(ctx)
	defer stop()
	go m.listen(listening)
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	keep := time.NewTicker(housekeeping)
	defer keep.Stop()
	for {
		select {
		case <-ctx.Done():
			m.close()
			return nil
		case <-tick.C:
			m.tick(ctx, time.Now())
		case <-keep.C:
			m.tidy()
		}
	}
}

// tidy forgets silences that ended long ago and what was sent long ago.
func (m *Manager) tidy() {
	m.mu.Lock()
	m.forgetNews(time.Now())
	m.mu.Unlock()
	_, silences := m.silences.GC()
	_, sent := m.sent.GC()
	if err := errors.Join(silences, sent, m.silencesFile.save(), m.sentFile.save()); err != nil {
		m.log.Error("tidying up silences and notices failed", "error", err)
	}
}

func (m *Manager) close() {
	m.applying.Lock()
	defer m.applying.Unlock()
	m.rules.stop()
	m.mu.Lock()
	e := m.engine
	m.engine = nil
	m.mu.Unlock()
	e.stop()
	m.provider.Close()
	m.tidy()
}

// externalURL is where people find the console.
func (m *Manager) externalURL(c *Config) *url.URL {
	text := c.URL
	if text == "" {
		text = m.options.URL
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		u = &url.URL{Scheme: "http", Host: "127.0.0.1:9900"}
	}
	return u
}
