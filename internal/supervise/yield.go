package supervise

import (
	"context"
	"errors"
	"slices"
	"time"
)

// yielding asks the loop to leave the replicas to another Afloat.
type yielding struct {
	pass func() error
	done chan error
}

// errNotServing is returned by Yield when nothing is served.
var errNotServing = errors.New("the supervisor does not run")

// Yield leaves all that runs to another Afloat without stopping it. Everything stands still while pass gives the Store
// to that Afloat: no replica is started, stopped, asked or heard. When pass returns nil, Serve ends as soon as those
// replicas have ended that were being stopped already, and OnEndpoints hears no more; with an error, all goes on as before, and Yield returns it.
func (s *Supervisor) Yield(ctx context.Context, pass func() error) error {
	y := yielding{pass, make(chan error, 1)}
	select {
	case s.yields <- y:
		return <-y.done
	case <-s.done:
		return errNotServing
	case <-ctx.Done():
		return ctx.Err()
	}
}

// yield runs in the loop, which thereby stands still. It reports whether the replicas are another's now.
func (s *Supervisor) yield(y yielding) bool {
	lives := s.running()
	for _, l := range lives {
		l.pauseOutput()
	}
	err := y.pass()
	if err != nil {
		for _, l := range lives {
			l.resumeOutput()
		}
		y.done <- err
		return false
	}
	s.mu.Lock()
	s.closing, s.yielded = true, true
	for _, svc := range s.services {
		svc.removed = "left to another Afloat"
		var staying []*replica
		for _, r := range svc.replicas {
			if !slices.Contains(lives, r.life) {
				staying = append(staying, r) // it has no process to be left: the loop stops it
				continue
			}
			r.life.leave()
			r.life = nil // nothing more is heard of it
		}
		svc.replicas = staying
	}
	s.mu.Unlock()
	if s.runner.keeper != nil {
		s.runner.keeper.letGo()
	}
	y.done <- nil
	return true
}

// running are the lives of the replicas that another Afloat would take over.
func (s *Supervisor) running() []*life {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*life
	for _, svc := range s.services {
		for _, r := range svc.replicas {
			if r.machine.process == processAlive && r.machine.phase != PhaseStopping {
				out = append(out, r.life)
			}
		}
	}
	return out
}

// leave makes the process another's: when it ends, it is taken out of the process table, and nothing else.
func (l *life) leave() {
	l.left.Store(true)
	l.endProbes()
	closeAll(l.readers)
}

// pauseOutput waits until nothing more is read of what the process prints. A line that is not complete is written as
// it is.
func (l *life) pauseOutput() {
	l.output.Lock()
	l.paused = true
	l.output.Unlock()
	for _, r := range l.readers {
		_ = r.SetReadDeadline(time.Unix(1, 0))
	}
	l.copying.Wait()
}

// resumeOutput reads on.
func (l *life) resumeOutput() {
	l.output.Lock()
	l.paused = false
	l.output.Unlock()
	for _, r := range l.readers {
		_ = r.SetReadDeadline(time.Time{})
	}
	l.copyOutput()
}

// copyOutput writes what the process prints until it ends or pauseOutput is called.
func (l *life) copyOutput() {
	for i, r := range l.readers {
		l.runner.readers.Add(1)
		l.copying.Go(func() {
			defer l.runner.readers.Done()
			l.runner.output.copyFrom(r, l.prefix+l.stream(i)+" | ", l.config)
			l.output.Lock()
			defer l.output.Unlock()
			if !l.paused {
				r.Close()
			}
		})
	}
}

// stream names the stream in the prefix of its lines, where streams are told apart.
func (l *life) stream(i int) string {
	if !l.streams {
		return ""
	}
	return []string{" stdout", " stderr"}[i]
}
