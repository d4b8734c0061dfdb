package rollout

import (
	"context"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/afloat-dev/afloat/internal/control/judge"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/policy"
)

// court is a release before its judge.
type court struct {
	trial    *judge.Trial
	canary   string                 // version
	baseline atomic.Pointer[string] // version; what others answer does not count
	failed   atomic.Bool
	reading  atomic.Bool // its series
	wake     func()
	counts   [2]counts // by arm
}

type counts struct{ requests, errors atomic.Uint64 }

// add counts a try at a version.
func (c *court) add(version string, q judge.Request) {
	var arm judge.Arm
	switch version {
	case c.canary:
		arm = judge.Canary
	case *c.baseline.Load():
		arm = judge.Baseline
	default:
		return
	}
	c.counts[arm].requests.Add(1)
	if q.Failed {
		c.counts[arm].errors.Add(1)
	}
	if c.trial.Add(arm, q) && !c.failed.Swap(true) {
		c.wake()
	}
}

// recall goes on with the counts of before a restart.
func (c *court) recall(history []Point) {
	if len(history) == 0 {
		return
	}
	last := history[len(history)-1]
	c.counts[judge.Canary].requests.Store(last.NewRequests)
	c.counts[judge.Canary].errors.Store(last.NewErrors)
	c.counts[judge.Baseline].requests.Store(last.OldRequests)
	c.counts[judge.Baseline].errors.Store(last.OldErrors)
}

// compare says which replicas of the old version the new one is compared with.
func (c *court) compare(r *Release) {
	name := r.Old.Name
	if r.compared() {
		name = baselineName(name)
	}
	c.baseline.Store(&name)
}

// try begins, changes or ends what the judge watches. The mutex is held.
func (c *Controller) try(s *service, r *Release, t Trial) {
	was := s.trial
	s.trial = t
	switch {
	case t.Mode == TrialNone:
		c.arms.close(s.Service)
		s.court, s.Evidence = nil, nil
		return
	case s.court != nil && t.Mode == was.Mode:
		s.court.compare(r)
		s.court.trial.Weigh()
		s.lookedAt = time.Time{}
		return
	}
	if s.judge == nil {
		j, err := judge.New(*r.Config.Judge)
		if err != nil {
			c.opts.Log.Error("nobody judges the release", "service", s.Service, "error", err) // it was validated
			return
		}
		s.judge = j
	}
	s.court = &court{canary: r.New.Name, wake: c.poke}
	s.court.compare(r)
	switch alone := t.Mode == TrialAlone; {
	case was.Mode == TrialNone && s.Evidence != nil && s.Evidence.Alone == alone: // from before a restart
		s.court.trial = s.judge.Resume(*s.Evidence)
		s.court.trial.Weigh()
		s.court.recall(s.History)
	case alone:
		s.court.trial = s.judge.BeginAlone()
	default:
		s.court.trial = s.judge.Begin()
	}
	s.lookedAt = time.Time{}
	c.arms.open(s.Service, s.court)
}

// noteEvery is how often it is written down what a judge has seen.
const noteEvery = 5 * time.Second

// note has it written down what the judge has seen and found, if that is new. The
// mutex is held.
func (s *service) note(now time.Time) {
	s.notedAt = now
	evidence := s.court.trial.Record()
	if s.Evidence != nil && reflect.DeepEqual(evidence, *s.Evidence) {
		return
	}
	verdict := s.verdict
	verdict.Course = nil
	s.Evidence, s.Verdict = &evidence, &verdict
	s.edited++
}

// readEvery is how often the series of a judge are read.
const readEvery = 5 * time.Second

// read has each judge told the series that it wants to know of, one reading at a
// time, so that neither the loop nor another judge waits for it.
func (c *Controller) read(ctx context.Context) {
	if c.opts.Query == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.services {
		if s.court == nil || s.judge == nil || len(s.judge.Series) == 0 || time.Since(s.readAt) < readEvery || s.court.reading.Swap(true) {
			continue
		}
		s.readAt = time.Now()
		court, name, series := s.court, s.Service, s.judge.Series
		c.readers.Go(func() {
			defer court.reading.Store(false)
			for _, one := range series {
				if c.arms.of(name).Load() != court {
					return // nobody wants to know any more
				}
				c.readSeries(ctx, court, one)
			}
		})
	}
}

// readSeries reads a series for both versions. What cannot be read within readEvery
// is inconclusive.
func (c *Controller) readSeries(ctx context.Context, court *court, series judge.Series) {
	ctx, cancel := context.WithTimeout(ctx, readEvery)
	defer cancel()
	canary, _ := c.opts.Query(ctx, strings.ReplaceAll(series.Query, "$version", court.canary))
	baseline, _ := c.opts.Query(ctx, strings.ReplaceAll(series.Query, "$version", *court.baseline.Load()))
	court.trial.Read(series.Name, canary, baseline)
}

// arms know of every endpoint which version it is of, and of every service which
// court wants to hear of it.
type arms struct {
	mu       sync.Mutex
	versions map[string]map[string]string // by service and endpoint; guarded
	courts   map[string]*atomic.Pointer[court]
}

// know notes the versions of a service's endpoints before the gateway asks.
func (a *arms) know(service string, endpoints []gateway.EndpointConfig) {
	versions := map[string]string{}
	for _, e := range endpoints {
		versions[e.Address] = e.Labels[gateway.VersionLabel]
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.versions == nil {
		a.versions = map[string]map[string]string{}
	}
	a.versions[service] = versions
}

func (a *arms) version(service, endpoint string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.versions[service][endpoint]
}

func (a *arms) of(service string) *atomic.Pointer[court] {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.courts == nil {
		a.courts = map[string]*atomic.Pointer[court]{}
	}
	p := a.courts[service]
	if p == nil {
		p = new(atomic.Pointer[court])
		a.courts[service] = p
	}
	return p
}

func (a *arms) open(service string, c *court) { a.of(service).Store(c) }
func (a *arms) close(service string)          { a.of(service).Store(nil) }

// Observer tells the judges of every try that the gateway makes.
func (c *Controller) Observer() gateway.Observer { return &c.arms }

// Route counts answers that broke off after they had begun well.
func (a *arms) Route(_, service string) gateway.RequestObserver {
	return broken{a, service, a.of(service)}
}

// Endpoint counts the tries at an endpoint.
func (a *arms) Endpoint(service, endpoint string) gateway.TryObserver {
	return tries{a, service, endpoint, a.of(service)}
}

// Event is of no concern.
func (a *arms) Event(gateway.Event) {}

type tries struct {
	arms              *arms
	service, endpoint string
	court             *atomic.Pointer[court]
}

// Try counts a try where a release is judged.
func (t tries) Try(class policy.Class, took time.Duration) {
	if c := t.court.Load(); c != nil {
		c.add(t.arms.version(t.service, t.endpoint), judge.Request{Failed: class != policy.Success, Took: took})
	}
}

type broken struct {
	arms    *arms
	service string
	court   *atomic.Pointer[court]
}

// Request counts an answer that broke off as one more that failed.
func (b broken) Request(r *gateway.Record) {
	if r.Reason != gateway.ReasonBrokenOff {
		return
	}
	if c := b.court.Load(); c != nil {
		c.add(b.arms.version(b.service, r.Endpoint), judge.Request{Failed: true})
	}
}
