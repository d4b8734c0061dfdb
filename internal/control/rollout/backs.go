package rollout

import (
	"errors"
	"sync"

	"github.com/afloat-dev/afloat/internal/gateway"
)

// backs are the ways back of releases: the split with which each would be aborted
// now. They have a lock of their own, so that an abort waits for nothing else.
type backs struct {
	mu    sync.Mutex
	ready map[string]*gateway.Split // by service
	taken map[string]int            // aborts on their way to the release; nobody else moves its requests
}

// prepare notes the way back of a service's release; nil for none.
func (b *backs) prepare(service string, split *gateway.Split) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ready == nil {
		b.ready, b.taken = map[string]*gateway.Split{}, map[string]int{}
	}
	if b.ready[service] = split; split == nil {
		delete(b.ready, service)
	}
}

// errTaken is why requests are not shared anew: they have just been sent back.
var errTaken = errors.New("it is being aborted")

// share shares a service's requests, unless they have just been sent back.
func (b *backs) share(t Traffic, service string, split *gateway.Split) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.taken[service] > 0 {
		return errTaken
	}
	return t.SetSplit(service, split)
}

// take sends a service's requests back at once, where no more is needed for that.
// It returns the split that is in force until give; nil for none.
func (b *backs) take(t Traffic, service string) *gateway.Split {
	b.mu.Lock()
	defer b.mu.Unlock()
	split := b.ready[service]
	if split == nil || t.SetSplit(service, split) != nil {
		return nil
	}
	b.taken[service]++
	return split
}

// give lets the service's release go on from what take returned. The Controller's
// mutex is held; the service is nil where it is gone.
func (b *backs) give(t Traffic, service string, s *service, split *gateway.Split) {
	if split == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.taken[service]--; b.taken[service] == 0 {
		delete(b.taken, service)
	}
	if s != nil {
		s.split = split
	} else {
		_ = t.SetSplit(service, nil) // it has no reason to fail
	}
}

// wayBack is how the requests would be shared if the release were aborted now;
// nil where that takes more.
func (r *Release) wayBack(v *View) *gateway.Split {
	switch r.Phase {
	case PhaseStarting, PhaseStepping, PhaseRolling, PhasePromoting, PhaseAfter, PhaseKeeping:
	default:
		return nil
	}
	after := *v
	after.Old.Wanted = min(v.Old.Wanted, r.OldWant)
	if !r.able(&after) {
		return nil
	}
	return r.among(gateway.SplitVersion{Version: r.Old.Name})
}
