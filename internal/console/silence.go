package console

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/internal/alert"
)

// Silencing is which alerts nobody is to be told of, and for how long.
type Silencing struct {
	// Matchers say which alerts, such as service="cart" or tier=~"P1|P2": all must
	// match.
	Matchers []string `json:"matchers"`
	// For is how long, such as 1h.
	For string `json:"for"`
	// Why is the reason, for whoever comes next.
	Why string `json:"why"`
	// Who does it. Where somebody is logged in by name, that name counts.
	Who string `json:"who,omitempty"`
}

// silence takes a Silencing. It is a PUT, as injectFault is.
func (a *api) silence(w http.ResponseWriter, r *http.Request) {
	var s Silencing
	if !readJSON(w, r, &s) {
		return
	}
	lasts, err := time.ParseDuration(s.For)
	switch {
	case err != nil:
		http.Error(w, fmt.Sprintf("for: want a time such as 1h, got %q", s.For), http.StatusBadRequest)
		return
	case !reasoned(w, s.Why):
		return
	}
	made, err := a.Alerts.Silence(s.Matchers, lasts, who(r, s.Who), s.Why)
	answerSilence(w, made, err)
}

func (a *api) unsilence(w http.ResponseWriter, r *http.Request) {
	if by, ok := actor(w, r); ok {
		ended, err := a.Alerts.Unsilence(r.PathValue("id"), by.Who, by.Why)
		answerSilence(w, ended, err)
	}
}

func answerSilence(w http.ResponseWriter, s alert.Silence, err error) {
	switch {
	case errors.Is(err, alert.ErrNoSilence):
		http.Error(w, err.Error(), http.StatusNotFound)
	case errors.Is(err, alert.ErrNotKept):
		http.Error(w, err.Error(), http.StatusInternalServerError)
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	default:
		writeJSON(w, s)
	}
}

// reasoned reports whether there is a reason, and answers where there is none.
func reasoned(w http.ResponseWriter, why string) bool {
	if strings.TrimSpace(why) == "" || len(why) > whyMax {
		http.Error(w, fmt.Sprintf("why: want a reason of up to %d bytes: whoever comes next must know", whyMax), http.StatusBadRequest)
		return false
	}
	return true
}
