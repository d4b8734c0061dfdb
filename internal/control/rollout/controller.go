package rollout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/afloat-dev/afloat/internal/control/judge"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// Processes is where sets of replicas run.
type Processes interface {
	// Apply makes the sets the ones that run, and ends all others.
	Apply([]supervise.Config) error
	Status() []supervise.ServiceStatus
}

// Traffic is what requests go through.
type Traffic interface {
	// Supply makes the endpoints those of the service.
	Supply(service string, endpoints []gateway.EndpointConfig)
	// SetSplit shares the service's requests from now on.
	SetSplit(service string, split *gateway.Split) error
	// Drain waits until no request is under way at an address.
	Drain(ctx context.Context, service, address string)
}

// Note is something that a release did, for people.
type Note struct {
	Time    time.Time
	Service string
	Release string // its ID
	Who     string
	Phase   Phase
	What    string
	Why     string
}

// Options of a Controller.
type Options struct {
	// Dir is the folder in which releases are written down. Empty: nowhere, so
	// that none outlives the process.
	Dir       string
	Processes Processes
	Traffic   Traffic
	// Scale has a set run n replicas instead of as many as it was applied with, 0
	// as many. It is for services that were never released. Nil: none is scaled.
	Scale func(set string, n int, why string) error
	// Evict has a replica of a set end for another to take its place, within the
	// set's own disruption budget. Nil: none is evicted.
	Evict func(set string, id int) error
	// Log hears of every change; nil discards. Tell is told of each as well.
	Log  *slog.Logger
	Tell func(Note)
	// Query reads a series of the judge; nil: none can be read.
	Query func(ctx context.Context, expression string) (values []float64, err error)
	// Client asks hooks. Default: one without a proxy.
	Client *http.Client
}

// Controller runs releases. It stands between the configuration and the
// supervisor: it says which replicas of which versions run.
type Controller struct {
	opts  Options
	store store
	wake  chan struct{}
	hooks hooks
	arms  arms
	backs backs

	readers sync.WaitGroup // of series

	applying sync.Mutex // one configuration after the other
	mu       sync.Mutex // held for moments only: nothing waits for the disk or a network under it
	services map[string]*service
	plain    []supervise.Config              // that are not released by a Controller
	sets     map[string]string               // the service of every set that there is
	ready    map[string][]supervise.Endpoint // by set
	applied  []supervise.Config
	notes    []Note
	trouble  trouble // with the supervisor
}

// service is a released service. It is guarded by the Controller's mutex.
type service struct {
	turn sync.Mutex // held while it is stepped and written down; before the Controller's

	Record
	config  Config
	said    int // replicas, by the configuration
	judge   *judge.Judge
	edited  int  // how often the Record changed
	written int  // what of that is on disk
	gone    bool // from the configuration
	disk    trouble
	gateway trouble

	wanted   map[Role]int
	split    *gateway.Split
	trial    Trial
	court    *court
	verdict  judge.Verdict
	lookedAt time.Time
	readAt   time.Time
	notedAt  time.Time
	told     string // what was last told of the release
}

// NewController returns a Controller that has read what was written down. Nothing runs
// before Apply and Serve.
func NewController(o Options) (*Controller, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Tell == nil {
		o.Tell = func(Note) {}
	}
	if o.Client == nil {
		o.Client = &http.Client{Transport: &http.Transport{MaxIdleConns: 10, IdleConnTimeout: time.Minute}}
	}
	c := &Controller{opts: o, store: store(o.Dir), wake: make(chan struct{}, 1), services: map[string]*service{}, sets: map[string]string{}, ready: map[string][]supervise.Endpoint{}}
	c.hooks = hooks{client: o.Client, wake: c.poke, running: map[hookID]*hookRun{}}
	records, err := c.store.read(func(err error) { o.Log.Error("a release is forgotten", "error", err) })
	if err != nil {
		return nil, fmt.Errorf("releases: %w", err)
	}
	for name, r := range records {
		c.services[name] = newService(*r)
		if r := r.active(); r != nil {
			r.Resume(time.Now())
			o.Log.Info("release goes on", "service", name, "release", r.ID, "at", r.Done())
		}
	}
	return c, nil
}

// newService has as many replicas of each version as were written down, so that
// they run whether or not that can be done again.
func newService(record Record) *service {
	s := &service{Record: record, wanted: map[Role]int{RoleOld: record.Stable.Process.Replicas}}
	if r := s.active(); r != nil {
		s.wanted = map[Role]int{RoleOld: r.OldWant, RoleNew: r.NewWant, RoleBaseline: r.BaseWant}
	}
	if s.Verdict != nil {
		s.verdict = *s.Verdict
	}
	return s
}

// Apply takes over what the configuration says now: the processes, and how those
// of some services are released. A changed process of such a service begins a
// release. Like the supervisor's, it may be called before anything serves.
func (c *Controller) Apply(processes []supervise.Config, releases map[string]Config) error {
	for _, p := range processes {
		if err := p.Validate(); err != nil {
			return fmt.Errorf("service %q: %w", p.Name, err)
		}
	}
	c.applying.Lock()
	defer c.applying.Unlock()
	adopted, gone := c.takeAll(processes, releases)
	for _, s := range gone {
		c.forget(s)
	}
	c.turn()
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.run()
	for _, s := range adopted {
		err = errors.Join(err, c.takeScale(s))
	}
	return err
}

// takeAll notes what the configuration says. It returns the services that are
// released from now on although they ran before, and those that are not any more.
func (c *Controller) takeAll(processes []supervise.Config, releases map[string]Config) (adopted, gone []*service) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, before := time.Now(), c.plain
	c.plain = nil
	named := map[string]bool{}
	for _, p := range processes {
		named[p.Name] = true
		config, released := releases[p.Name]
		if s := c.services[p.Name]; s == nil && !released {
			c.plain = append(c.plain, p)
			c.sets[p.Name] = p.Name
			continue
		}
		if i := slices.IndexFunc(before, func(b supervise.Config) bool { return b.Name == p.Name }); i >= 0 {
			adopted = append(adopted, c.adopt(before[i].WithDefaults())) // a new version is the first that is released
		}
		c.take(p.WithDefaults(), config, now)
	}
	for name, s := range c.services {
		if !named[name] {
			s.end(c)
			s.gone = true
			delete(c.services, name)
			gone = append(gone, s)
		}
	}
	return adopted, gone
}

// take notes what the configuration says of a service. The mutex is held.
func (c *Controller) take(p supervise.Config, config Config, now time.Time) {
	s := c.services[p.Name]
	if s == nil {
		s = c.adopt(p)
	}
	s.config, s.said = config, p.Replicas
	if s.Scaled > 0 {
		p.Replicas = s.Scaled
	}
	s.Stable.Process = inStep(s.Stable.Process, p)
	if r := s.active(); r != nil {
		r.Old.Process, r.New.Process = inStep(r.Old.Process, p), inStep(r.New.Process, p)
	}
	if p.Revision() != s.Wanted.Revision() {
		c.release(s, Start{p, "the configuration"}, now)
	}
	s.Wanted = p
	s.edited++
}

// adopt releases a service from now on, beginning with the version that it has.
func (c *Controller) adopt(p supervise.Config) *service {
	s := newService(Record{Service: p.Name, Stable: Version{p.Revision(), p.Name, p}, Wanted: p})
	s.said = p.Replicas
	s.edited++
	c.services[p.Name] = s
	c.supply(p.Name) // endpoints have versions from now on
	return s
}

// inStep is a version's process with what is the same for all versions.
func inStep(p, wanted supervise.Config) supervise.Config {
	p.Replicas, p.Rolling, p.Budget = wanted.Replicas, wanted.Rolling, wanted.Budget
	return p
}

// forget removes what was written down of a service that the configuration does
// not name any more. The mutex is not held.
func (c *Controller) forget(s *service) {
	s.turn.Lock() // it may be written just now
	defer s.turn.Unlock()
	if err := c.store.remove(s.Service); err != nil {
		c.opts.Log.Error("the release of a removed service stays on disk", "service", s.Service, "error", err)
	}
}

// release begins a release, or has the present one end first: forward where its
// version has proven itself, and else backward.
func (c *Controller) release(s *service, start Start, now time.Time) {
	revision, r := start.Process.Revision(), s.active()
	s.edited++
	switch {
	case r == nil:
		if s.Stable.Process.Revision() != revision {
			c.begin(s, Version{revision, s.Service + "." + revision, start.Process}, s.config, start.Who, now)
		}
		return
	case r.New.Process.Revision() == revision && r.Phase != PhaseAborting: // under way
		s.Next = nil
		return
	case s.Stable.Process.Revision() == revision: // what there was before it
		s.Next = nil
	default:
		s.Next = &start
	}
	switch {
	case s.Next == nil, r.Phase != PhaseKeeping && r.Phase != PhaseRetiring:
		_ = r.Do(CommandAbort, start.Who+", which wants another version", now)
	case r.Phase == PhaseKeeping:
		_ = r.Do(CommandPromote, start.Who, now) // else it would not begin before the time is over
	}
}

// begin starts a release from the stable version to another.
func (c *Controller) begin(s *service, next Version, config Config, who string, now time.Time) {
	s.Count++
	s.edited++
	s.Next = nil
	if next.Set == s.Stable.Set {
		next.Set += "." + fmt.Sprint(s.Count)
	}
	s.end(c)
	s.Release = New(fmt.Sprintf("%s-%d-%s", s.Service, s.Count, next.Name), config, s.Stable, next, who, now)
	s.judge, s.verdict, s.History, s.Verdict = nil, judge.Verdict{}, nil, nil
	c.poke()
}

// poke wakes the loop.
func (c *Controller) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Supervised wakes the loop: something happened to a replica.
func (c *Controller) Supervised(supervise.Event) { c.poke() }

// EndpointsChanged passes on which replicas of a set are ready.
func (c *Controller) EndpointsChanged(set string, ready []supervise.Endpoint) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ready[set] = ready; len(ready) == 0 {
		delete(c.ready, set)
	}
	c.supply(cmp.Or(c.sets[set], set))
	c.poke()
}

// supply makes what is ready of all of a service's sets its endpoints. The mutex
// is held.
func (c *Controller) supply(name string) {
	all, s := []gateway.EndpointConfig{}, c.services[name]
	for _, set := range slices.Sorted(maps.Keys(c.ready)) {
		if cmp.Or(c.sets[set], set) != name {
			continue
		}
		for _, e := range c.ready[set] {
			endpoint := gateway.EndpointConfig{Address: e.Addr}
			if s != nil {
				endpoint.Labels = map[string]string{gateway.VersionLabel: s.version(set)}
			}
			all = append(all, endpoint)
		}
	}
	c.arms.know(name, all)
	c.opts.Traffic.Supply(name, all)
}

// version is the name of the version of a set.
func (s *service) version(set string) string {
	if r := s.Release; r != nil {
		switch set {
		case r.New.Set:
			return r.New.Name
		case baselineSet(r.Old):
			return baselineName(r.Old.Name)
		case r.Old.Set:
			return r.Old.Name
		}
	}
	if set == s.Stable.Set {
		return s.Stable.Name
	}
	return strings.TrimPrefix(set, s.Service+".") // of a release before the last, and about to end
}

func baselineSet(v Version) string { return v.Set + ".baseline" }

// Drain waits until no request is under way at a replica of a set.
func (c *Controller) Drain(ctx context.Context, set, address string) {
	c.mu.Lock()
	name := cmp.Or(c.sets[set], set)
	c.mu.Unlock()
	c.opts.Traffic.Drain(ctx, name, address)
}
