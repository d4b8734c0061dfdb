package console

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/afloat-dev/afloat/internal/journal"
)

// Replicas are evicted where others can take their place.
type Replicas interface {
	Evict(service string, replica int) error
}

func (a *api) evictOperations() []operation {
	o := operation{method: "POST", path: "/api/v1/services/{service}/replicas/{replica}/eviction",
		summary: "Stop a replica, drained, for another to take its place, if the disruption budget allows it", role: RoleOperator,
		body: Pull{}, statuses: []int{400, 404, 409}}
	if a.Replicas != nil {
		o.serve = a.evict
	}
	return []operation{o}
}

func (a *api) evict(w http.ResponseWriter, r *http.Request) {
	var p Pull
	if !readJSON(w, r, &p) {
		return
	}
	if p.Weight != 0 {
		http.Error(w, "weight: an eviction has none", http.StatusBadRequest)
		return
	}
	if !reasoned(w, p.Why) {
		return
	}
	service := r.PathValue("service")
	id, err := strconv.Atoi(r.PathValue("replica"))
	if err != nil {
		http.Error(w, "replica: want its number, as the status shows it", http.StatusBadRequest)
		return
	}
	if err := a.Replicas.Evict(service, id); err != nil {
		http.Error(w, err.Error(), statusOf(err))
		return
	}
	if a.Journal != nil {
		e := journal.Entry{Kind: journal.KindLever, Who: who(r, p.Who), Why: p.Why, Subject: fmt.Sprintf("%s/replica-%d", service, id), What: "evicted"}
		if _, err := a.Journal.Append(e); err != nil {
			http.Error(w, "it is done, but "+err.Error(), http.StatusInternalServerError)
			return
		}
	}
	w.WriteHeader(http.StatusNoContent)
}
