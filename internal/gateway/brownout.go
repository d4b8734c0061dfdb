package gateway

import (
	"fmt"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// brownout finds out whether a service has been saturated for so long that
// requests of low priority are better refused at once than queued in vain. It is
// a state machine apart from the clock.
type brownout struct {
	level     brownLevel
	saturated bool
	since     time.Time // of saturated, or of the last step
	last      time.Time // when it was last seen saturated
}

// brownLevel is whose requests are refused.
type brownLevel int32

const (
	brownNone brownLevel = iota
	brownSheddable
	brownLow // and sheddable
)

func (l brownLevel) String() string {
	return [...]string{"none", "sheddable_refused", "low_refused"}[l]
}

// step moves on to now. The level goes up by one for each span of saturation,
// and down by one for each span without.
func (b *brownout) step(now time.Time, saturated bool, after time.Duration) brownLevel {
	if saturated {
		b.last = now
	}
	held := !b.last.IsZero() && now.Sub(b.last) < after/4 // a gap is not an end
	if held != b.saturated {
		b.saturated, b.since = held, now
	}
	switch {
	case after <= 0:
		*b = brownout{}
	case now.Sub(b.since) < after:
	case held && b.level < brownLow:
		b.level, b.since = b.level+1, now
	case !held && b.level > brownNone:
		b.level, b.since = b.level-1, now
	}
	return b.level
}

// brown reports whether requests of a priority are refused.
func (s *service) brown(p policy.Priority) bool {
	switch level := brownLevel(s.brownLevel.Load()); p {
	case policy.PrioritySheddable:
		return level >= brownSheddable
	case policy.PriorityLow:
		return level >= brownLow
	}
	return false
}

// errBrownout is why a request was refused.
var errBrownout = &policy.Rejected{Policy: "brownout", Reason: policy.ErrOverloaded, RetryAfter: time.Second}

// judgeLoad sets the level by what the concurrency limit says.
func (s *service) judgeLoad(b *brownout, shed *uint64, now time.Time, after time.Duration) {
	st := s.concurrency.Status()
	saturated := st.Queued > 0 || st.Shed > *shed
	*shed = st.Shed
	level := b.step(now, saturated, after)
	if old := brownLevel(s.brownLevel.Swap(int32(level))); old != level {
		why := fmt.Sprintf("it has been saturated for %v", after)
		if level < old {
			why = fmt.Sprintf("it has not been saturated for %v", after)
		}
		s.observer.Event(Event{Time: now, Kind: EventBrownout, Service: s.name, From: old.String(), To: level.String(), Why: why})
	}
}
