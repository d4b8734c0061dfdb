package rollout

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// ErrNoService is the error for a name that no service has that is released here.
var ErrNoService = errors.New("no such service with a process")

// Start releases a process, or what the configuration has where it is nil.
func (c *Controller) Start(name string, p *supervise.Config, who string) error {
	s, err := c.start(name, p, who)
	if err != nil {
		return err
	}
	return c.act(s)
}

func (c *Controller) start(name string, p *supervise.Config, who string) (*service, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, err := c.find(name)
	if err != nil {
		return nil, err
	}
	if p == nil {
		p = &s.Wanted
	}
	next := inStep(p.WithDefaults(), s.Wanted)
	if err := next.Validate(); err != nil {
		return nil, err
	}
	switch r := s.active(); {
	case r == nil && s.Stable.Process.Revision() == next.Revision():
		return nil, fmt.Errorf("%w: %s runs that version already", ErrCommand, name)
	case r == nil, r.Phase == PhaseAborting, r.Phase == PhaseRetiring: // it begins as soon as that has ended
	case r.Phase == PhaseKeeping:
		return nil, fmt.Errorf("%w: the version before is kept for a way back: afloat rollout promote %s lets it go first", ErrCommand, name)
	default:
		return nil, fmt.Errorf("%w: a release of %s is under way: %s; abort it first", ErrCommand, name, r.Done())
	}
	c.release(s, Start{next, who}, time.Now())
	return s, nil
}

// Process is what a service runs now, to change something of it.
func (c *Controller) Process(name string) (supervise.Config, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, err := c.find(name)
	if err != nil {
		return supervise.Config{}, err
	}
	return s.Stable.Process.WithDefaults(), nil
}

// find is a service by its name. One that was not released by the Controller so
// far is from now on.
func (c *Controller) find(name string) (*service, error) {
	if s := c.services[name]; s != nil {
		return s, nil
	}
	i := slices.IndexFunc(c.plain, func(p supervise.Config) bool { return p.Name == name })
	if i < 0 {
		known := slices.Sorted(maps.Keys(c.services))
		for _, p := range c.plain {
			known = append(known, p.Name)
		}
		return nil, fmt.Errorf("%w: %q; there is %q", ErrNoService, name, known)
	}
	p := c.plain[i].WithDefaults()
	c.plain = slices.Delete(slices.Clone(c.plain), i, i+1)
	s := c.adopt(p)
	return s, c.takeScale(s)
}

// Do gives a command to a service's release. An abort is in force before anything
// else is done. Why is for whoever comes next, and may be empty.
func (c *Controller) Do(name string, command Command, who, why string) error {
	var back *gateway.Split
	if command == CommandAbort {
		back = c.backs.take(c.opts.Traffic, name)
	}
	s, err := c.command(name, command, by(who, why), back)
	if err != nil {
		return err
	}
	return c.act(s)
}

func (c *Controller) command(name string, command Command, who string, back *gateway.Split) (*service, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.services[name]
	c.backs.give(c.opts.Traffic, name, s, back)
	if s == nil || s.Release == nil {
		return nil, fmt.Errorf("%w: there is no release of %q", ErrCommand, name)
	}
	s.edited++
	c.poke()
	return s, s.Release.Do(command, who, time.Now())
}

// Undo goes back to the version before: at once while it is still there, and else
// as soon as it has started again.
func (c *Controller) Undo(name, who, why string) error {
	s, err := c.undo(name, who, why, c.backs.take(c.opts.Traffic, name))
	if err != nil {
		return err
	}
	return c.act(s)
}

func (c *Controller) undo(name, who, why string, back *gateway.Split) (*service, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.services[name]
	c.backs.give(c.opts.Traffic, name, s, back)
	if s == nil {
		return nil, fmt.Errorf("%w: there was no release of %q", ErrCommand, name)
	}
	now := time.Now()
	if r := s.active(); r != nil {
		s.edited++
		return s, r.Do(CommandAbort, by(who, why), now)
	}
	if s.Previous == nil {
		return nil, fmt.Errorf("%w: there is no version of %s before this one", ErrCommand, name)
	}
	previous := *s.Previous
	previous.Process = inStep(previous.Process, s.Wanted)
	c.begin(s, previous, Config{Strategy: BlueGreen, Keep: -1}, who+" (undo)", now)
	return s, nil
}

// by is who wants something, and why where that was said.
func by(who, why string) string {
	if why == "" {
		return who
	}
	return who + ": " + why
}

// ErrUnwritten is the error of a command that was taken and could not be written
// down: it is lost if Afloat is killed before that succeeds.
var ErrUnwritten = errors.New("not written down")

// act does at once what a command asks for. No mutex is held.
func (c *Controller) act(s *service) error {
	err := c.advance(s)
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := s.active(); err != nil && (r == nil || r.Phase == PhaseAborting) {
		err = fmt.Errorf("done, but %w: %w", ErrUnwritten, err)
	} else if err != nil {
		err = fmt.Errorf("%w, and not done before it is: %w", ErrUnwritten, err)
	}
	return errors.Join(err, c.run())
}
