package console

import (
	"time"

	"github.com/afloat-dev/afloat/internal/alert"
	"github.com/afloat-dev/afloat/internal/control/rollout"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/journal"
	"github.com/afloat-dev/afloat/internal/signal"
)

// Live is what the stream tells once a second.
type Live struct {
	// Time is now to the one who made it.
	Time   time.Time `json:"time"`
	Status Status    `json:"status"`
	// Seconds are the golden signals of the last few seconds, one by one, in the
	// order of the status's signals.
	Seconds []signal.History `json:"seconds"`
	// Faults are those of all routes.
	Faults []gateway.FaultStatus `json:"faults"`
	// Alerts are those that hold, the most urgent first; at most 50.
	Alerts []alert.OpenAlert `json:"alerts"`
	// Changes are what people, releases and the configuration have changed in the
	// last half hour, the oldest first; at most the last 50.
	Changes []journal.Entry `json:"changes"`
	// Releases are the last ones of each service, without how they went and what
	// their judges looked at.
	Releases []rollout.Status `json:"releases"`
	// Journal is the ID of its last entry: with another one there is something
	// new to read.
	Journal uint64 `json:"journal"`
}

const (
	// historyMax is how far histories reach back.
	historyMax = 5 * time.Minute
	// liveSeconds is how many seconds a Live repeats, for readers that miss one.
	liveSeconds = 3 * time.Second
	// liveAlertsMax and liveChangesMax bound what a Live lists.
	liveAlertsMax, liveChangesMax = 50, 50
	// changesWithin is how long ago a change may have been.
	changesWithin = 30 * time.Minute
)

func (a *api) live() Live {
	l := Live{Time: time.Now(), Status: a.Status(), Seconds: a.histories(liveSeconds), Faults: []gateway.FaultStatus{},
		Alerts: []alert.OpenAlert{}, Changes: []journal.Entry{}, Releases: []rollout.Status{}}
	if a.Faults != nil {
		l.Faults = a.Faults.Faults()
	}
	if a.Alerts != nil {
		all := a.Alerts.Alerts()
		l.Alerts = append(l.Alerts, all[:min(len(all), liveAlertsMax)]...)
		l.Changes = append(l.Changes, a.Alerts.Changes(l.Time.Add(-changesWithin), liveChangesMax)...)
	}
	if a.Releases != nil {
		l.Releases = a.Releases.Brief()
	}
	if a.Journal != nil {
		l.Journal = a.Journal.Last()
	}
	return l
}

func (a *api) histories(last time.Duration) []signal.History {
	if a.Histories == nil {
		return []signal.History{}
	}
	return a.Histories(last)
}
