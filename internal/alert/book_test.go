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

// TestCostOfAnIncidentIsThatOfAllItsTimes adds up what failed in each of them,
// and counts alerts at one time about the same requests once.
func TestCostOfAnIncidentIsThatOfAllItsTimes(t *testing.T) {
	b := newBook()
	at := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	var id uint64
	entry := func(kind journal.Kind, after time.Duration, detail any) {
		id++
		b.apply(&journal.Entry{ID: id, Kind: kind, Time: at.Add(after), Subject: "cart", Detail: journal.Detail(detail)})
	}
	fire := func(after time.Duration, name string) {
		entry(journal.KindAlertFired, after, firedDetail{Fingerprint: name, Labels: map[string]string{"alertname": name, labelTier: "P0"}})
	}
	resolve := func(after time.Duration, name string, failed uint64) {
		entry(journal.KindAlertResolved, after, resolvedDetail{Fingerprint: name, Requests: failed, Failed: failed})
	}
	fire(0, "Outage")
	fire(time.Second, "Errors")
	resolve(30*time.Second, "Outage", 500)
	resolve(40*time.Second, "Errors", 510)
	fire(time.Minute, "Outage") // within two minutes: the same incident
	resolve(2*time.Minute, "Outage", 700)
	if len(b.incidents) != 1 || b.incidents[0].Failed != 1210 {
		t.Errorf("got %d incidents, the first with %d failed requests, want 1210", len(b.incidents), b.incidents[0].Failed)
	}
}
