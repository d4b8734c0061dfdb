package alert

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/afloat-dev/afloat/internal/journal"
)

// Limits of what a book remembers.
const (
	incidentsMax = 1000 // beyond which those that have ended go; of open ones there are as many as of alerts
	alertsMax    = 500  // of one incident, likewise
	endingsMax   = 500
	// urgentFlaps is how many times as often a P0 may come and go.
	urgentFlaps = 5
	// reopenWithin is how soon after its end an alert of the same service goes on
	// with an incident.
	reopenWithin = 2 * time.Minute
)

// Alert is an alert as history has it. Times that have not come are zero.
type Alert struct {
	// Fingerprint tells alerts apart: it is that of their labels.
	Fingerprint string            `json:"fingerprint"`
	Name        string            `json:"name"`
	Tier        Tier              `json:"tier"`
	Service     string            `json:"service,omitempty"`
	Summary     string            `json:"summary,omitempty"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations,omitempty"`
	// FaultAt is since when its condition holds, FiredAt when it was noticed.
	FaultAt        time.Time `json:"faultAt"`
	FiredAt        time.Time `json:"firedAt"`
	AcknowledgedAt time.Time `json:"acknowledgedAt,omitzero"`
	AcknowledgedBy string    `json:"acknowledgedBy,omitempty"`
	EscalatedAt    time.Time `json:"escalatedAt,omitzero"`
	ResolvedAt     time.Time `json:"resolvedAt,omitzero"`
	// Requests and Failed are those of the service meanwhile, so far.
	Requests uint64 `json:"requests"`
	Failed   uint64 `json:"failed"`
	// Incident is the ID of the one that it belongs to.
	Incident uint64 `json:"incident"`
}

// Open reports whether the alert has not ended.
func (a *Alert) Open() bool { return a.ResolvedAt.IsZero() }

// Incident is what hangs together: alerts of one service whose times overlap or
// follow within two minutes.
type Incident struct {
	// ID is that of the journal's entry that began it.
	ID      uint64 `json:"id"`
	Service string `json:"service,omitempty"`
	// Tier is that of its most urgent alert, and Title that one's summary.
	Tier  Tier   `json:"tier"`
	Title string `json:"title"`
	// FaultAt is when the fault began, DetectedAt when the first alert fired, and
	// ResolvedAt when the last ended; zero while one is open.
	FaultAt        time.Time `json:"faultAt"`
	DetectedAt     time.Time `json:"detectedAt"`
	AcknowledgedAt time.Time `json:"acknowledgedAt,omitzero"`
	AcknowledgedBy string    `json:"acknowledgedBy,omitempty"`
	ResolvedAt     time.Time `json:"resolvedAt,omitzero"`
	// Failed is how many requests it cost, so far.
	Failed uint64  `json:"failed"`
	Alerts []Alert `json:"alerts"`
}

// Open reports whether the incident has not ended.
func (i *Incident) Open() bool { return i.ResolvedAt.IsZero() }

// book is which alerts are open and which incidents there were, as the journal
// tells it. It is the same whether it hears of an entry when it is written or
// when it is read back.
type book struct {
	incidents []*record          // oldest first
	open      map[string]*Alert  // by fingerprint
	latest    map[string]*record // by what it is about
	endings   map[string][]time.Time
}

// record is an incident as the book keeps it: each alert stands for itself, since
// the open ones are found by their fingerprints too.
type record struct {
	Incident // without its Alerts
	alerts   []*Alert
	before   uint64 // requests that failed until it last ended
	stretch  uint64 // and since it began again
}

func newBook() *book {
	return &book{open: map[string]*Alert{}, latest: map[string]*record{}, endings: map[string][]time.Time{}}
}

// The details of the journal's entries about alerts.
type (
	firedDetail struct {
		Fingerprint string            `json:"fingerprint"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations,omitempty"`
		FaultAt     time.Time         `json:"faultAt"`
	}
	resolvedDetail struct {
		Fingerprint string `json:"fingerprint"`
		Requests    uint64 `json:"requests"`
		Failed      uint64 `json:"failed"`
	}
	namedDetail struct {
		Fingerprint string   `json:"fingerprint"`
		To          []string `json:"to,omitempty"`
	}
)

// apply takes an entry of the journal. Those that are not about alerts, and
// those that cannot be read, change nothing.
func (b *book) apply(e *journal.Entry) {
	switch e.Kind {
	case journal.KindAlertFired:
		var d firedDetail
		if json.Unmarshal(e.Detail, &d) == nil && d.Fingerprint != "" {
			b.fire(e, &d)
		}
	case journal.KindAlertResolved:
		var d resolvedDetail
		if json.Unmarshal(e.Detail, &d) == nil {
			b.resolve(e, &d)
		}
	case journal.KindAlertAcknowledged, journal.KindAlertEscalated:
		var d namedDetail
		if json.Unmarshal(e.Detail, &d) == nil {
			b.mark(e, d.Fingerprint)
		}
	}
}

// fire opens an alert, in the incident that is open about the same or has just
// ended.
func (b *book) fire(e *journal.Entry, d *firedDetail) {
	if b.open[d.Fingerprint] != nil {
		return
	}
	a := &Alert{
		Fingerprint: d.Fingerprint, Name: d.Labels["alertname"], Tier: Tier(d.Labels[labelTier]), Service: e.Subject,
		Summary: e.Why, Labels: d.Labels, Annotations: d.Annotations, FaultAt: d.FaultAt, FiredAt: e.Time,
	}
	about := a.Service
	if about == "" {
		about = "\x00" + a.Name // of Afloat itself: each kind of alert on its own
	}
	i := b.latest[about]
	if i == nil || !i.Open() && e.Time.Sub(i.ResolvedAt) > reopenWithin {
		i = &record{Incident: Incident{ID: e.ID, Service: a.Service, Tier: a.Tier, Title: a.Summary, FaultAt: a.FaultAt, DetectedAt: e.Time}}
		b.latest[about] = i
		b.incidents = append(b.incidents, i)
		b.forget()
	}
	if a.Tier < i.Tier { // P0 is before P1
		i.Tier, i.Title = a.Tier, a.Summary
	}
	if a.FaultAt.Before(i.FaultAt) {
		i.FaultAt = a.FaultAt
	}
	a.Incident = i.ID
	i.ResolvedAt = time.Time{}
	if len(i.alerts) >= alertsMax {
		if ended := slices.IndexFunc(i.alerts, func(a *Alert) bool { return !a.Open() }); ended >= 0 {
			if fingerprint := i.alerts[ended].Fingerprint; b.open[fingerprint] == nil {
				delete(b.endings, fingerprint)
			}
			i.alerts = slices.Delete(i.alerts, ended, ended+1)
		}
	}
	i.alerts = append(i.alerts, a)
	b.open[a.Fingerprint] = a
}

// forget drops the oldest incidents that have ended while there are too many.
func (b *book) forget() {
	for len(b.incidents) > incidentsMax {
		at := slices.IndexFunc(b.incidents, func(i *record) bool { return !i.Open() })
		if at < 0 {
			return
		}
		old := b.incidents[at]
		b.incidents = slices.Delete(b.incidents, at, at+1)
		for about, i := range b.latest {
			if i == old {
				delete(b.latest, about)
			}
		}
		for _, a := range old.alerts {
			if b.open[a.Fingerprint] == nil {
				delete(b.endings, a.Fingerprint)
			}
		}
	}
}

func (b *book) resolve(e *journal.Entry, d *resolvedDetail) {
	a := b.open[d.Fingerprint]
	if a == nil {
		return
	}
	delete(b.open, d.Fingerprint)
	a.ResolvedAt, a.Requests, a.Failed = e.Time, d.Requests, d.Failed
	ends := append(b.endings[d.Fingerprint], e.Time)
	b.endings[d.Fingerprint] = ends[max(0, len(ends)-endingsMax):]
	i := b.incident(a.Incident)
	if i == nil {
		return
	}
	i.stretch = max(i.stretch, a.Failed) // alerts of one service count the same requests
	i.Failed = i.before + i.stretch
	if !slices.ContainsFunc(i.alerts, (*Alert).Open) {
		i.ResolvedAt = e.Time
		i.before, i.stretch = i.Failed, 0 // it may begin again, with requests of its own
	}
}

// mark notes that an alert was acknowledged or escalated.
func (b *book) mark(e *journal.Entry, fingerprint string) {
	a := b.open[fingerprint]
	if a == nil {
		return
	}
	if e.Kind == journal.KindAlertEscalated {
		a.EscalatedAt = e.Time
		return
	}
	a.AcknowledgedAt, a.AcknowledgedBy = e.Time, e.Who
	if i := b.incident(a.Incident); i != nil && i.AcknowledgedAt.IsZero() {
		i.AcknowledgedAt, i.AcknowledgedBy = e.Time, e.Who
	}
}

func (b *book) incident(id uint64) *record {
	at, ok := slices.BinarySearchFunc(b.incidents, id, func(i *record, id uint64) int { return cmp.Compare(i.ID, id) })
	if !ok {
		return nil
	}
	return b.incidents[at]
}

// flaps reports whether an alert that ends now has ended so often of late that
// its coming and going is one.
func (b *book) flaps(fingerprint string, now time.Time, c FlapConfig) bool {
	times := c.Times
	if a := b.open[fingerprint]; a != nil && a.Tier == P0 {
		times *= urgentFlaps
	}
	recent := 0
	for _, end := range b.endings[fingerprint] {
		if now.Sub(end) < c.Window {
			recent++
		}
	}
	return recent >= times
}

// clone copies an incident for others to read.
func (i *record) clone() Incident {
	c := i.Incident
	c.Alerts = make([]Alert, len(i.alerts))
	for n, a := range i.alerts {
		c.Alerts[n] = *a
	}
	return c
}
