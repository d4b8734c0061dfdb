package console

import (
	"io"
	"net/http"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
)

// Faults injects faults into running routes.
type Faults interface {
	// Inject reads a fault as afloat.yaml has it, for a route and a time.
	Inject(route string, text []byte, lasts time.Duration, by gateway.Actor) error
	// Heal ends the fault of a route, and reports whether there was one.
	Heal(route string, by gateway.Actor) (bool, error)
	// Faults lists those that there are.
	Faults() []gateway.FaultStatus
}

func (a *api) injectFault(w http.ResponseWriter, r *http.Request) {
	by, ok := actor(w, r)
	if !ok {
		return
	}
	route := r.URL.Query().Get("route")
	lasts, err := time.ParseDuration(r.URL.Query().Get("for"))
	if err != nil {
		http.Error(w, "for: want a time such as 5m: an injected fault ends by itself", http.StatusBadRequest)
		return
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytesMax))
	if err == nil {
		err = a.Faults.Inject(route, text, lasts, by)
	}
	if err != nil {
		http.Error(w, err.Error(), statusOf(err))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (a *api) healFault(w http.ResponseWriter, r *http.Request) {
	by, ok := actor(w, r)
	if !ok {
		return
	}
	route := r.URL.Query().Get("route")
	switch healed, err := a.Faults.Heal(route, by); {
	case err != nil:
		http.Error(w, err.Error(), statusOf(err))
	case !healed:
		http.Error(w, "no fault was injected there, or it has ended", http.StatusNotFound)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}
