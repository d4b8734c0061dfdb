package console

import (
	"context"
	"net/http"

	"github.com/afloat-dev/afloat/internal/journal"
)

// Upgraded says which process has taken the place of the one that was asked.
type Upgraded struct {
	PID     int     `json:"pid"`
	Version string  `json:"version"`
	From    string  `json:"from"` // the version before
	Seconds float64 `json:"seconds"`
}

func (a *api) upgradeOperations() []operation {
	all := []operation{{method: "POST", path: "/api/v1/upgrade", summary: "Start the program's file anew, and leave everything to it", role: RoleOperator,
		query: []parameter{whyParameter, whoParameter}, answer: Upgraded{}, statuses: []int{400, 409}}}
	if a.Upgrade != nil {
		all[0].serve = a.upgrade
	}
	return all
}

// upgrade answers with an Upgraded, or says why all goes on as before.
func (a *api) upgrade(w http.ResponseWriter, r *http.Request) {
	by, ok := actor(w, r)
	if !ok {
		return
	}
	if a.Journal != nil { // which the new process takes over
		e := journal.Entry{Kind: journal.KindUpgradeAsked, Who: by.Who, What: "upgrade asked for", Why: by.Why}
		if _, err := a.Journal.Append(e); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	// The one who asks may go away meanwhile: the upgrade goes on.
	done, err := a.Upgrade(context.WithoutCancel(r.Context()))
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	w.Header().Set("Connection", "close")
	writeJSON(w, done)
}
