package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/freeport"
)

// patient is a service that falls ill and recovers.
type patient struct {
	*httptest.Server
	ill atomic.Bool
}

func newPatient(t *testing.T) *patient {
	p := &patient{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.ill.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(p.Close)
	return p
}

// ask sends requests without pause until the test ends, so that an outage is
// seen, and returns once one went well.
func (m *mortal) ask(url string) {
	client := &http.Client{Timeout: 2 * time.Second}
	var went atomic.Bool
	go func() {
		for m.t.Context().Err() == nil {
			if res, err := client.Get(url); err == nil {
				res.Body.Close()
				if res.StatusCode == http.StatusOK {
					went.Store(true)
				}
			}
			time.Sleep(20 * time.Millisecond) // bounds the load
		}
	}()
	m.await("answer", went.Load)
}

// journal reports whether an entry of the kind names the alert.
func (m *mortal) journal(kind, name string) bool {
	files, err := filepath.Glob(filepath.Join(m.dir, "data", "journal", "*"))
	if err != nil {
		m.t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			m.t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			if bytes.Contains(line, []byte(kind)) && bytes.Contains(line, []byte(name)) {
				return true
			}
		}
	}
	return false
}

// sent is the file of what was told to whom.
func (m *mortal) sent() string {
	text, err := os.ReadFile(filepath.Join(m.dir, "data", "alerts", "sent"))
	if err != nil && !os.IsNotExist(err) {
		m.t.Fatal(err)
	}
	return string(text)
}

// asking makes the change, and returns once the pager is being told of it: it
// answers when it is let.
func (p *pager) asking(change func()) (answer func()) {
	hold := make(chan struct{})
	p.holding(hold)
	change()
	<-p.asked
	return func() {
		p.holding(nil)
		close(hold)
	}
}

// unwell is a rule on a service without an endpoint.
const unwell = `groups:
  - name: health
    rules:
      - {alert: Unwell, expr: 'max by (service) (afloat_endpoint_up) == 0', labels: {tier: P1}}
`

// point is one of a notification's, at which Afloat is killed.
type point struct {
	name string
	// at brings Afloat there by changing what the alert is about, and kills it.
	at   func(m *mortal, p *pager, change func(), kind, alert string)
	told int // how often, in all
}

var points = []point{
	{"before the journal", func(m *mortal, p *pager, change func(), kind, alert string) {
		change()
		m.kill()
		m.start()
	}, 1},
	{"after the journal, before it is sent", func(m *mortal, p *pager, change func(), kind, alert string) {
		p.setAway(true)
		change()
		m.await(kind, func() bool { return m.journal(kind, alert) })
		m.kill()
		m.start()
		p.setAway(false)
	}, 1},
	// Whether it was taken cannot be known: the one case that docs/alerts.md names.
	{"after it is sent, before the answer", func(m *mortal, p *pager, change func(), kind, alert string) {
		answer := p.asking(change)
		m.kill()
		answer()
		m.start()
	}, 2},
	{"after it is noted", func(m *mortal, p *pager, change func(), kind, alert string) {
		answer := p.asking(change)
		before := m.sent()
		answer()
		m.await("note of "+kind, func() bool { return m.sent() != before })
		m.kill()
		m.start()
	}, 1},
}

// TestKilledAtEachPointOfANotification kills Afloat at each point of telling that
// an alert fires and that it is over, for an outage that it notices itself and
// for an alert of a rule.
func TestKilledAtEachPointOfANotification(t *testing.T) {
	t.Parallel()
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(rules, []byte(unwell), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ alert, rest, alerts string }{
		{"ServiceDown", "metrics: {disabled: true}\n", ""},
		{"Unwell", "", "  without: [all]\n  every: 1s\n  rules: [" + rules + "]\n"},
	} {
		for _, point := range points {
			t.Run(c.alert+" "+point.name, func(t *testing.T) {
				t.Parallel()
				web, p, listen := newPatient(t), newPager(t), freeport.Address(t)
				m := newMortal(t, p, fmt.Sprintf(`listen: "%s"
%sservices: {web: {endpoints: ["%s"], health: {path: /, interval: 200ms}}}
`, listen, c.rest, web.Listener.Addr()), c.alerts)
				m.ask("http://" + listen + "/")
				for _, of := range []struct {
					status, kind string
					ill          bool
				}{{"firing", "alert.fired", true}, {"resolved", "alert.resolved", false}} {
					point.at(m, p, func() { web.ill.Store(of.ill) }, of.kind, c.alert)
					m.await(c.alert+" "+of.status, func() bool { return p.told(c.alert, of.status) > 0 })
					m.settle(p, "Marker"+of.status)
					if n := p.told(c.alert, of.status); n != point.told {
						t.Errorf("%s was told %d times, want %d", of.status, n, point.told)
					}
				}
			})
		}
	}
}
