package supervise

import (
	"context"
	"time"
)

// loop drives everything until ctx has ended and no replica is left.
func (s *Supervisor) loop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	ended := ctx.Done()
	for {
		select {
		case m := <-s.inbox:
			s.take(m)
		case <-s.changed:
		case <-timer.C:
		case y := <-s.yields:
			if s.yield(y) {
				ended = nil
			}
		case <-ended:
			ended = nil
			s.close()
		}
		next, left := s.reconcile(time.Now())
		if left == 0 && ended == nil {
			return
		}
		timer.Reset(next)
	}
}

// take steps with a message, and with those behind it.
func (s *Supervisor) take(m message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := 0; ; n++ {
		if m.life == nil || m.life == m.replica.life {
			s.feed(m.replica, m.input)
		}
		if n == inboxMax {
			return
		}
		select {
		case m = <-s.inbox:
		default:
			return
		}
	}
}

// reconcile brings all services towards what is desired. It returns how long nothing more will happen by itself, and
// how many services are left.
func (s *Supervisor) reconcile(now time.Time) (next time.Duration, left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next = time.Hour
	for name, svc := range s.services {
		s.steer(svc, now)
		s.publish(svc)
		if svc.removed != "" && len(svc.replicas) == 0 {
			delete(s.services, name)
		}
		if at := svc.next(now); !at.IsZero() {
			next = min(next, max(0, at.Sub(now)))
		}
	}
	return next, len(s.services)
}

// steer plans and acts until there is nothing more to do now.
func (s *Supervisor) steer(svc *service, now time.Time) {
	for {
		actions := svc.plan(now)
		for _, a := range actions {
			if a.stop == 0 {
				r := &replica{service: svc, id: svc.nextID, config: svc.config, revision: svc.revision, machine: newMachine(svc.config)}
				svc.nextID++
				svc.replicas = append(svc.replicas, r)
				s.rememberService(svc)
				s.feed(r, input{kind: inCreate})
			} else {
				s.feed(svc.find(a.stop), input{kind: inStop, why: a.why})
			}
		}
		if kind, why := svc.observe(now); kind != "" {
			s.tell(svc, now, kind, why)
		}
		if len(actions) == 0 {
			return
		}
	}
}

// close makes the desired state empty for good.
func (s *Supervisor) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	for _, svc := range s.services {
		svc.removed = "shutting down"
	}
	if s.runner.keeper != nil {
		s.runner.keeper.killAtOnce()
	}
}

func (s *Supervisor) tell(svc *service, now time.Time, kind EventKind, why string) {
	s.notifier.event(Event{Time: now, Kind: kind, Service: svc.config.Name, Revision: svc.revision, Why: why})
}
