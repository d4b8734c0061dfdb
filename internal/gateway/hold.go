package gateway

import (
	"cmp"
	"slices"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

const (
	// holdLook is how often what is held looks for an endpoint, where
	// few are held. Many look less often, so that all of them cost little.
	holdLook = 5 * time.Millisecond
	// goneLook is how often it looks whether its client still wants it.
	goneLook = 50 * time.Millisecond
	// heldMany is how many look less often.
	heldMany = 100
	// heldMax is how many requests and connections to a service may be held.
	heldMax = 10_000
)

// absent reports whether nobody is there to be asked: there is no endpoint, or
// all refuse connections.
func (s *subset) absent() bool {
	for _, e := range *s.endpoints.Load() {
		if !e.down.Load() || !e.refusing.Load() {
			return false
		}
	}
	return true
}

// present reports whether an endpoint is usable.
func (s *subset) present() bool { return slices.ContainsFunc(*s.endpoints.Load(), (*endpoint).usable) }

// hold is for how long requests wait where no endpoint is usable.
func (s *subset) hold() time.Duration {
	c := s.service.config.Load()
	switch {
	case s.absent():
		return cmp.Or(c.Hold, c.HoldAbsent)
	case c.Hold <= 0, s.present(), s.panics(*s.endpoints.Load(), c):
		return 0
	}
	return c.Hold
}

// opens reports whether one of those that wait may go on.
func (s *subset) opens() bool {
	return s.present() || s.scoutable(*s.endpoints.Load(), time.Since(clock))
}

// enter takes a place under the service's limit. Where no endpoint is usable, such
// as while the only replica is started again, a request waits before it takes
// one, and then for a place too: a service that is back would otherwise refuse
// most of those that waited for it.
func (x *exchange) enter(s *service, by policy.Caller) (permit policy.AdaptivePermit, err error) {
	hold := x.to.subset.hold()
	if hold <= 0 || !x.holdUntil(hold, x.to.subset.opens) {
		return x.acquire(s, by)
	}
	free := func() bool {
		if inFlight, _, limit := s.concurrency.Counts(); inFlight >= limit {
			return false // looking is no request that is refused
		}
		permit, err = x.acquire(s, by)
		return err == nil
	}
	if free() || x.holdUntil(hold, free) {
		return permit, nil
	}
	return x.acquire(s, by)
}

// held waits for an endpoint where none is usable, and reports whether it did and
// one is, or is to be tried again. Left is for how long it may wait on.
func (x *exchange) held() (opens bool, left time.Duration) {
	hold := x.among().hold()
	if hold <= 0 || !x.holdUntil(hold, x.among().opens) {
		return false, 0
	}
	return true, hold - x.record.Decisions.Held
}

// holdUntil waits until what a request is held for is there, for what is left of
// hold, and reports whether it is.
func (x *exchange) holdUntil(hold time.Duration, there func() bool) bool {
	left := hold - x.record.Decisions.Held
	if left <= 0 {
		return false
	}
	began := time.Now()
	end, looked := began.Add(left), began
	if !x.deadline.IsZero() && x.deadline.Before(end) {
		end = x.deadline
	}
	defer func() { x.record.Decisions.Held += time.Since(began) }()
	return x.to.service.holdUntil(end, there, func(now time.Time) bool {
		x.stood = true // how long it took says nothing about the load
		if now.Sub(looked) < goneLook {
			return x.lane.cut()
		}
		looked = now
		return x.client.gone(false)
	})
}

// holdUntil waits until the end, until what somebody is held for is there, or until
// they have gone, and reports whether it is there. As many as may be held are;
// others do not wait.
func (s *service) holdUntil(end time.Time, there func() bool, gone func(now time.Time) bool) bool {
	n := s.held.Add(1)
	defer s.held.Add(-1)
	if n > heldMax {
		return false
	}
	for now := time.Now(); now.Before(end) && !gone(now); now = time.Now() {
		time.Sleep(min(holdLook*time.Duration(1+s.held.Load()/heldMany), end.Sub(now)))
		if there() {
			return true
		}
	}
	return false
}
