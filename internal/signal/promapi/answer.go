package promapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/afloat-dev/afloat/internal/signal/tsdb"
)

// call answers one request.
type call func(*http.Request, *form) (found, error)

// found is what was found.
type found struct {
	data  any // to be encoded, by itself where it is an encoder
	notes annotations.Annotations
	query string // that the notes are about
	end   func() // called once all has been written
}

// encoder writes itself as JSON, piece by piece.
type encoder interface{ encode(*bufio.Writer) }

// The kinds of failures, by the names that clients know.
const (
	badData     = "bad_data"
	execution   = "execution"
	timeout     = "timeout"
	canceled    = "canceled"
	internal    = "internal"
	unavailable = "unavailable"
)

var statuses = map[string]int{
	badData:     http.StatusBadRequest,
	execution:   http.StatusUnprocessableEntity,
	timeout:     http.StatusServiceUnavailable,
	canceled:    499, // the client has gone
	internal:    http.StatusInternalServerError,
	unavailable: http.StatusServiceUnavailable,
}

// failure is an error and its kind.
type failure struct {
	kind string
	error
}

func (f *failure) Unwrap() error { return f.error }

var errBusy = errors.New("too many queries are under way")

// kindOf tells what kind of failure an error is.
func kindOf(err error) string {
	var known *failure
	var tooMany *tsdb.TooManySeriesError
	switch {
	case errors.As(err, &known):
		return known.kind
	case errors.As(err, &tooMany):
		return execution
	case errors.Is(err, tsdb.ErrNotReady):
		return unavailable
	case errors.As(err, new(promql.ErrQueryTimeout)), errors.Is(err, context.DeadlineExceeded):
		return timeout
	case errors.As(err, new(promql.ErrQueryCanceled)), errors.Is(err, context.Canceled):
		return canceled
	case errors.As(err, new(promql.ErrStorage)):
		return internal
	}
	return execution
}

func (h *handler) refuse(w http.ResponseWriter, err error) {
	kind := kindOf(err)
	if kind == internal {
		h.Log.Error("a query of metrics failed", "error", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(statuses[kind])
	_ = json.NewEncoder(w).Encode(map[string]string{"status": "error", "errorType": kind, "error": err.Error()}) // fails when the client has gone
}

// noteMax bounds the warnings of an answer.
const noteMax = 10

func (h *handler) answer(w http.ResponseWriter, f found) {
	w.Header().Set("Content-Type", "application/json")
	out := bufio.NewWriterSize(w, 32<<10)
	_, _ = out.WriteString(`{"status":"success","data":`) // a failure stays until Flush
	if e, ok := f.data.(encoder); ok {
		e.encode(out)
	} else {
		writeJSON(out, f.data)
	}
	warnings, infos := f.notes.AsStrings(f.query, noteMax, noteMax)
	for name, list := range map[string][]string{"warnings": warnings, "infos": infos} {
		if len(list) > 0 {
			_, _ = out.WriteString(`,"` + name + `":`)
			writeJSON(out, list)
		}
	}
	_, _ = out.WriteString("}\n")
	_ = out.Flush() // fails when the client has gone
}

func writeJSON(out *bufio.Writer, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		text = []byte("null") // not to be had from what calls return
	}
	_, _ = out.Write(text)
}
