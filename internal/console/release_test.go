package console

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/afloat-dev/afloat/internal/control/rollout"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/journal"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// still is a supervisor whose replicas never become ready, so that a release stays
// where it is, and a gateway that has none to send requests to.
type still struct{}

func (still) Apply([]supervise.Config) error          { return nil }
func (still) Status() []supervise.ServiceStatus       { return nil }
func (still) Supply(string, []gateway.EndpointConfig) {}
func (still) SetSplit(string, *gateway.Split) error   { return nil }
func (still) Drain(context.Context, string, string)   {}

// controlled starts what its text says is the command.
type controlled struct{ *rollout.Controller }

func (c controlled) Start(service string, text []byte, who string) error {
	p, err := c.Process(service)
	if err != nil {
		return err
	}
	p.Command = strings.Fields(string(text))
	return c.Controller.Start(service, &p, who)
}

// releasing are Options with a controller of releases of the service web.
func releasing(t *testing.T) Options {
	t.Helper()
	c, err := rollout.NewController(rollout.Options{Processes: still{}, Traffic: still{}})
	if err != nil {
		t.Fatal(err)
	}
	web := supervise.Config{Name: "web", Command: []string{"web", "v1"}, Replicas: 1}
	how := rollout.Config{Steps: []rollout.StepConfig{{Weight: 0.1, Hold: time.Minute, Gate: true}, {Weight: 0.5}}}
	if err := c.Apply([]supervise.Config{web}, map[string]rollout.Config{"web": how}); err != nil {
		t.Fatal(err)
	}
	o := running(t)
	o.Releases = controlled{c}
	return o
}

func released(t *testing.T, h http.Handler, query string) (s rollout.Status) {
	t.Helper()
	w := ask(t, h, "GET", "/api/v1/releases/web"+query, "")
	if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil {
		t.Fatal(err, w.Body)
	}
	return s
}

func TestReleaseIsSteeredWithAReasonAndJournaled(t *testing.T) {
	h := Handler(releasing(t))
	const at = "/api/v1/releases/web?who=ada&do="
	for _, c := range []struct {
		do, body string
		want     int
		waits    rollout.Wait
		why      string
	}{
		{"start", "web v2", 204, rollout.WaitReplicas, ""},
		{"start", "web v3", 409, rollout.WaitReplicas, ""},
		{"resume", "", 409, rollout.WaitReplicas, ""},
		{"pause&why=lunch", "", 204, rollout.WaitResume, "paused by ada: lunch"},
		{"resume&why=fed", "", 204, rollout.WaitReplicas, ""},
		{"dance", "", 400, rollout.WaitReplicas, ""},
		{"abort&why=" + strings.Repeat("x", 501), "", 400, rollout.WaitReplicas, ""},
		{"abort&why=it+loses+orders", "", 204, rollout.WaitReplicas, "aborted by ada: it loses orders"},
		{"pause&why=too+late", "", 409, rollout.WaitReplicas, "aborted by ada: it loses orders"},
	} {
		w := ask(t, h, "PUT", at+c.do, c.body)
		if r := released(t, h, "").Release; w.Code != c.want || r.Waits != c.waits || r.Why != c.why {
			t.Errorf("%s: %d %s, waits for %q because of %q", c.do, w.Code, w.Body, r.Waits, r.Why)
		}
	}
	want := []journal.Entry{
		{Who: "ada", What: "start"},
		{Who: "ada", What: "pause", Why: "lunch"},
		{Who: "ada", What: "resume", Why: "fed"},
		{Who: "ada", What: "abort", Why: "it loses orders"},
	}
	var got []journal.Entry
	w := ask(t, h, "GET", "/api/v1/journal?kind=release&subject=web", "")
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err, w.Body)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(journal.Entry{}, "ID", "Time", "Kind", "Level", "Subject")); diff != "" {
		t.Error(diff)
	}
}

func TestReleaseIsSteeredByOperatorsOnTheirOwnPageAlone(t *testing.T) {
	o := releasing(t)
	if err := o.Releases.Start("web", []byte("web v2"), "ada"); err != nil {
		t.Fatal(err)
	}
	const abort = "/api/v1/releases/web?do=abort&why=x"
	if w := ask(t, Handler(o), "PUT", abort, "", "Sec-Fetch-Site: cross-site"); w.Code != 403 {
		t.Errorf("a page of another site: %d", w.Code)
	}
	o.Access = Access{Token: "an-operator's", ReadToken: "a-reader's"}
	h := Handler(o)
	for header, want := range map[string]int{reader: 403, "X: y": 401} {
		if w := ask(t, h, "PUT", abort, "", header); w.Code != want {
			t.Errorf("%q: %d", header, w.Code)
		}
	}
	if r := o.Releases.Status()[0].Release; r.Phase.Ended() || r.Phase == rollout.PhaseAborting {
		t.Fatalf("it is %s", r.Phase)
	}
	if w := ask(t, h, "PUT", abort, "", operator); w.Code != 204 {
		t.Errorf("an operator: %d %s", w.Code, w.Body)
	}
}

func TestReleasesAreToldAsFarAsTheyAreNew(t *testing.T) {
	o := releasing(t)
	if err := o.Releases.Start("web", []byte("web v2"), "ada"); err != nil {
		t.Fatal(err)
	}
	h := Handler(o)
	all := released(t, h, "").Release.History
	if len(all) == 0 {
		t.Fatal("it has no history")
	}
	last := all[len(all)-1].Time.Format(time.RFC3339Nano)
	for query, want := range map[string]int{"?since=1h": len(all), "?since=" + strings.ReplaceAll(last, "+", "%2B"): 0} {
		if got := len(released(t, h, query).Release.History); got != want {
			t.Errorf("%s: %d points, want %d", query, got, want)
		}
	}
	for _, path := range []string{"/api/v1/releases?since=soon", "/api/v1/releases/web?since=soon"} {
		if w := ask(t, h, "GET", path, ""); w.Code != 400 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	live := newAPI(o).live().Releases
	if len(live) != 1 || live[0].Release == nil || live[0].Release.History != nil || len(live[0].Release.Plan) != 2 {
		t.Errorf("the stream tells %+v", live)
	}
}
