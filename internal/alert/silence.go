package alert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/alertmanager/silence/silencepb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/afloat-dev/afloat/internal/journal"
)

// Silence keeps people from being told of some alerts for a time.
type Silence struct {
	ID string `json:"id"`
	// Matchers say which alerts: all must match, such as service="cart".
	Matchers []string  `json:"matchers"`
	Starts   time.Time `json:"starts"`
	Ends     time.Time `json:"ends"`
	Who      string    `json:"who,omitempty"`
	Why      string    `json:"why,omitempty"`
}

// ErrNoSilence is returned for a silence that there is not, or not any more.
var ErrNoSilence = errors.New("there is no such silence")

const (
	// matchersMax bounds the matchers of one silence.
	matchersMax = 64
	// silenceMax bounds how long one lasts: what is silent for longer is to be
	// changed.
	silenceMax = 365 * 24 * time.Hour
)

// Silences lists those that are in force or will be, the one that ends first
// first.
func (m *Manager) Silences() []Silence {
	found, _, err := m.silences.Query(context.Background(), silence.QState(silence.SilenceStateActive, silence.SilenceStatePending))
	if err != nil {
		m.log.Error("silences cannot be listed", "error", err)
	}
	all := make([]Silence, 0, len(found))
	for _, s := range found {
		all = append(all, silenceOf(s))
	}
	slices.SortFunc(all, func(a, b Silence) int { return a.Ends.Compare(b.Ends) })
	return all
}

// Silence silences alerts that all matchers match, from now on and for a time.
func (m *Manager) Silence(matchers []string, lasts time.Duration, who, why string) (Silence, error) {
	if lasts <= 0 || lasts > silenceMax {
		return Silence{}, fmt.Errorf("for: want a time of up to %v, got %v", silenceMax, lasts)
	}
	if len(matchers) == 0 || len(matchers) > matchersMax {
		return Silence{}, fmt.Errorf("matchers: want 1 to %d such as service=\"cart\", got %d", matchersMax, len(matchers))
	}
	set := new(silencepb.MatcherSet)
	for _, text := range matchers {
		one, err := labels.ParseMatcher(text)
		if err != nil {
			return Silence{}, fmt.Errorf("matchers: %w", err)
		}
		set.Matchers = append(set.Matchers, &silencepb.Matcher{Type: matcherTypes[one.Type], Name: one.Name, Pattern: one.Value})
	}
	s := &silencepb.Silence{MatcherSets: []*silencepb.MatcherSet{set}, EndsAt: timestamppb.New(time.Now().Add(lasts)), CreatedBy: who, Comment: why}
	if err := m.silences.Set(context.Background(), s); err != nil {
		return Silence{}, err
	}
	return silenceOf(s), errors.Join(m.keepSilences(), m.tellSilence(journal.KindAlertSilenced, s.Id, who, why))
}

// Unsilence ends a silence.
func (m *Manager) Unsilence(id, who, why string) (Silence, error) {
	s, ok := m.silence(id)
	if !ok || !time.Now().Before(s.Ends) {
		return Silence{}, fmt.Errorf("%w: %q", ErrNoSilence, id)
	}
	if err := m.silences.Expire(context.Background(), id); err != nil {
		return Silence{}, err
	}
	s, _ = m.silence(id)
	return s, errors.Join(m.keepSilences(), m.tellSilence(journal.KindAlertUnsilenced, id, who, why))
}

// ErrNotKept is returned for a change that is in force, and of which the disk
// does not have all.
var ErrNotKept = errors.New("the change is in force, but not all of it would survive a restart")

func (m *Manager) keepSilences() error {
	if err := m.silencesFile.save(); err != nil {
		m.log.Error("a change of silences did not reach the disk", "error", err)
		return fmt.Errorf("%w: %w", ErrNotKept, err)
	}
	return nil
}

func (m *Manager) silence(id string) (Silence, bool) {
	s, err := m.silences.QueryOne(context.Background(), silence.QIDs(id))
	if err != nil {
		return Silence{}, false
	}
	return silenceOf(s), true
}

func silenceOf(s *silencepb.Silence) Silence {
	return Silence{ID: s.Id, Matchers: matchersOf(s), Starts: s.StartsAt.AsTime(), Ends: s.EndsAt.AsTime(), Who: s.CreatedBy, Why: s.Comment}
}

var matcherTypes = map[labels.MatchType]silencepb.Matcher_Type{
	labels.MatchEqual: silencepb.Matcher_EQUAL, labels.MatchNotEqual: silencepb.Matcher_NOT_EQUAL,
	labels.MatchRegexp: silencepb.Matcher_REGEXP, labels.MatchNotRegexp: silencepb.Matcher_NOT_REGEXP,
}
