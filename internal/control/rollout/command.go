package rollout

import (
	"errors"
	"fmt"
	"time"
)

// Command is what a person, or another program, wants of a release.
type Command string

// The commands.
const (
	CommandPromote Command = "promote" // pass the present step, gate or wait
	CommandFinish  Command = "finish"  // pass all steps
	CommandPause   Command = "pause"   // go no further
	CommandResume  Command = "resume"  // go on
	CommandAbort   Command = "abort"   // back to the old version, at once
)

// ErrCommand is the error of a command that makes no sense now.
var ErrCommand = errors.New("not now")

// Do takes a command. Abort works in every phase but the last ones; what it
// needs is done by the next Step, whatever else the release waits for.
func (r *Release) Do(c Command, who string, now time.Time) error {
	r.now = now
	if r.Phase.Ended() {
		return fmt.Errorf("%w: the release of %s is %s", ErrCommand, r.Service, r.Phase)
	}
	if r.Phase == PhaseAborting {
		if c == CommandAbort {
			return nil
		}
		return fmt.Errorf("%w: the release of %s is being aborted: %s", ErrCommand, r.Service, r.Why)
	}
	switch c {
	case CommandAbort:
		r.abort("aborted by " + who)
	case CommandPause:
		r.Paused, r.Why = true, "paused by "+who
	case CommandResume:
		if !r.Paused {
			return fmt.Errorf("%w: the release of %s is not paused", ErrCommand, r.Service)
		}
		r.Paused, r.Why, r.MovedAt = false, "", now
	case CommandPromote:
		return r.promote(now)
	case CommandFinish:
		return r.finish(now)
	default:
		return fmt.Errorf("unknown command %q", c)
	}
	return nil
}

func (r *Release) promote(now time.Time) error {
	switch r.Phase {
	case PhaseStepping, PhaseKeeping:
		r.Passed, r.Paused, r.MovedAt = true, false, now
		return nil
	}
	if r.Paused {
		r.Paused, r.MovedAt = false, now
		return nil
	}
	return fmt.Errorf("%w: the release of %s waits for nobody: it is %s", ErrCommand, r.Service, r.Done())
}

func (r *Release) finish(now time.Time) error {
	switch r.Phase {
	case PhaseStepping:
		r.Paused = false
		r.enter(PhasePromoting, "")
	case PhaseStarting:
		r.Paused, r.Index = false, len(r.Config.Steps)
	default:
		return r.promote(now)
	}
	return nil
}
