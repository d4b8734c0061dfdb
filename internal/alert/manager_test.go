package alert_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/alert"
	"github.com/afloat-dev/afloat/internal/journal"
)

func newContext() (context.Context, context.CancelFunc) {
	return context.WithCancel(context.Background())
}

// told is an alert that a client tells.
type told struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations,omitempty"`
	EndsAt      time.Time         `json:"endsAt,omitzero"`
}

// tell posts alerts to the API, as Prometheus would.
func (r *rig) tell(t *testing.T, alerts ...told) {
	t.Helper()
	text, err := json.Marshal(alerts)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Post(r.api.URL+"/alertmanager/api/v2/alerts", "application/json", bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 {
		t.Fatalf("got %s", res.Status)
	}
}

func named(tier, name, service string) told {
	return told{Labels: map[string]string{"alertname": name, "tier": tier, "service": service},
		Annotations: map[string]string{"summary": name + " of " + service}}
}

func (a told) over() told {
	a.EndsAt = time.Now()
	return a
}

func TestNoticeCarriesItsContext(t *testing.T) {
	hook := newSink(t)
	r := newRig(t, t.TempDir(), quick(hook.URL))
	if _, err := r.journal.Append(journal.Entry{Kind: journal.KindConfigApplied, What: "configuration applied", Why: "service cart: timeout is 1s, was 5s"}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.journal.Append(journal.Entry{Kind: journal.KindLever, Subject: "other", What: "something else"}); err != nil {
		t.Fatal(err)
	}
	a := named("P1", "HighErrors", "cart")
	r.tell(t, a)
	p := hook.await(t, 1)[0]
	if p.Status != "firing" || len(p.Alerts) != 1 || p.Receiver != "hook" {
		t.Fatalf("got %+v", p)
	}
	notes := p.Alerts[0].Annotations
	for name, want := range map[string]string{
		"summary": "HighErrors of cart", "numbers": "9 requests/s", "standout": "127.0.0.1:9001 is ejected",
		"changes": "configuration applied (service cart: timeout is 1s, was 5s)", "console_url": "#/service/cart",
	} {
		if !strings.Contains(notes[name], want) {
			t.Errorf("%s: got %q, want %q in it", name, notes[name], want)
		}
	}
	if strings.Contains(notes["changes"], "something else") {
		t.Errorf("got what changed elsewhere: %q", notes["changes"])
	}

	for range 3 {
		if _, err := r.journal.Append(journal.Entry{Kind: journal.KindEndpoint, Subject: "cart/127.0.0.1:9001", What: "endpoint ejected"}); err != nil {
			t.Fatal(err)
		}
	}
	r.setTotals(alert.Total{Service: "cart", Requests: 100, Failed: 40, Able: 1, Endpoints: 1})
	eventually(t, "look at the totals", func() bool {
		open := r.Alerts()
		return len(open) == 1 && open[0].Failed == 40
	})
	if open, incidents := r.Alerts(), r.Incidents(1); len(open) != 1 || open[0].Failed != 40 || len(incidents) != 1 || incidents[0].Failed != 40 {
		t.Errorf("what it costs so far: %+v, %+v", open, incidents)
	}
	r.tell(t, a.over())
	p = hook.await(t, 2)[1]
	notes = p.Alerts[0].Annotations
	if p.Status != "resolved" || notes["lasted"] == "" || notes["cost"] != "40 failed requests of 100" || notes["actions"] != "3 times endpoint ejected" {
		t.Errorf("got %s, %v", p.Status, notes)
	}
}

// TestWhateverChangedIsTold has each kind of change, as their parts write them,
// before a storm of what endpoints do, and before a restart.
func TestWhateverChangedIsTold(t *testing.T) {
	for name, e := range map[string]journal.Entry{
		"configuration": {Kind: journal.KindConfigApplied, What: "configuration applied", Why: "service cart: timeout is 1s, was 5s"},
		"release":       {Kind: journal.KindRelease, Subject: "cart", What: "release of v2 began", Who: "ada"},
		"scaling":       {Kind: journal.KindRelease, Subject: "cart", What: "scaled", Why: "from 4 to 2 replicas: little load", Who: "supervisor"},
		"fault":         {Kind: journal.KindFaultInjected, Subject: "cart", What: "fault injected", Why: "abort: 50%"},
		"lever":         {Kind: journal.KindLever, Subject: "cart/127.0.0.1:9001", What: "drained", Who: "ada", Why: "new disk"},
		"Afloat itself": {Kind: journal.KindStarted, What: "started", Why: "version 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hook := newSink(t)
			dir := t.TempDir()
			c := quick(hook.URL)
			c.Runbooks = "https://wiki.example.com/runbooks/"
			r := newRig(t, dir, c)
			if _, err := r.journal.Append(e); err != nil {
				t.Fatal(err)
			}
			r.tell(t, named("P1", "HighErrors", "cart"))
			want := e.What
			if e.Why != "" {
				want += " (" + e.Why + ")"
			}
			says := func(p post) {
				t.Helper()
				notes := p.Alerts[len(p.Alerts)-1].Annotations
				if !strings.Contains(notes["changes"], "ago: "+want) {
					t.Errorf("got %q, want %q in it", notes["changes"], want)
				}
				if link := notes["runbook_url"]; !strings.HasPrefix(link, c.Runbooks) {
					t.Errorf("the runbook is %q", link)
				}
			}
			says(hook.await(t, 1)[0])
			for range 2500 {
				if _, err := r.journal.Append(journal.Entry{Kind: journal.KindEndpoint, Subject: "cart/127.0.0.1:9002", What: "endpoint up"}); err != nil {
					t.Fatal(err)
				}
			}
			r.stop()
			r = newRig(t, dir, c)
			r.tell(t, named("P2", "Slow", "cart"), named("P1", "HighErrors", "cart").over())
			posts := hook.await(t, 3)
			for _, p := range posts[1:] {
				if p.Status == "firing" {
					says(p)
				}
			}
			report, err := r.Incident(r.Incidents(1)[0].ID)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(report.Timeline, func(x journal.Entry) bool { return x.What == e.What && x.Why == e.Why }) ||
				!slices.IsSortedFunc(report.Timeline, func(x, y journal.Entry) int { return int(x.ID) - int(y.ID) }) {
				t.Errorf("the storm hides it in a timeline of %d entries", len(report.Timeline))
			}
		})
	}
}

func (r *rig) setTotals(totals ...alert.Total) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.totals = totals
}

func TestStormWithOneRootIsOnePage(t *testing.T) {
	hook := newSink(t)
	c := quick(hook.URL)
	c.P1.GroupWait, c.P2.GroupWait = time.Second, time.Second
	r := newRig(t, t.TempDir(), c)
	root := named("P0", "ServiceDown", "cart")
	r.tell(t, root)
	var storm []told
	for i := range 99 {
		storm = append(storm, named([]string{"P1", "P2"}[i%2], fmt.Sprintf("Symptom%d", i), "cart"))
	}
	for range 20 { // again and again, as rules do
		r.tell(t, append(storm, root)...)
	}
	hook.await(t, 1)
	// Alerts of other services, in the groups that the symptoms would be told in:
	// once they have been told, so would the symptoms have been.
	r.tell(t, named("P1", "Other", "web"), named("P2", "Other", "api"))
	hook.await(t, 3)
	time.Sleep(500 * time.Millisecond)
	pages := 0
	for _, p := range hook.got() {
		for _, a := range p.Alerts {
			if a.Labels["service"] != "cart" {
				continue
			}
			if a.Labels["alertname"] != "ServiceDown" {
				t.Errorf("told of %s", a.Labels["alertname"])
			}
			pages++
		}
	}
	if pages != 1 {
		t.Errorf("got %d pages, want 1", pages)
	}

	// It is over, and so are the symptoms, which nobody needs to hear of: neither
	// now nor beside what is told later in the same groups.
	for i := range storm {
		storm[i] = storm[i].over()
	}
	r.tell(t, append(storm, root.over())...)
	r.tell(t, named("P1", "Other", "web").over(), named("P2", "Other", "api").over())
	ended := map[string]bool{}
	eventually(t, "recovery", func() bool {
		for _, p := range hook.got() {
			for _, a := range p.Alerts {
				if a.Status == "resolved" {
					ended[a.Labels["service"]] = true
				}
			}
		}
		return ended["cart"] && ended["web"] && ended["api"]
	})
	for _, p := range hook.got() {
		for _, a := range p.Alerts {
			if strings.HasPrefix(a.Labels["alertname"], "Symptom") {
				t.Errorf("told that %s is %s, by a notice of %d that is %s", a.Labels["alertname"], a.Status, len(p.Alerts), p.Status)
			}
		}
	}
}

func TestSymptomsThatOutliveAnOutageAreHeldBack(t *testing.T) {
	hook := newSink(t)
	r := newRig(t, t.TempDir(), quick(hook.URL))
	root, symptom := named("P0", "ServiceDown", "cart"), named("P1", "HighErrors", "cart")
	r.tell(t, root)
	hook.await(t, 1)
	r.tell(t, symptom)
	r.tell(t, root.over())
	hook.await(t, 2)
	r.tell(t, symptom, named("P1", "HighErrors", "web"))
	hook.await(t, 3)
	time.Sleep(300 * time.Millisecond)
	for _, p := range hook.got() {
		for _, a := range p.Alerts {
			if a.Labels["alertname"] == "HighErrors" && a.Labels["service"] == "cart" {
				t.Error("told of what only echoes the outage")
			}
		}
	}
}

func TestFailedNoticeIsTriedAgainAndTold(t *testing.T) {
	hook := newSink(t)
	hook.refuses = 2
	r := newRig(t, t.TempDir(), quick(hook.URL))
	r.tell(t, named("P1", "HighErrors", "cart"))
	hook.await(t, 1)
	eventually(t, "entry", func() bool {
		failed, _ := r.journal.Read(journal.Query{Kinds: []journal.Kind{journal.KindNoticeFailed}})
		sent, _ := r.journal.Read(journal.Query{Kinds: []journal.Kind{journal.KindNoticeSent}})
		return len(failed) == 1 && len(sent) == 1
	})
}

func TestAcknowledgedAlertIsNeitherRepeatedNorEscalated(t *testing.T) {
	hook, boss := newSink(t), newSink(t)
	c := quick(hook.URL)
	c.Receivers["boss"] = alert.ReceiverConfig{Webhook: alert.Secret(boss.URL)}
	c.P1.Repeat, c.P1.EscalateAfter, c.P1.EscalateTo = time.Second, 2*time.Second, []string{"boss"}
	r := newRig(t, t.TempDir(), c)
	r.tell(t, named("P1", "HighErrors", "cart"))
	hook.await(t, 1)
	if n, err := r.Acknowledge("cart", "ada", "looking"); n != 1 || err != nil {
		t.Fatalf("got %d, %v", n, err)
	}
	// Another one that nobody acknowledges shows when the time has come.
	r.tell(t, named("P1", "HighErrors", "web"))
	first := boss.await(t, 1)[0]
	for _, a := range first.Alerts {
		if a.Labels["service"] != "web" || a.Labels["escalation"] != "unacknowledged" {
			t.Errorf("escalated: %v", a.Labels)
		}
	}
	r.tell(t, named("P1", "HighErrors", "web").over())
	eventually(t, "end at the boss", func() bool {
		got := boss.got()
		return got[len(got)-1].Status == "resolved"
	})
	before := len(hook.got())
	time.Sleep(2500 * time.Millisecond) // of repeats, were they not acknowledged
	if after := len(hook.got()); after > before+1 {
		t.Errorf("an acknowledged alert was told %d times more", after-before)
	}
	open := r.Alerts()
	if len(open) != 1 || open[0].AcknowledgedBy != "ada" {
		t.Errorf("got %+v", open)
	}
	if _, err := r.Acknowledge("nothing", "ada", ""); !errors.Is(err, alert.ErrNoAlert) {
		t.Errorf("got %v", err)
	}
}

func TestAlertThatComesAndGoesIsToldAFewTimes(t *testing.T) {
	hook := newSink(t)
	c := quick(hook.URL)
	c.Flap = alert.FlapConfig{Times: 2, Window: time.Hour, Quiet: 2 * time.Second}
	r := newRig(t, t.TempDir(), c)
	a := named("P1", "HighErrors", "cart")
	for range 2 {
		r.tell(t, a)
		n := len(hook.await(t, len(hook.got())+1))
		r.tell(t, a.over())
		hook.await(t, n+1)
	}
	r.tell(t, a)
	n := len(hook.await(t, 5))
	for range 10 {
		r.tell(t, a.over())
		time.Sleep(150 * time.Millisecond)
		r.tell(t, a)
		time.Sleep(150 * time.Millisecond)
	}
	if got := len(hook.got()); got > n {
		t.Errorf("told %d times more while it came and went", got-n)
	}
	r.tell(t, a.over())
	posts := hook.await(t, n+1)
	if last := posts[len(posts)-1]; last.Status != "resolved" {
		t.Errorf("got %s", last.Status)
	}
}

func TestOutageIsToldAndSoIsItsEnd(t *testing.T) {
	hook := newSink(t)
	r := newRig(t, t.TempDir(), quick(hook.URL))
	total := alert.Total{Service: "cart", Able: 2, Endpoints: 2}
	for range 10 {
		total.Requests += 10
		r.setTotals(total)
		time.Sleep(100 * time.Millisecond)
	}
	eventually(t, "page", func() bool {
		total.Requests, total.Failed, total.Harmed = total.Requests+10, total.Failed+10, total.Harmed+10
		r.setTotals(total)
		time.Sleep(100 * time.Millisecond)
		return len(hook.got()) > 0
	})
	if p := hook.got()[0]; p.Labels["tier"] != "P0" || p.Labels["alertname"] != "ServiceDown" || p.Labels["service"] != "cart" {
		t.Errorf("got %v", p.Labels)
	}
	eventually(t, "recovery", func() bool {
		total.Requests += 10
		r.setTotals(total)
		time.Sleep(100 * time.Millisecond)
		return len(hook.got()) > 1
	})
	if p := hook.got()[1]; p.Status != "resolved" || !strings.Contains(p.Alerts[0].Annotations["cost"], "failed requests of") {
		t.Errorf("got %+v", p)
	}
	incidents := r.Incidents(10)
	if len(incidents) != 1 || incidents[0].Tier != alert.P0 || incidents[0].Open() || incidents[0].Failed == 0 ||
		!incidents[0].FaultAt.Before(incidents[0].DetectedAt) {
		t.Errorf("got %+v", incidents)
	}
}

// TestOutageOutlivesARestart ends Afloat while a service has no endpoint: the
// outage goes on, and its end is told when it ends rather than after a time.
func TestOutageOutlivesARestart(t *testing.T) {
	hook := newSink(t)
	dir := t.TempDir()
	r := newRig(t, dir, quick(hook.URL))
	up := alert.Total{Service: "cart", Requests: 10, Able: 1, Endpoints: 1, Supervised: true}
	r.setTotals(up)
	time.Sleep(2 * time.Second) // of looking at it
	down := alert.Total{Service: "cart", Requests: 10, Supervised: true}
	eventually(t, "page", func() bool {
		down.Requests, down.Failed, down.Harmed = down.Requests+1, down.Failed+1, down.Harmed+1
		r.setTotals(down)
		time.Sleep(500 * time.Millisecond) // one request now and then
		return len(hook.got()) > 0
	})
	r.stop()

	r = newRig(t, dir, quick(hook.URL), alert.Total{Service: "cart", Supervised: true})
	time.Sleep(3 * time.Second)
	if got := hook.got(); len(got) != 1 || len(r.Alerts()) != 1 {
		t.Fatalf("after a restart: told %d times, %d open", len(got), len(r.Alerts()))
	}
	r.setTotals(alert.Total{Service: "cart", Able: 1, Endpoints: 1, Supervised: true})
	if p := hook.await(t, 2)[1]; p.Status != "resolved" {
		t.Errorf("got %+v", p)
	}
}

func TestRestartNeitherRepeatsNorLosesNotices(t *testing.T) {
	hook := newSink(t)
	dir := t.TempDir()
	r := newRig(t, dir, quick(hook.URL))
	a, b, d := named("P1", "HighErrors", "cart"), named("P1", "Slow", "web"), named("P1", "Slow", "api")
	r.tell(t, a, b, d)
	hook.await(t, 1)
	r.tell(t, d.over())
	hook.await(t, 2)
	r.stop()

	r = newRig(t, dir, quick(hook.URL))
	if open := r.Alerts(); len(open) != 2 {
		t.Fatalf("got %+v", open)
	}
	time.Sleep(time.Second)
	if n := len(hook.got()); n != 2 {
		t.Errorf("told %d times more after a restart", n-2)
	}
	r.tell(t, a, b.over())
	p := hook.await(t, 3)[2]
	over := 0
	for _, x := range p.Alerts {
		if x.Status == "resolved" {
			over++
		}
	}
	if over != 1 {
		t.Errorf("got %+v", p)
	}
	if i := r.Incidents(10); len(i) != 3 {
		t.Errorf("got %d incidents", len(i))
	}
}

// TestAlertFromLongAgoIsRemembered has many more entries after an alert than are
// read at a time.
func TestAlertFromLongAgoIsRemembered(t *testing.T) {
	hook := newSink(t)
	dir := t.TempDir()
	r := newRig(t, dir, quick(hook.URL))
	r.tell(t, named("P1", "HighErrors", "cart"))
	hook.await(t, 1)
	r.stop()
	j, err := journal.Open(journal.Options{Dir: dir + "/journal"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 12_000 {
		kind := journal.KindAlertSilenced
		if i%2 == 0 {
			kind = journal.KindEndpoint
		}
		if _, err := j.Append(journal.Entry{Kind: kind, Subject: "web"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	r = newRig(t, dir, quick(hook.URL))
	if open := r.Alerts(); len(open) != 1 || open[0].Name != "HighErrors" {
		t.Fatalf("got %+v", open)
	}
	r.tell(t, named("P1", "HighErrors", "cart").over())
	if p := hook.await(t, 2)[1]; p.Status != "resolved" || p.Alerts[0].Annotations["lasted"] == "" {
		t.Errorf("got %+v", p)
	}
}

// TestManyOpenIncidentsEndNothing has more of them open than are remembered.
func TestManyOpenIncidentsEndNothing(t *testing.T) {
	hook := newSink(t)
	r := newRig(t, t.TempDir(), quick(hook.URL))
	var many []told
	for n := range 1100 {
		many = append(many, named("P1", "HighErrors", fmt.Sprint("service-", n)))
	}
	for range 2 { // again, as rules do
		r.tell(t, many...)
	}
	if open := r.Alerts(); len(open) != len(many) {
		t.Errorf("%d are open, want %d", len(open), len(many))
	}
	for i := range many {
		many[i] = many[i].over()
	}
	r.tell(t, many...)
	if open := r.Alerts(); len(open) > 0 {
		t.Errorf("%d are open", len(open))
	}
}

// amtool runs Debian's own client.
func (r *rig) amtool(t *testing.T, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("amtool"); err != nil {
		t.Skip("amtool is not installed; make test installs it")
	}
	var out, said bytes.Buffer
	c := exec.Command("amtool", append([]string{"--alertmanager.url=" + r.api.URL + "/alertmanager"}, args...)...)
	c.Stdout, c.Stderr = &out, &said
	if err := c.Run(); err != nil {
		t.Fatalf("amtool %v: %v\n%s%s", args, err, &out, &said)
	}
	return out.String()
}

func TestAmtoolWorks(t *testing.T) {
	hook := newSink(t)
	dir := t.TempDir()
	r := newRig(t, dir, quick(hook.URL))
	id := strings.TrimSpace(r.amtool(t, "silence", "add", "--author=ada", "--comment=known", "--duration=1h", "service=cart"))
	if out := r.amtool(t, "silence", "query"); !strings.Contains(out, id) || !strings.Contains(out, "known") {
		t.Errorf("got %s", out)
	}
	r.amtool(t, "alert", "add", "Lost", "service=cart", "tier=P1", "--annotation=summary=cart is lost")
	r.amtool(t, "alert", "add", "Lost", "service=web", "severity=critical")
	p := hook.await(t, 1)[0]
	if len(p.Alerts) != 1 || p.Alerts[0].Labels["service"] != "web" || p.Labels["tier"] != "P1" {
		t.Errorf("got %+v", p)
	}
	if out := r.amtool(t, "alert", "query"); !strings.Contains(out, "Lost") {
		t.Errorf("got %s", out)
	}
	if out := r.amtool(t, "alert", "query", "--silenced", "service=cart"); !strings.Contains(out, "cart is lost") {
		t.Errorf("got %s", out)
	}
	if out := r.amtool(t, "config", "show"); !strings.Contains(out, "<secret>") || strings.Contains(out, hook.URL) {
		t.Errorf("the configuration shows secrets: %s", out)
	}

	// The silence outlives a process that is not ended in order.
	again := newRig(t, copyOf(t, dir), quick(hook.URL))
	if out := again.amtool(t, "silence", "query"); !strings.Contains(out, id) {
		t.Errorf("after a restart: %s", out)
	}
	r.amtool(t, "silence", "expire", id)
	eventually(t, "notice of what is silenced no more", func() bool {
		for _, p := range hook.got() {
			for _, a := range p.Alerts {
				if a.Labels["service"] == "cart" {
					return true
				}
			}
		}
		return false
	})
	eventually(t, "entries", func() bool {
		entries, err := r.journal.Read(journal.Query{Subject: "cart", Kinds: []journal.Kind{journal.KindAlertSilenced, journal.KindAlertUnsilenced}})
		return err == nil && len(entries) == 2 && entries[0].Who == "ada" && entries[0].Why == "known" && entries[1].Kind == journal.KindAlertUnsilenced && entries[1].Who == "" && entries[1].Why != "known"
	})
}

func TestWholeAlertmanagerConfigurationIsTaken(t *testing.T) {
	hook := newSink(t)
	dir := t.TempDir()
	write(t, dir+"/alertmanager.yml", `
route:
  receiver: mine
  group_by: [alertname]
  group_wait: 50ms
receivers:
  - name: mine
    webhook_configs: [{url: "`+hook.URL+`"}]
`)
	r := newRig(t, dir, alert.Config{Alertmanager: dir + "/alertmanager.yml"})
	r.tell(t, told{Labels: map[string]string{"alertname": "Mine"}})
	if p := hook.await(t, 1)[0]; p.Receiver != "mine" || p.Labels["alertname"] != "Mine" {
		t.Errorf("got %+v", p)
	}
	write(t, dir+"/alertmanager.yml", "route: {receiver: nobody}\n")
	if err := r.Apply(alert.Config{Alertmanager: dir + "/alertmanager.yml"}); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("got %v", err)
	}
	r.tell(t, told{Labels: map[string]string{"alertname": "StillMine"}}) // the old one stays in force
	hook.await(t, 2)
}

// TestFilesOfAnAlertmanagerConfigurationLieBesideIt, wherever Afloat was started.
func TestFilesOfAnAlertmanagerConfigurationLieBesideIt(t *testing.T) {
	came := make(chan string, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { came <- r.Header.Get("Authorization") }))
	defer hook.Close()
	dir := t.TempDir()
	write(t, dir+"/token", "a-token")
	write(t, dir+"/alertmanager.yml", `
route: {receiver: mine, group_wait: 50ms}
receivers:
  - name: mine
    webhook_configs: [{url: "`+hook.URL+`", http_config: {authorization: {credentials_file: token}}}]
`)
	r := newRig(t, dir, alert.Config{Alertmanager: dir + "/alertmanager.yml"})
	r.tell(t, told{Labels: map[string]string{"alertname": "Mine"}})
	select {
	case got := <-came:
		if got != "Bearer a-token" {
			t.Errorf("got %q", got)
		}
	case <-time.After(20 * time.Second):
		t.Error("nothing came")
	}
}

func TestDisabledTellsNobody(t *testing.T) {
	hook := newSink(t)
	r := newRig(t, t.TempDir(), quick(hook.URL))
	if err := r.Apply(alert.Config{Disabled: true}); err != nil {
		t.Fatal(err)
	}
	res, err := http.Get(r.api.URL + "/alertmanager/api/v2/status")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("got %s", res.Status)
	}
	if err := r.Apply(quick(hook.URL)); err != nil {
		t.Fatal(err)
	}
	r.tell(t, named("P0", "ServiceDown", "cart"))
	hook.await(t, 1)
}
