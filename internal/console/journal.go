package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/journal"
)

// Journal is what happened and who did it.
type Journal interface {
	Read(journal.Query) ([]journal.Entry, error)
	// Append writes an entry, and returns once it survives the process.
	Append(journal.Entry) (journal.Entry, error)
	// Last is the ID of the last entry.
	Last() uint64
}

// moved tells the journal that somebody moved a lever, and then the one who did.
func (a *api) moved(w http.ResponseWriter, l gateway.Lever, e journal.Entry) {
	e.Kind, e.Subject, e.Detail = journal.KindLever, l.Service+"/"+l.Endpoint, journal.Detail(l)
	if a.Journal != nil {
		if _, err := a.Journal.Append(e); err != nil {
			http.Error(w, "it is done, but "+err.Error(), http.StatusInternalServerError)
			return
		}
	}
	writeJSON(w, l)
}

// readJournal answers with the entries that the query picks, as a list.
func (a *api) readJournal(w http.ResponseWriter, r *http.Request) {
	query, err := journalQuery(r.URL.Query(), time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	entries, err := a.Journal.Read(query)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if entries == nil {
		entries = []journal.Entry{} // a list in JSON too
	}
	writeJSON(w, entries)
}

// journalQuery reads since and until (a time, or how long ago), kind (any
// number), subject, after (an ID) and limit.
func journalQuery(v url.Values, now time.Time) (q journal.Query, err error) {
	q.Subject = v.Get("subject")
	for _, kind := range v["kind"] {
		q.Kinds = append(q.Kinds, journal.Kind(kind))
	}
	if q.Since, err = moment(v, "since", now); err != nil {
		return q, err
	}
	if q.Until, err = moment(v, "until", now); err != nil {
		return q, err
	}
	if text := v.Get("after"); text != "" {
		if q.After, err = strconv.ParseUint(text, 10, 64); err != nil {
			return q, fmt.Errorf("after: want the id of an entry, got %q", text)
		}
	}
	if text := v.Get("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 {
			return q, fmt.Errorf("limit: want a number from 1 on, got %q", text)
		}
	}
	return q, nil
}

// moment reads a time as of RFC 3339, or how long ago it was.
func moment(v url.Values, name string, now time.Time) (time.Time, error) {
	text := v.Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil {
		return now.Add(-ago), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, fmt.Errorf("%s: want a time such as 2026-11-26T12:00:00Z, or how long ago such as 1h, got %q", name, text)
	}
	return at, nil
}
