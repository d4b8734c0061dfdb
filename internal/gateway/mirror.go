package gateway

import (
	"cmp"
	"errors"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// MirrorConfig sends copies of a route's requests to another service, whose
// answers nobody gets. Requests with a body that is streamed are not copied.
type MirrorConfig struct {
	// Service is a name from services.
	Service string `yaml:"service"`
	// Share of the requests is copied. Default 100%.
	Share policy.Ratio `yaml:"share"`
	// InFlightMax bounds the copies under way; no more are made meanwhile.
	// Default 100.
	InFlightMax int `yaml:"inFlightMax"`
}

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c MirrorConfig) WithDefaults() MirrorConfig {
	c.Share = cmp.Or(c.Share, 1)
	c.InFlightMax = cmp.Or(c.InFlightMax, 100)
	return c
}

// mirror is a compiled MirrorConfig.
type mirror struct {
	config MirrorConfig
	route  *route // of the copies
	counts *mirrorCounts
}

type mirrorCounts struct{ inFlight, sent, dropped atomic.Int64 }

// MirrorStatus is what became of the copies for a service.
type MirrorStatus struct {
	Service string `json:"service"`
	// Sent counts copies, and Dropped those that were not made: their body was
	// streamed, or too many were under way.
	Sent     int64 `json:"sent"`
	Dropped  int64 `json:"dropped"`
	InFlight int64 `json:"inFlight"`
}

func (m *mirror) status() MirrorStatus {
	return MirrorStatus{m.config.Service, m.counts.sent.Load(), m.counts.dropped.Load(), m.counts.inFlight.Load()}
}

// newMirrors compiles the mirrors of a route. Copies are a route of their own in
// metrics and in the access log. They are the first to be shed, and not repeated.
func newMirrors(c *RouteConfig, name string, old *route, services map[string]*service, observer Observer) (all []mirror) {
	for i, mc := range c.Mirror {
		m := newMirror(c, mc, name, services[mc.Service], observer)
		if old != nil && i < len(old.mirrors) {
			m.counts = old.mirrors[i].counts
		}
		all = append(all, m)
	}
	return all
}

func newMirror(c *RouteConfig, mc MirrorConfig, name string, s *service, observer Observer) mirror {
	mc = mc.WithDefaults()
	route := &route{name: name + " (mirror)", priority: policy.PrioritySheddable, counts: new(routeCounts), rewrite: newRewrite(c.Rewrite)}
	to := newDestination(&RouteConfig{}, DestinationConfig{Service: mc.Service, Weight: 1}, 0, route.name, nil, s, observer)
	to.retry, _ = policy.NewRetry(policy.RetryConfig{Attempts: -1})
	to.repeats = false
	to.requestEdits = newHeaderEdits(c.RequestHeaders)
	route.to, route.weights = []destination{to}, 1
	return mirror{mc, route, new(mirrorCounts)}
}

// mirror sends copies of the request where the route says so. Its body has been
// read, or is not copied.
func (x *exchange) mirror() {
	for i := range x.route.mirrors {
		m := &x.route.mirrors[i]
		if share := float64(m.config.Share); share < 1 && rand.Float64() >= share {
			continue
		}
		x.sendCopy(m, func() *exchange { return x.copy(m.route) })
	}
}

// sendCopy sends what is made, where the request can be copied and not too many
// copies are under way.
func (x *exchange) sendCopy(m *mirror, made func() *exchange) {
	if !x.copies() || !m.enter() {
		m.counts.dropped.Add(1)
		return
	}
	m.counts.sent.Add(1)
	y := made()
	go func() {
		defer m.counts.inFlight.Add(-1)
		defer y.session.survive()
		defer y.end()
		y.limited()
	}()
}

// copies reports whether the request can be sent twice. A call of gRPC would
// have its answer judged by a client.
func (x *exchange) copies() bool {
	return !x.body.streams() && !x.grpc && x.request.Upgrade == nil
}

// enter counts a copy in, and its service's request.
func (m *mirror) enter() bool {
	if m.counts.inFlight.Add(1) <= int64(m.config.InFlightMax) && m.route.to[0].service.enter() {
		return true
	}
	m.counts.inFlight.Add(-1)
	return false
}

// copy is an exchange of the same request for another route, without a client.
func (x *exchange) copy(r *route) *exchange {
	y := x.fork(r, &r.to[0], time.Now())
	y.record.Route, y.record.Service = r.name, y.to.service.name
	y.claims, y.mirrored = claims{priority: r.priority}, true
	y.setDeadline(y.to.timeout)
	return y
}

// fork is an exchange of the same request, of which nothing is lost when the
// client's connection goes on. Nobody gets its answer.
func (x *exchange) fork(r *route, to *destination, start time.Time) *exchange {
	y := &exchange{session: x.session, client: nobody{}, request: *x.request.Clone()}
	y.begin(start)
	y.route, y.to, y.matched = r, to, x.matched
	y.host = hostOnly(y.request.Host, y.scratch[:])
	y.findOrigin()
	y.record.RequestID = slices.Clone(x.record.RequestID)
	y.record.Trace = x.record.Trace.child()
	y.body.kept, y.body.bytes = slices.Clone(x.body.kept), x.body.bytes
	return y
}

// nobody is the client of a copy.
type nobody struct{}

// mirroredMax is how much of an answer that nobody gets is read, to keep the
// connection.
const mirroredMax = 1 << 20

var errEnough = errors.New("nobody reads this answer")

func (nobody) gone(bool) bool            { return false }
func (nobody) awaited() bool             { return false }
func (nobody) hold(upstream)             {}
func (nobody) protocol() string          { return "mirror" }
func (nobody) body() source              { return nil } // it has been read
func (nobody) proceed() error            { return nil }
func (nobody) paceBody()                 {}
func (nobody) readBy(time.Time)          {}
func (nobody) trail(*http.Request)       {}
func (nobody) interrupt(<-chan struct{}) {}
func (nobody) abort()                    {}
func (nobody) reset()                    {}

// join is never called: a copy asks for no other protocol.
func (nobody) join(*exchange, *upstreamConn) (up, down int64) { return 0, 0 }

func (nobody) respond(x *exchange, u upstream) (n int64, keep bool, err error) {
	x.answered = true
	n, err = x.pass(u, &enough{})
	if errors.Is(err, errEnough) {
		return n, false, nil
	}
	return n, err == nil, err
}

func (nobody) answer(x *exchange, _ *ownAnswer) (keep bool) {
	x.answered = true
	return true
}

// enough takes what an answer begins with.
type enough struct{ taken int }

func (e *enough) write(p []byte) error {
	if e.taken += len(p); e.taken > mirroredMax {
		return errEnough
	}
	return nil
}

func (e *enough) end(upstream) error { return nil }

func (v *validator) mirrors(c *Config, all []MirrorConfig, path ...string) {
	if len(all) > mirrorsMax {
		v.add("want at most %d mirrors, got %d", []any{mirrorsMax, len(all)}, path...)
	}
	for i, m := range all {
		at := func(more string) []string { return append(slices.Clone(path), strconv.Itoa(i), more) }
		if _, ok := c.Services[m.Service]; !ok {
			v.add("unknown service %q%s", []any{m.Service, suggest(m.Service, slices.Sorted(maps.Keys(c.Services)))}, at("service")...)
		}
		if m.Share < 0 || m.Share > 1 {
			v.add("want 0%% to 100%%, got %v", []any{m.Share}, at("share")...)
		}
		v.count(m.InFlightMax, 100_000, at("inFlightMax")...)
	}
}

// mirrorsMax bounds the copies of one request.
const mirrorsMax = 10
