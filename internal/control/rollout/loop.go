package rollout

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/supervise"
)

const (
	turnEvery = 50 * time.Millisecond  // while a release is under way
	lookEvery = 200 * time.Millisecond // between looks at a verdict that nobody waits for
)

// Serve takes releases on until ctx ends. What is under way then goes on after
// the next start.
func (c *Controller) Serve(ctx context.Context) error {
	defer c.readers.Wait()
	defer c.hooks.close()
	tick := time.NewTicker(turnEvery)
	defer tick.Stop()
	for {
		var due <-chan time.Time
		if c.busy() {
			due = tick.C
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.wake:
		case <-due:
		}
		c.turn()
		c.mu.Lock()
		if err := c.run(); ctx.Err() == nil {
			c.trouble.tell(c.opts.Log, "the supervisor refuses what releases ask for", err)
		}
		c.mu.Unlock()
		c.pass()
		c.read(ctx)
	}
}

// busy reports whether a release is under way.
func (c *Controller) busy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.services {
		if s.active() != nil || s.edited != s.written {
			return true
		}
	}
	return false
}

// turn takes every service on. What fails is tried again by the next turn.
func (c *Controller) turn() {
	c.mu.Lock()
	all := slices.Collect(maps.Values(c.services))
	c.mu.Unlock()
	for _, s := range all {
		_ = c.advance(s)
	}
}

// advance takes a service's release as far as it goes now, and writes it down
// before each deed. No mutex is held, nor is one while the disk is waited for.
func (c *Controller) advance(s *service) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	for {
		m := c.step(s)
		err := c.write(s, m)
		if again := c.perform(s, m, err == nil); !again || err != nil {
			return err
		}
	}
}

// move is what one step of a release comes to.
type move struct {
	release *Release
	actions []Action
	edit    int    // of the record
	record  []byte // nil where it is on disk as it is
}

// step takes one release on.
func (c *Controller) step(s *service) (m move) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.release = s.active(); m.release != nil && !s.gone {
		m.actions = c.stepRelease(s, m.release)
	}
	if m.edit = s.edited; m.edit != s.written && !s.gone {
		m.record = s.Record.encode()
	}
	return m
}

func (c *Controller) stepRelease(s *service, r *Release) []Action {
	now := time.Now()
	phase, index := r.Phase, r.Index
	before, _ := json.Marshal(r)
	v := c.view(s, c.opts.Processes.Status(), now)
	actions := r.Step(v)
	turned := r.Phase != phase || r.Index != index
	s.remember(&v, turned)
	if s.court != nil && (turned || now.Sub(s.notedAt) >= noteEvery) {
		s.note(now)
	}
	if after, _ := json.Marshal(r); !bytes.Equal(before, after) {
		s.edited++
	}
	if r.succeeded() { // in one with the release: else it could be forgotten
		old := r.Old
		s.Previous, s.Stable = &old, r.New
	}
	c.backs.prepare(s.Service, r.wayBack(&v))
	if r.Phase == PhaseAborting { // users do not wait for the disk
		actions = slices.DeleteFunc(actions, func(a Action) bool { return a.Kind == ActionSplit && c.share(s, a.Split) })
	}
	c.tell(s, r, now)
	return actions
}

// write writes the record down where it has changed.
func (c *Controller) write(s *service, m move) error {
	if m.record == nil {
		return nil
	}
	err := c.store.write(s.Service, m.record)
	s.disk.tell(c.opts.Log, "a release stands still", err, "service", s.Service)
	return err
}

// perform does what a release asks for, if it was written down and nobody wants
// something else by now. It reports whether a further step may find more that
// waits for nothing but this loop.
func (c *Controller) perform(s *service, m move, written bool) (again bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if written && m.record != nil {
		s.written = m.edit
	}
	r := m.release
	if r != nil && written && s.edited == m.edit {
		again = c.do(s, r, m.actions)
	}
	if r != nil && r == s.Release && r.Phase.Ended() {
		again = c.settle(s) || again
	}
	if s.active() == nil {
		s.wanted = map[Role]int{RoleOld: s.Stable.Process.Replicas}
		c.share(s, nil)
	}
	return again || s.edited != m.edit
}

// do does what the release asks for. It reports whether the requests are shared in
// another way now. The mutex is held.
func (c *Controller) do(s *service, r *Release, actions []Action) (shared bool) {
	for _, a := range actions {
		switch a.Kind {
		case ActionSplit:
			shared = c.share(s, a.Split) || shared
		case ActionTrial:
			c.try(s, r, a.Trial)
		case ActionScale:
			s.wanted[a.Role] = a.Replicas
		case ActionCall:
			c.hooks.ask(r, a.Hook)
		}
	}
	return shared
}

// share shares the requests, and reports whether it could. The mutex is held.
func (c *Controller) share(s *service, split *gateway.Split) bool {
	if s.split == nil && split == nil {
		return false
	}
	err := c.backs.share(c.opts.Traffic, s.Service, split)
	if err == nil {
		s.split = split
	}
	if !errors.Is(err, errTaken) {
		s.gateway.tell(c.opts.Log, "the requests are not shared", err, "service", s.Service)
	}
	return err == nil
}

// settle lets go of a release that has ended, and begins the next. It reports
// whether there is one. The mutex is held.
func (c *Controller) settle(s *service) bool {
	s.end(c)
	next := s.Next
	if next != nil {
		s.Next = nil
		c.release(s, *next, time.Now())
	}
	return next != nil
}

// end lets go of what there was for a release. The mutex is held.
func (s *service) end(c *Controller) {
	s.wanted = map[Role]int{RoleOld: s.Stable.Process.Replicas}
	s.trial = Trial{}
	c.arms.close(s.Service)
	s.court, s.Evidence = nil, nil
	if s.Release != nil {
		c.hooks.forget(s.Release.ID)
	}
	c.backs.prepare(s.Service, nil)
	c.share(s, nil)
}

// run tells the supervisor which replicas of which versions there are to be.
func (c *Controller) run() error {
	all := slices.Clone(c.plain)
	add := func(s *service, role Role, v Version, set string) {
		if n := s.wanted[role]; n > 0 {
			p := v.Process
			p.Name, p.Replicas = set, n
			if s.active() != nil {
				p.Budget = supervise.BudgetConfig{} // it is that of all sets, and the release keeps it
			}
			all = append(all, p)
		}
		c.sets[set] = s.Service
	}
	for _, s := range c.services {
		r := s.active()
		if r == nil {
			add(s, RoleOld, s.Stable, s.Stable.Set)
			continue
		}
		add(s, RoleOld, r.Old, r.Old.Set)
		add(s, RoleNew, r.New, r.New.Set)
		add(s, RoleBaseline, r.Old, baselineSet(r.Old))
	}
	slices.SortFunc(all, byName)
	if reflect.DeepEqual(all, c.applied) {
		return nil
	}
	if err := c.opts.Processes.Apply(all); err != nil {
		return err
	}
	c.applied = all
	c.prune()
	return nil
}

// prune forgets the sets of which nothing is left.
func (c *Controller) prune() {
	left := map[string]bool{}
	for _, p := range c.applied {
		left[p.Name] = true
	}
	for _, s := range c.opts.Processes.Status() {
		left[s.Name] = true
	}
	maps.DeleteFunc(c.sets, func(set, _ string) bool { return !left[set] })
}

// tell says what has changed, once.
func (c *Controller) tell(s *service, r *Release, now time.Time) {
	what := r.Done()
	if s.told == r.ID+what {
		return
	}
	s.told = r.ID + what
	n := Note{Time: now, Service: s.Service, Release: r.ID, Who: r.Who, Phase: r.Phase, What: what}
	if r.Phase == PhaseAborting || r.Phase == PhaseAborted {
		n.Why = r.Why
	}
	if len(c.notes) < notesMax {
		c.notes = append(c.notes, n)
	}
	level := slog.LevelInfo
	if r.Phase == PhaseAborting {
		level = slog.LevelWarn
	}
	c.opts.Log.Log(context.Background(), level, "release", "service", s.Service, "release", r.ID, "at", what, "why", n.Why)
	c.poke()
}

// notesMax bounds what waits to be told.
const notesMax = 1000

// pass tells what is to be told, without the mutex.
func (c *Controller) pass() {
	c.mu.Lock()
	notes := c.notes
	c.notes = nil
	c.mu.Unlock()
	for _, n := range notes {
		c.opts.Tell(n)
	}
}

// view is the world as the release of a service sees it.
func (c *Controller) view(s *service, status []supervise.ServiceStatus, now time.Time) View {
	r := s.Release
	minReady := r.Old.Process.Rolling.MinReady
	v := View{
		Now: now, Split: s.split, Trial: s.trial, Hooks: c.hooks.calls(r), Next: s.Next != nil,
		Old: setOf(status, r.Old.Set, s.wanted[RoleOld], minReady, now),
		New: setOf(status, r.New.Set, s.wanted[RoleNew], r.minReady(), now),
	}
	v.Baseline = setOf(status, baselineSet(r.Old), s.wanted[RoleBaseline], minReady, now)
	if s.court != nil {
		if s.court.failed.Load() || now.Sub(s.lookedAt) >= lookEvery {
			s.verdict, s.lookedAt = s.court.trial.Verdict(), now
		}
		v.Verdict = Verdict{Decision(s.verdict.Decision), s.verdict.Why}
	}
	return v
}

// setOf counts the replicas of a set.
func setOf(all []supervise.ServiceStatus, name string, wanted int, minReady time.Duration, now time.Time) Set {
	v := Set{Wanted: wanted}
	i := slices.IndexFunc(all, func(s supervise.ServiceStatus) bool { return s.Name == name })
	if i < 0 {
		return v
	}
	for _, r := range all[i].Replicas {
		v.Crashes += r.Restarts
		switch {
		case r.Phase == supervise.PhaseStopping:
			v.Stopping++
			continue
		case r.Phase == supervise.PhaseReady:
			if v.Ready++; now.Sub(r.Since) >= minReady {
				v.Available++
			}
		case r.Phase == supervise.PhaseBackoff, r.Phase == supervise.PhaseStopped:
			v.Crashes++
		}
		v.Alive++
		if why := whyNot(r); why != "" {
			v.Why = why
		}
	}
	return v
}

// whyNot is what keeps a replica from being ready, or last did.
func whyNot(r supervise.ReplicaStatus) string {
	switch {
	case r.Why != "":
		return r.Why
	case r.LastExit != "":
		return r.LastExit
	}
	return ""
}

func byName(a, b supervise.Config) int {
	switch {
	case a.Name < b.Name:
		return -1
	case a.Name > b.Name:
		return 1
	}
	return 0
}
