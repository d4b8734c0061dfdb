package alert

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/silence/silencepb"

	"github.com/afloat-dev/afloat/internal/journal"
)

// lasting saves the silences before it is said that they changed.
func (m *Manager) lasting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			r.Body = http.MaxBytesReader(w, r.Body, fileBytesMax)
			w = &savingWriter{ResponseWriter: w, manager: m, request: r}
		}
		next.ServeHTTP(w, r)
	})
}

// UserHeader names who asks, where that is known of a request to
// [Manager.Handler]: whoever passes requests on takes away what came in it.
const UserHeader = "Afloat-User"

// savingWriter holds an answer back until what it confirms is on the disk.
type savingWriter struct {
	http.ResponseWriter
	manager *Manager
	request *http.Request
	said    bool
	refused bool
	told    bool
}

// WriteHeader saves first where the answer is that all went well.
func (w *savingWriter) WriteHeader(status int) {
	if w.said {
		return
	}
	w.said = true
	if status >= 300 || !strings.Contains(w.request.URL.Path, "/silence") {
		w.told = true
		w.ResponseWriter.WriteHeader(status)
		return
	}
	if err := w.manager.keepSilences(); err != nil {
		w.refused = true
		http.Error(w.ResponseWriter, err.Error(), http.StatusInternalServerError)
		return
	}
	if w.request.Method == http.MethodDelete {
		w.told = true
		// It is done, and logged where the journal did not take it.
		_ = w.manager.tellSilence(journal.KindAlertUnsilenced, path.Base(w.request.URL.Path), w.request.Header.Get(UserHeader), "ended through the API of Alertmanager, which does not ask why")
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write passes the answer on, and reads in it which silence was set.
func (w *savingWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.refused {
		return len(b), nil
	}
	var answer struct {
		ID string `json:"silenceID"`
	}
	if !w.told && json.Unmarshal(b, &answer) == nil && answer.ID != "" {
		w.told = true
		if s, ok := w.manager.silence(answer.ID); ok {
			_ = w.manager.tellSilence(journal.KindAlertSilenced, s.ID, cmp.Or(w.request.Header.Get(UserHeader), s.Who), s.Why)
		}
	}
	return w.ResponseWriter.Write(b)
}

// tellSilence writes into the journal who silenced what, or made it heard again.
func (m *Manager) tellSilence(kind journal.Kind, id, who, why string) error {
	entry := journal.Entry{Kind: kind, Who: who, Why: why, Detail: journal.Detail(object{"silence": id})}
	if s, ok := m.silence(id); ok {
		about := strings.Join(s.Matchers, ", ")
		if kind == journal.KindAlertSilenced {
			entry.What = "silenced " + about + " until " + s.Ends.UTC().Format(time.RFC3339)
		} else {
			entry.What = "no longer silenced " + about
		}
		for _, one := range s.Matchers {
			if service, ok := strings.CutPrefix(one, labelService+"="); ok {
				entry.Subject = strings.Trim(service, `"`)
			}
		}
	}
	if _, err := m.options.Journal.Append(entry); err != nil {
		m.log.Error("a change of silences is not in the journal", "error", err)
		return fmt.Errorf("%w: %w", ErrNotKept, err)
	}
	return nil
}

// matchersOf writes what a silence is about.
func matchersOf(s *silencepb.Silence) []string {
	operators := map[silencepb.Matcher_Type]string{
		silencepb.Matcher_EQUAL: "=", silencepb.Matcher_NOT_EQUAL: "!=", silencepb.Matcher_REGEXP: "=~", silencepb.Matcher_NOT_REGEXP: "!~",
	}
	var all []string
	for _, set := range s.MatcherSets {
		for _, m := range set.Matchers {
			all = append(all, m.Name+operators[m.Type]+`"`+m.Pattern+`"`)
		}
	}
	return all
}
