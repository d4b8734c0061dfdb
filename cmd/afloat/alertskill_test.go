package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/freeport"
)

// pager is a webhook outside the process that is killed.
type pager struct {
	*httptest.Server
	mu    sync.Mutex
	posts map[string]int // by alert and status
	last  time.Time      // when it answered last
	hold  chan struct{}  // while it is not nil, answers wait for it
	asked chan string    // what comes in, while it is held
	away  bool           // it answers that it cannot take anything
}

func newPager(t *testing.T) *pager {
	p := &pager{posts: map[string]int{}, asked: make(chan string, 100)}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var got struct {
			Alerts []struct {
				Status string            `json:"status"`
				Labels map[string]string `json:"labels"`
			} `json:"alerts"`
		}
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			return // it was killed while it sent
		}
		p.mu.Lock()
		if p.away {
			p.mu.Unlock()
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		for _, a := range got.Alerts {
			p.posts[a.Labels["alertname"]+" "+a.Status]++
		}
		hold := p.hold
		p.mu.Unlock()
		if hold != nil {
			p.asked <- got.Alerts[0].Labels["alertname"]
			<-hold
		}
		p.mu.Lock()
		p.last = time.Now()
		p.mu.Unlock()
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *pager) told(name, status string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.posts[name+" "+status]
}

func (p *pager) holding(hold chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold = hold
}

func (p *pager) setAway(away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
}

// mortal is an Afloat that is killed and started again.
type mortal struct {
	t     *testing.T
	dir   string
	admin string
	proc  *exec.Cmd
	out   bytes.Buffer
}

// newMortal starts an Afloat that tells the pager, with what else its file says.
func newMortal(t *testing.T, pager *pager, rest, alerts string) *mortal {
	m := &mortal{t: t, dir: t.TempDir(), admin: freeport.Address(t)}
	text := fmt.Sprintf(`admin: {address: "%s"}
data: data
%salerts:
  receivers: {pager: %s}
%s  p0: {groupWait: 300ms, groupInterval: 300ms}
  p1: {groupBy: [alertname], groupWait: 300ms, groupInterval: 300ms}
`, m.admin, rest, pager.URL, alerts)
	if err := os.WriteFile(filepath.Join(m.dir, "afloat.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m.start()
	t.Cleanup(m.kill)
	return m
}

func (m *mortal) start() {
	m.t.Helper()
	m.proc = exec.Command(filepath.Join(programs, "afloat"), "run", "-f", "afloat.yaml")
	m.proc.Dir = m.dir
	m.proc.Stdout, m.proc.Stderr = &m.out, &m.out
	if err := m.proc.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.await("start", func() bool {
		res, err := http.Get("http://" + m.admin + "/healthz")
		if err == nil {
			res.Body.Close()
		}
		return err == nil
	})
}

func (m *mortal) kill() {
	_ = m.proc.Process.Kill()
	_ = m.proc.Wait() // it was killed
}

func (m *mortal) await(what string, holds func() bool) {
	m.t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			m.kill()
			m.t.Fatalf("no %s within a minute\n%s", what, &m.out)
		}
	}
}

// tell posts an alert, or that it is over.
func (m *mortal) tell(name string, over bool) {
	m.t.Helper()
	a := map[string]any{"labels": map[string]string{"alertname": name, "tier": "P1"}}
	if over {
		a["endsAt"] = time.Now()
	}
	text, err := json.Marshal([]any{a})
	if err != nil {
		m.t.Fatal(err)
	}
	res, err := http.Post("http://"+m.admin+"/alertmanager/api/v2/alerts", "application/json", bytes.NewReader(text))
	if err != nil {
		m.t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		m.t.Fatalf("got %s", res.Status)
	}
}

// settle waits until what is due has been told: an alert that fires now is told
// after it.
func (m *mortal) settle(p *pager, marker string) {
	m.t.Helper()
	m.tell(marker, false)
	m.await(marker, func() bool { return p.told(marker, "firing") > 0 })
}

// toldOnly has nothing but alerts that are posted.
const toldOnly = `listen: 127.0.0.1:0
metrics: {disabled: true}
services: {web: {endpoints: [127.0.0.1:9]}}
`

// TestKilledAfloatNeitherLosesNorRepeatsNotices kills it again and again around
// the moment at which it tells somebody.
func TestKilledAfloatNeitherLosesNorRepeatsNotices(t *testing.T) {
	t.Parallel()
	p := newPager(t)
	m := newMortal(t, p, toldOnly, "  without: [all]\n")
	for round := range 10 {
		name := fmt.Sprintf("Round%d", round)
		for _, status := range []string{"firing", "resolved"} {
			m.tell(name, status == "resolved")
			// It is told after about 300ms: before, around and after that.
			time.Sleep(time.Duration(round) * 60 * time.Millisecond)
			killed := time.Now()
			m.kill()
			p.mu.Lock()
			answered := p.last
			p.mu.Unlock()
			m.start()
			m.await(name+" "+status, func() bool { return p.told(name, status) > 0 })
			m.settle(p, fmt.Sprintf("Marker%d%s", round, status))
			// Killed within a moment of the answer, it could not have noted it.
			least, most := 1, 1
			if d := answered.Sub(killed); d > -100*time.Millisecond && d < 100*time.Millisecond {
				most = 2
			}
			if n := p.told(name, status); n < least || n > most {
				t.Errorf("%s %s was told %d times, want %d to %d (killed %v after the answer)", name, status, n, least, most, killed.Sub(answered))
			}
		}
	}
}

// TestKilledWhileTheReceiverAnswersTellsAgain is the one case in which a notice
// is doubled: whether it was taken cannot be known.
func TestKilledWhileTheReceiverAnswersTellsAgain(t *testing.T) {
	t.Parallel()
	p := newPager(t)
	m := newMortal(t, p, toldOnly, "  without: [all]\n")
	hold := make(chan struct{})
	p.holding(hold)
	m.tell("Held", false)
	if name := <-p.asked; name != "Held" {
		t.Fatalf("got %s", name)
	}
	m.kill()
	p.holding(nil)
	close(hold)
	m.start()
	m.settle(p, "Marker")
	if n := p.told("Held", "firing"); n != 2 {
		t.Errorf("told %d times, want 2", n)
	}
}
