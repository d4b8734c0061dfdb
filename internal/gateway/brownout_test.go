package gateway

import (
	"net/http"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// TestBrownoutStepsUpAndDown: a story of a load, a quarter of a second a step.
func TestBrownoutStepsUpAndDown(t *testing.T) {
	const after = 10 * time.Second
	var b brownout
	now := time.Unix(1000, 0)
	for _, part := range []struct {
		what      string
		lasts     time.Duration
		saturated func(i int) bool
		want      brownLevel
	}{
		{"quiet", time.Minute, never, brownNone},
		{"a burst", 9 * time.Second, always, brownNone},
		{"quiet", time.Minute, never, brownNone},
		{"an overload", 11 * time.Second, always, brownSheddable},
		{"with gaps", 11 * time.Second, func(i int) bool { return i%4 == 0 }, brownLow},
		{"without end", time.Hour, always, brownLow},
		{"over", 14 * time.Second, never, brownSheddable},
		{"for good", 11 * time.Second, never, brownNone},
	} {
		for i := range int(part.lasts / (250 * time.Millisecond)) {
			now = now.Add(250 * time.Millisecond)
			b.step(now, part.saturated(i), after)
		}
		if b.level != part.want {
			t.Errorf("%s: level %v, want %v", part.what, b.level, part.want)
		}
	}
	if b.level = brownLow; b.step(now, true, 0) != brownNone {
		t.Error("it goes on although it was switched off")
	}
}

func always(int) bool { return true }
func never(int) bool  { return false }

func TestBrownoutRefusesLowClassesAndHeals(t *testing.T) {
	release := make(chan struct{})
	address := origin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-release
		}
	})
	s := ServiceConfig{Endpoints: Addresses(address), BrownoutAfter: 300 * time.Millisecond}
	s.Concurrency = policy.AdaptiveConfig{Min: 1, Initial: 1, Max: 1, WaitMax: time.Minute, WaitTarget: time.Minute}
	s.Outlier.Interval = 10 * time.Millisecond
	g, url := start(t, oneService(s))
	for range 3 { // one is served, and two wait
		go http.Get(url + "/slow")
	}
	level := func() string { return g.Status().Services[0].Brownout }
	eventually(t, "sheddable requests are refused", func() bool { return level() == "sheddable_refused" })
	eventually(t, "and low ones", func() bool { return level() == "low_refused" })
	for _, priority := range []string{"sheddable", "low"} {
		res, body := ask(t, url, "Afloat-Priority: "+priority)
		if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
			t.Errorf("%s: got %d %q", priority, res.StatusCode, body)
		}
	}
	if n := g.Status().Services[0].Browned; n != 2 {
		t.Errorf("%d were refused, want 2", n)
	}
	close(release)
	eventually(t, "it heals", func() bool { return level() == "none" })
	if res, _ := ask(t, url, "Afloat-Priority: sheddable"); res.StatusCode != 200 {
		t.Errorf("after it: got %d", res.StatusCode)
	}
}
