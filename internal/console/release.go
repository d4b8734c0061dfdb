package console

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/afloat-dev/afloat/internal/control/rollout"
	"github.com/afloat-dev/afloat/internal/journal"
)

// Releases are the releases of services.
type Releases interface {
	Status() []rollout.Status
	// Brief is the same without how they went and what their judges looked at.
	Brief() []rollout.Status
	// Start releases the process that a text in YAML makes of a service's present
	// one, or, where it is empty, that of the configuration.
	Start(service string, text []byte, who string) error
	Do(service string, command rollout.Command, who, why string) error
	Undo(service, who, why string) error
}

// releaseBytesMax bounds the text of a process.
const releaseBytesMax = 64 << 10

func (a *api) listReleases(w http.ResponseWriter, r *http.Request) {
	if all, ok := a.releasesSince(w, r); ok {
		writeJSON(w, all)
	}
}

func (a *api) showRelease(w http.ResponseWriter, r *http.Request) {
	all, ok := a.releasesSince(w, r)
	if !ok {
		return
	}
	i := slices.IndexFunc(all, func(s rollout.Status) bool { return s.Service == r.PathValue("service") })
	if i < 0 {
		http.Error(w, "nothing was released of that name", http.StatusNotFound)
		return
	}
	writeJSON(w, all[i])
}

// releasesSince are the releases with the points of their histories that came
// after what the query says, and answers where that cannot be read.
func (a *api) releasesSince(w http.ResponseWriter, r *http.Request) ([]rollout.Status, bool) {
	since, err := moment(r.URL.Query(), "since", time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return nil, false
	}
	all := a.Releases.Status()
	for _, s := range all {
		if s.Release != nil {
			s.Release.History = slices.DeleteFunc(s.Release.History, func(p rollout.Point) bool { return !p.Time.After(since) })
		}
	}
	return all, true
}

// steerRelease answers PUT. That it is no POST keeps a page in a browser from
// sending one without being asked for leave.
func (a *api) steerRelease(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	name, who, why, do := r.PathValue("service"), cmp.Or(who(r, query.Get("who")), "the API"), query.Get("why"), query.Get("do")
	if len(why) > whyMax {
		http.Error(w, fmt.Sprintf("why: want at most %d bytes", whyMax), http.StatusBadRequest)
		return
	}
	var err error
	switch do {
	case "start":
		var text []byte
		if text, err = io.ReadAll(http.MaxBytesReader(w, r.Body, releaseBytesMax)); err == nil {
			err = a.Releases.Start(name, text, who)
		}
	case "undo":
		err = a.Releases.Undo(name, who, why)
	default:
		err = a.Releases.Do(name, rollout.Command(do), who, why)
	}
	switch {
	case err == nil:
		a.steered(w, journal.Entry{Subject: name, Who: who, Why: why, What: do})
	case errors.Is(err, rollout.ErrNoService):
		http.Error(w, err.Error(), http.StatusNotFound)
	case errors.Is(err, rollout.ErrCommand):
		http.Error(w, err.Error(), http.StatusConflict)
	case errors.Is(err, rollout.ErrUnwritten):
		http.Error(w, err.Error(), http.StatusInternalServerError)
	default:
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

// steered tells the journal what somebody wanted of a release.
func (a *api) steered(w http.ResponseWriter, e journal.Entry) {
	e.Kind = journal.KindReleaseSteered
	if a.Journal != nil {
		if _, err := a.Journal.Append(e); err != nil {
			http.Error(w, "it is done, but "+err.Error(), http.StatusInternalServerError)
			return
		}
	}
	w.WriteHeader(http.StatusNoContent)
}
