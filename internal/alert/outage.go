package alert

import (
	"fmt"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/common/model"
)

// nameOutage is the alert of a total outage.
const nameOutage = "ServiceDown"

// outages notices total outages from counters that are read several times a
// second: a rule over rates would need as many seconds as its window is long.
//
//	    no success for After, enough failed; or no endpoint left, one failed
//	┌────┐ ──────────────────────────────────────────────────────▶ ┌──────┐
//	│ up │      no endpoint left for IdleAfter and nobody asks      │ down │
//	└────┘ ◀────────────────────────────────────────────────────── └──────┘
//	    half of what came in the last second, or more, went well;
//	    or nobody asks and an endpoint is there again
type outages struct {
	services map[string]*serviceOutage
	open     map[string]Alert // of services that were down before a restart, until they are seen
}

// serviceOutage is what is remembered of a service.
type serviceOutage struct {
	past   []reading // those of the last seconds, oldest first
	served bool      // whether it ever had an endpoint or a success: one that starts is not down
	ableAt time.Time // when it last had an endpoint
	goneAt time.Time // when it last had none
	asked  time.Time // when requests last ended
	since  time.Time // of the outage; zero while it is up
	gone   bool      // whether it began with no endpoint left
	why    string    // of the last outage
	told   time.Time // when it was told last
}

// reading is a Total and when it was read.
type reading struct {
	at time.Time
	Total
}

// recoverAfter is the time over which an outage must be seen to be over.
const recoverAfter = time.Second

const (
	// outageFor is how long an outage holds without being told again, and
	// tellEvery how often it is.
	outageFor = 30 * time.Second
	tellEvery = 5 * time.Second
	// unaskedFor is after which time an outage is over of which nobody can know,
	// since nobody asks.
	unaskedFor = time.Minute
)

func newOutages() *outages {
	return &outages{services: map[string]*serviceOutage{}, open: map[string]Alert{}}
}

// recall takes an alert that was open before a restart: a service that was down
// is so until it is seen to be back.
func (o *outages) recall(a *Alert) {
	if a.Name == nameOutage && a.Tier == P0 && len(a.Labels) == 3 {
		o.open[a.Service] = *a
	}
}

// first is what is known of a service that has not been seen before.
func (o *outages) first(t *Total, now time.Time) *serviceOutage {
	s := &serviceOutage{ableAt: now}
	if a, ok := o.open[t.Service]; ok {
		delete(o.open, t.Service)
		s.served, s.asked = true, now
		s.begin(a.FaultAt, t.Able == 0, a.Annotations["description"])
	}
	return s
}

// step takes what the counters say and returns the alerts to tell of.
func (o *outages) step(totals []Total, now time.Time, c OutageConfig) (told []incoming) {
	seen := make(map[string]bool, len(totals))
	for _, t := range totals {
		if t.Service == "" {
			continue
		}
		seen[t.Service] = true
		s := o.services[t.Service]
		if s == nil {
			s = o.first(&t, now)
			o.services[t.Service] = s
		}
		was := s.since
		s.step(reading{now, t}, c)
		switch {
		case !s.since.IsZero():
			if now.Sub(s.told) >= tellEvery {
				s.told = now
				told = append(told, s.alert(t.Service, now, now.Add(outageFor), s.since))
			}
		case !was.IsZero():
			s.told = time.Time{}
			told = append(told, s.alert(t.Service, now, now, was))
		}
	}
	for name, s := range o.services {
		if seen[name] {
			continue
		}
		if !s.since.IsZero() { // it is configured no more
			told = append(told, s.alert(name, now, now, s.since))
		}
		delete(o.services, name)
	}
	return told
}

func (s *serviceOutage) step(r reading, c OutageConfig) {
	if n := len(s.past); n > 0 && r.Requests < s.past[n-1].Requests {
		s.past = nil // the counters began anew
	}
	if n := len(s.past); n > 0 && r.Requests > s.past[n-1].Requests {
		s.asked = r.at
	}
	s.past = append(s.past, r)
	for len(s.past) > 1 && r.at.Sub(s.past[1].at) >= max(c.After, recoverAfter) {
		s.past = s.past[1:]
	}
	if r.Able > 0 {
		s.ableAt, s.served = r.at, true
	} else {
		s.goneAt = r.at
	}
	if s.since.IsZero() {
		s.seekFall(r, c)
	} else {
		s.seekRise(r)
	}
}

// seekFall looks whether the service is down.
func (s *serviceOutage) seekFall(r reading, c OutageConfig) {
	requests, failed, harmed, whole := s.within(r, c.After)
	good := requests - min(failed, requests)
	if good > 0 {
		s.served = true
	}
	gone := r.Able == 0 && s.served && !r.Drained
	lacking := r.at.Sub(s.ableAt)
	switch {
	case good > 0 || !whole:
	case harmed >= uint64(c.RequestsMin):
		s.begin(r.at.Add(-c.After), gone, fmt.Sprintf("none of the last %d requests succeeded", harmed))
	case gone && harmed > 0 && lacking >= c.After:
		s.begin(s.ableAt, true, r.lack()+" for "+spell(lacking)+", and requests fail")
	case gone && lacking >= c.IdleAfter && (r.Endpoints > 0 || r.Supervised):
		s.begin(s.ableAt, true, r.lack()+" for "+spell(c.IdleAfter)+"; nobody asks now")
	}
}

// lack says that nothing takes requests.
func (r *reading) lack() string {
	if r.Endpoints == 0 {
		return "it has had no endpoint"
	}
	return fmt.Sprintf("none of its %d endpoints has taken requests", r.Endpoints)
}

func (s *serviceOutage) begin(since time.Time, gone bool, why string) {
	s.since, s.gone, s.why = since, gone, why
}

// seekRise looks whether the service is back.
func (s *serviceOutage) seekRise(r reading) {
	requests, failed, harmed, whole := s.within(r, recoverAfter)
	good := requests - min(failed, requests)
	able := r.at.Sub(s.goneAt) >= recoverAfter
	switch {
	case !whole:
	case good > 0 && good >= harmed,
		requests == 0 && able && s.gone,
		requests == 0 && able && r.at.Sub(s.asked) >= unaskedFor:
		s.since = time.Time{}
	}
}

// within is what came in the last time, and whether so much time was seen.
func (s *serviceOutage) within(r reading, last time.Duration) (requests, failed, harmed uint64, whole bool) {
	from := s.past[0]
	for _, p := range s.past {
		if r.at.Sub(p.at) >= last {
			from, whole = p, true
		}
	}
	return r.Requests - from.Requests, r.Failed - from.Failed, r.Harmed - from.Harmed, whole
}

// alert is the outage as it is told.
func (s *serviceOutage) alert(service string, now, ends, since time.Time) incoming {
	return incoming{since: since, Alert: &alert.Alert{
		Alert: model.Alert{
			Labels: model.LabelSet{
				model.AlertNameLabel: nameOutage, labelTier: model.LabelValue(P0), labelService: model.LabelValue(service),
			},
			Annotations: model.LabelSet{
				noteSummary:   model.LabelValue(service + " is down"),
				"description": model.LabelValue(s.why),
			},
			StartsAt: now, EndsAt: ends,
		},
		UpdatedAt: now,
	}}
}
