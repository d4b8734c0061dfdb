package console

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/journal"
)

func TestFaultIsInjectedAndEndedForAReason(t *testing.T) {
	o := running(t)
	h := Handler(o)
	injected := func() bool { return len(o.Faults.Faults()) == 1 }
	for _, c := range []struct {
		method, query string
		want          int
		injected      bool
	}{
		{"PUT", "route=all&for=1m", 400, false},
		{"PUT", "route=all&for=1m&why=+", 400, false},
		{"PUT", "route=all&for=1m&why=a+drill&who=ada", 204, true},
		{"DELETE", "route=all", 400, true},
		{"DELETE", "route=all&why=enough&who=bob", 204, false},
		{"DELETE", "route=all&why=enough&who=bob", 404, false},
	} {
		if w := ask(t, h, c.method, "/api/v1/faults?"+c.query, "reset: 1%"); w.Code != c.want || injected() != c.injected {
			t.Errorf("%s %s: %d %s, injected: %v", c.method, c.query, w.Code, w.Body, injected())
		}
	}
}

func TestUpgradeIsJournaledWithWhoAndWhy(t *testing.T) {
	h := Handler(running(t))
	if w := ask(t, h, "POST", "/api/v1/upgrade", ""); w.Code != 400 {
		t.Errorf("without a why: %d %s", w.Code, w.Body)
	}
	if w := ask(t, h, "POST", "/api/v1/upgrade?why=version+2&who=ada", ""); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	var got []journal.Entry
	if err := json.Unmarshal(ask(t, h, "GET", "/api/v1/journal?kind=afloat", "").Body.Bytes(), &got); err != nil || len(got) != 1 {
		t.Fatal(err, got)
	}
	want := journal.Entry{ID: got[0].ID, Time: got[0].Time, Kind: journal.KindUpgradeAsked, Level: got[0].Level, Who: "ada", What: "upgrade asked for", Why: "version 2"}
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Error(diff)
	}
}
