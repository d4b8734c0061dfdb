package console

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/afloat-dev/afloat/internal/journal"
)

func TestLeversArePulledUndoneAndJournaled(t *testing.T) {
	o := running(t)
	h := Handler(o)
	at := "/api/v1/services/web/endpoints/" + addressOf(o) + "/"
	state := func() string {
		s := o.Status().Gateway.Services[0].Endpoints[0]
		if len(s.Levers) > 0 {
			return s.State + ", " + s.Levers[0].String()
		}
		return s.State
	}
	for _, c := range []struct{ lever, body, state string }{
		{"drain", `{"why": "new disk", "who": "ada"}`, "draining, drain"},
		{"isolate", `{"why": "new disk", "who": "ada"}`, "isolated, isolate"},
		{"weight", `{"why": "new disk", "who": "ada", "weight": 5}`, "up, weight 5"},
	} {
		if w := ask(t, h, "PUT", at+c.lever, c.body); w.Code != 200 || state() != c.state {
			t.Errorf("%s: %d %s, %s", c.lever, w.Code, w.Body, state())
		}
		if w := ask(t, h, "DELETE", at+c.lever, ""); w.Code != 400 || state() != c.state {
			t.Errorf("undo %s without a why: %d, %s", c.lever, w.Code, state())
		}
		if w := ask(t, h, "DELETE", at+c.lever+"?why=it+is+in&who=bob", ""); w.Code != 200 || state() != "up" {
			t.Errorf("undo %s: %d %s, %s", c.lever, w.Code, w.Body, state())
		}
	}
	subject := "web/" + addressOf(o)
	want := []journal.Entry{
		{Who: "ada", Why: "new disk", Subject: subject, What: "drain"},
		{Who: "bob", Why: "it is in", Subject: subject, What: "drain undone"},
		{Who: "ada", Why: "new disk", Subject: subject, What: "isolate"},
		{Who: "bob", Why: "it is in", Subject: subject, What: "isolate undone"},
		{Who: "ada", Why: "new disk", Subject: subject, What: "weight 5"},
		{Who: "bob", Why: "it is in", Subject: subject, What: "weight 5 undone"},
	}
	var got []journal.Entry
	w := ask(t, h, "GET", "/api/v1/journal?kind=lever", "")
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err, w.Body)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(journal.Entry{}, "ID", "Time", "Detail", "Kind", "Level")); diff != "" {
		t.Error(diff)
	}
}

func TestLeverSaysWhatIsWrong(t *testing.T) {
	o := running(t)
	h := Handler(o)
	at := "/api/v1/services/web/endpoints/" + addressOf(o) + "/"
	for _, c := range []struct {
		path, body string
		want       int
	}{
		{at + "drain", `{}`, 400},
		{at + "drain", `{"why": "x", "wait": 5}`, 400},
		{at + "drain", `{"why": "x"} {}`, 400},
		{at + "drain", ``, 400},
		{at + "weight", `{"why": "x"}`, 400},
		{at + "explode", `{"why": "x"}`, 400},
		{"/api/v1/services/wep/endpoints/127.0.0.1:1/drain", `{"why": "x"}`, 404},
		{"/api/v1/services/web/endpoints/127.0.0.1:1/drain", `{"why": "x"}`, 404},
		{"/api/v1/services/web%2Fv1/endpoints/127.0.0.1:1/drain", `{"why": "x"}`, 404},
	} {
		if w := ask(t, h, "PUT", c.path, c.body); w.Code != c.want {
			t.Errorf("%s %s: %d %s", c.path, c.body, w.Code, w.Body)
		}
	}
	if w := ask(t, h, "DELETE", at+"drain?why=x", ""); w.Code != 404 {
		t.Errorf("undo of nothing: %d %s", w.Code, w.Body)
	}
}
