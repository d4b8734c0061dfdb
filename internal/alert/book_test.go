package alert

import (
	"fmt"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/journal"
)

// bookStory writes alerts into a book, a second apart.
type bookStory struct {
	*book
	id  uint64
	now time.Time
}

func newBookStory() *bookStory {
	return &bookStory{book: newBook(), now: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)}
}

func (s *bookStory) write(kind journal.Kind, service, fingerprint string) {
	s.id++
	s.now = s.now.Add(time.Second)
	e := journal.Entry{ID: s.id, Time: s.now, Kind: kind, Subject: service}
	if kind == journal.KindAlertFired {
		e.Detail = journal.Detail(firedDetail{Fingerprint: fingerprint, FaultAt: s.now, Labels: map[string]string{"alertname": fingerprint}})
	} else {
		e.Detail = journal.Detail(resolvedDetail{Fingerprint: fingerprint})
	}
	s.apply(&e)
}

func TestOpenAlertsAreNeverForgotten(t *testing.T) {
	for name, service := range map[string]func(n int) string{
		"of many services": func(n int) string { return fmt.Sprint("service-", n) },
		"of one service":   func(int) string { return "cart" },
	} {
		t.Run(name, func(t *testing.T) {
			s := newBookStory()
			const many = incidentsMax + alertsMax
			for n := range many {
				s.write(journal.KindAlertFired, service(n), fmt.Sprint(n))
			}
			if len(s.open) != many {
				t.Fatalf("%d are open, want %d", len(s.open), many)
			}
			for n := range many {
				a := s.open[fmt.Sprint(n)]
				s.write(journal.KindAlertResolved, service(n), fmt.Sprint(n))
				if a.Fingerprint != fmt.Sprint(n) || a.Open() || len(s.open) != many-1-n {
					t.Fatalf("%d: got %+v, %d are open", n, a, len(s.open))
				}
			}
			for n := range many { // what has ended does go
				s.write(journal.KindAlertFired, service(n), fmt.Sprint("again ", n))
				s.write(journal.KindAlertResolved, service(n), fmt.Sprint("again ", n))
			}
			if len(s.incidents) > incidentsMax {
				t.Errorf("%d incidents are remembered", len(s.incidents))
			}
			for _, i := range s.incidents {
				if i.Open() {
					t.Errorf("incident %d is open", i.ID)
				}
			}
		})
	}
}
