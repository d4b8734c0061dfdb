package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/afloat-dev/afloat/internal/alert"
	"github.com/afloat-dev/afloat/internal/journal"
)

// Alerts are what is wrong, what was, and who looks after it.
type Alerts interface {
	// Alerts lists those that hold.
	Alerts() []alert.OpenAlert
	// Changes lists what was changed since a time, at most the last n.
	Changes(since time.Time, n int) []journal.Entry
	// Acknowledge notes that somebody looks after those that are meant.
	Acknowledge(which, who, why string) (int, error)
	// Incidents lists the last ones, and Incident tells all of one.
	Incidents(n int) []alert.Incident
	Incident(id uint64) (*alert.Report, error)
	// Silences lists those in force. Silence makes one that lasts for a time, and
	// Unsilence ends it.
	Silences() []alert.Silence
	Silence(matchers []string, lasts time.Duration, who, why string) (alert.Silence, error)
	Unsilence(id, who, why string) (alert.Silence, error)
}

// incidentsMax bounds what one answer lists.
const incidentsMax = 1000

// Acknowledgement is who looks after what.
type Acknowledgement struct {
	// Which are the alerts: a fingerprint, a service, a name, or an incident's
	// number.
	Which string `json:"which"`
	Who   string `json:"who"`
	Why   string `json:"why,omitempty"`
}

// Acknowledged is how many alerts were acknowledged.
type Acknowledged struct {
	Alerts int `json:"alerts"`
}

// acknowledge takes an Acknowledgement. It is a PUT, as injectFault is.
func (a *api) acknowledge(w http.ResponseWriter, r *http.Request) {
	var of Acknowledgement
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyBytesMax)).Decode(&of); err != nil {
		http.Error(w, "want JSON such as {\"which\": \"cart\", \"who\": \"ada\"}: "+err.Error(), http.StatusBadRequest)
		return
	}
	of.Who = who(r, of.Who)
	if of.Which == "" || of.Who == "" {
		http.Error(w, "which and who are required", http.StatusBadRequest)
		return
	}
	if len(of.Why) > whyMax {
		http.Error(w, fmt.Sprintf("why: want at most %d bytes", whyMax), http.StatusBadRequest)
		return
	}
	n, err := a.Alerts.Acknowledge(of.Which, of.Who, of.Why)
	switch {
	case errors.Is(err, alert.ErrNoAlert):
		http.Error(w, err.Error(), http.StatusNotFound)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	default:
		answer(func() any { return Acknowledged{n} }).ServeHTTP(w, r)
	}
}

func (a *api) listIncidents(w http.ResponseWriter, r *http.Request) {
	limit := 50
	if text := r.URL.Query().Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > incidentsMax {
			http.Error(w, "limit: want a number from 1 to "+strconv.Itoa(incidentsMax), http.StatusBadRequest)
			return
		}
		limit = n
	}
	answer(func() any { return a.Alerts.Incidents(limit) }).ServeHTTP(w, r)
}

// incident finds the one that is asked for, or answers that there is none.
func (a *api) incident(w http.ResponseWriter, r *http.Request) *alert.Report {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		http.Error(w, "want the number of an incident", http.StatusBadRequest)
		return nil
	}
	report, err := a.Alerts.Incident(id)
	switch {
	case errors.Is(err, alert.ErrNoIncident):
		http.Error(w, err.Error(), http.StatusNotFound)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	default:
		return report
	}
	return nil
}

func (a *api) showIncident(w http.ResponseWriter, r *http.Request) {
	if report := a.incident(w, r); report != nil {
		answer(func() any { return report }).ServeHTTP(w, r)
	}
}

func (a *api) postMortem(w http.ResponseWriter, r *http.Request) {
	if report := a.incident(w, r); report != nil {
		w.Header().Set("Content-Type", "text/markdown; charset=utf-8")
		_ = report.WritePostMortem(w) // fails when the client has gone
	}
}
