package supervise

import (
	"fmt"
	"time"
)

// Scale runs n replicas of a service instead of as many as its Config says, until it is called again; 0 goes back to
// the Config. The event tells why. It returns at once, and an error where there is no such service. A later Apply keeps
// the number.
func (s *Supervisor) Scale(name string, n int, why string) error {
	if n < 0 || n > ReplicasMax {
		return fmt.Errorf("scale %s: want 1 to %d replicas, got %d", name, ReplicasMax, n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	svc := s.services[name]
	switch {
	case s.closing:
		return ErrClosed
	case svc == nil || svc.removed != "":
		return fmt.Errorf("scale %s: there is no such service", name)
	case svc.scaled == n:
		return nil
	}
	before := svc.wanted()
	if svc.scaled = n; svc.wanted() != before {
		s.tell(svc, time.Now(), EventScaled, fmt.Sprintf("from %d to %d replicas: %s", before, svc.wanted(), why))
	}
	s.rememberService(svc)
	s.wake()
	return nil
}

// wanted is how many replicas there are to be.
func (s *service) wanted() int {
	if s.scaled > 0 {
		return s.scaled
	}
	return s.config.Replicas
}
