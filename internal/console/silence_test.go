package console

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/alert"
	"github.com/afloat-dev/afloat/internal/journal"
)

func TestSilenceIsMadeAndEndedForAReason(t *testing.T) {
	o := running(t)
	h := Handler(o)
	for body, want := range map[string]int{
		`{"matchers": ["service=cart"], "for": "1h"}`:                       400,
		`{"matchers": ["service=cart"], "for": "soon", "why": "known"}`:     400,
		`{"matchers": ["service=cart"], "for": "-1h", "why": "known"}`:      400,
		`{"matchers": [], "for": "1h", "why": "known"}`:                     400,
		`{"matchers": ["cart"], "for": "1h", "why": "known"}`:               400,
		`{"matchers": ["service=~.*"], "for": "1h", "why": "too much"}`:     400,
		`{"matchers": ["service=cart"], "for": "1h", "why": "x", "and": 1}`: 400,
	} {
		if w := ask(t, h, "PUT", "/api/v1/silences", body); w.Code != want || len(o.Alerts.Silences()) != 0 {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	w := ask(t, h, "PUT", "/api/v1/silences", `{"matchers": ["service=\"cart\"", "tier=~P1|P2"], "for": "1h", "why": "known", "who": "ada"}`)
	var made alert.Silence
	if err := json.Unmarshal(w.Body.Bytes(), &made); w.Code != 200 || err != nil || made.ID == "" || !made.Ends.After(made.Starts) {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	var listed []alert.Silence
	if w := ask(t, h, "GET", "/api/v1/silences", ""); json.Unmarshal(w.Body.Bytes(), &listed) != nil || cmp.Diff([]alert.Silence{made}, listed) != "" {
		t.Errorf("got %s", w.Body)
	}
	for _, c := range []struct {
		path string
		want int
	}{
		{made.ID, 400},
		{"nothing?why=enough", 404},
		{made.ID + "?why=enough&who=bob", 200},
		{made.ID + "?why=enough&who=bob", 404},
	} {
		if w := ask(t, h, "DELETE", "/api/v1/silences/"+c.path, ""); w.Code != c.want {
			t.Errorf("%s: %d %s", c.path, w.Code, w.Body)
		}
	}
	if left := o.Alerts.Silences(); len(left) != 0 {
		t.Errorf("there are still %v", left)
	}
	entries, err := o.Journal.Read(journal.Query{Subject: "cart"})
	if err != nil {
		t.Fatal(err)
	}
	var got [][]string
	for _, e := range entries {
		got = append(got, []string{string(e.Kind), e.Who, e.Why})
	}
	if diff := cmp.Diff([][]string{{"alert.silenced", "ada", "known"}, {"alert.unsilenced", "bob", "enough"}}, got); diff != "" {
		t.Error(diff)
	}
}
