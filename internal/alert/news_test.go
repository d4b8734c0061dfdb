package alert_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/alert"
)

// TestWhatManyServicesShareIsTwoPages takes 100 services down one after another,
// as when a machine dies that all of them need, and brings them back.
func TestWhatManyServicesShareIsTwoPages(t *testing.T) {
	hook := newSink(t)
	c := quick(hook.URL)
	c.P0.NewsInterval = 8 * time.Second
	r := newRig(t, t.TempDir(), c)
	all := make([]alert.Total, 100)
	for i := range all {
		all[i] = alert.Total{Service: fmt.Sprint("service-", i), Able: 2, Endpoints: 2}
	}
	began, down := time.Now(), 0
	step := func() {
		for i := range all {
			all[i].Requests += 10
			if i < down {
				all[i].Failed, all[i].Harmed = all[i].Failed+10, all[i].Harmed+10
			}
		}
		r.setTotals(slices.Clone(all)...)
		time.Sleep(100 * time.Millisecond)
	}
	for time.Since(began) < 3*time.Second {
		step()
	}
	for down < len(all) {
		down += 4
		step()
	}
	firing := func() (posts, alerts int) {
		for _, p := range hook.got() {
			if p.Status == "firing" {
				posts++
				alerts = len(p.Alerts)
			}
		}
		return posts, alerts
	}
	eventually(t, "page of all", func() bool {
		step()
		_, alerts := firing()
		return alerts == len(all)
	})
	if posts, _ := firing(); posts > 2 {
		t.Errorf("one cause was %d pages", posts)
	}
	down = 0
	eventually(t, "end", func() bool {
		step()
		got := hook.got()
		return got[len(got)-1].Status == "resolved"
	})
}

// TestEndsDoNotWaitForNews has an end and something new right after a page.
func TestEndsDoNotWaitForNews(t *testing.T) {
	hook := newSink(t)
	c := quick(hook.URL)
	c.P1.NewsInterval = time.Hour
	c.P1.GroupBy = []string{"tier"}
	r := newRig(t, t.TempDir(), c)
	r.tell(t, named("P1", "HighErrors", "cart"))
	hook.await(t, 1)
	r.tell(t, named("P1", "HighErrors", "web"), named("P1", "HighErrors", "cart").over())
	if p := hook.await(t, 2)[1]; p.Status != "resolved" || len(p.Alerts) != 1 {
		t.Errorf("got %+v", p)
	}
	r.tell(t, named("P0", "ServiceDown", "web")) // another group
	if p := hook.await(t, 3)[2]; p.Labels["tier"] != "P0" {
		t.Errorf("got %+v", p)
	}
}
