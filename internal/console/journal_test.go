package console

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/journal"
)

func TestJournalIsReadThroughTheAPI(t *testing.T) {
	j, err := journal.Open(journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []journal.Entry{
		{Kind: journal.KindConfigApplied},
		{Kind: journal.KindAlertFired, Subject: "cart", Time: time.Now().Add(-2 * time.Hour)},
		{Kind: journal.KindAlertFired, Subject: "cart"},
		{Kind: journal.KindLever, Subject: "cart/127.0.0.1:9001"},
	} {
		if _, err := j.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	handler := Handler(Options{Metrics: http.NotFoundHandler(), Journal: j})
	for _, c := range []struct {
		query string
		want  []uint64
	}{
		{"", []uint64{1, 2, 3, 4}},
		{"?since=1h", []uint64{1, 3, 4}},
		{"?until=1h", []uint64{2}},
		{"?kind=alert&kind=config", []uint64{1, 2, 3}},
		{"?subject=cart&limit=1", []uint64{4}},
		{"?after=2", []uint64{3, 4}},
		{"?subject=nothing", []uint64{}},
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", "http://127.0.0.1/api/v1/journal"+c.query, nil))
		var entries []journal.Entry
		if err := json.Unmarshal(w.Body.Bytes(), &entries); err != nil {
			t.Fatalf("%s: %v: %s", c.query, err, w.Body)
		}
		got := []uint64{}
		for _, e := range entries {
			got = append(got, e.ID)
		}
		if entries == nil || !cmp.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.query, got, c.want)
		}
	}
}

func TestJournalQueryRefuses(t *testing.T) {
	for _, text := range []string{"since=yesterday", "until=1", "after=-1", "limit=0", "limit=many"} {
		v, err := url.ParseQuery(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := journalQuery(v, time.Now()); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}
