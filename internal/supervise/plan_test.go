package supervise

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const recreate = -1 // a surge that stops all first

func TestPlan(t *testing.T) {
	// A replica is written as its revision and a letter: A available, r ready, n not ready, s being stopped.
	for _, test := range []struct {
		name        string
		replicas    int
		unavailable int
		surge       int
		have        []string
		want        []string
	}{
		{"starts all", 3, 1, 1, nil, []string{"start", "start", "start"}},
		{"rests", 2, 0, 1, []string{"2A", "2A"}, nil},
		{"scales up", 3, 0, 1, []string{"2A"}, []string{"start", "start"}},
		{"scales down the unready, then the newest", 1, 0, 1, []string{"2A", "2n", "2A"}, []string{"stop 2", "stop 3"}},
		{"surges first", 3, 0, 1, []string{"1A", "1A", "1A"}, []string{"start"}},
		{"waits for a new one to be available", 3, 0, 1, []string{"1A", "1A", "1A", "2r"}, nil},
		{"retires one for one", 3, 0, 1, []string{"1A", "1A", "1A", "2A"}, []string{"stop 3"}},
		{"counts those being stopped", 3, 0, 1, []string{"1A", "1A", "1s", "2A"}, nil},
		{"makes room where nothing may surge", 3, 1, 0, []string{"1A", "1A", "1A"}, []string{"stop 3"}},
		{"uses both bounds at once", 3, 1, 1, []string{"1A", "1A", "1A"}, []string{"start", "stop 3"}},
		{"retires the failed before the well", 3, 1, 0, []string{"1A", "1n", "1A"}, []string{"stop 2"}},
		{"keeps the failed while the new may fail", 3, 0, 1, []string{"1A", "1A", "1n", "2n"}, nil},
		{"goes back to a former revision", 2, 0, 1, []string{"2A", "2A", "1n"}, []string{"stop 3"}},
		{"scales down while it rolls", 1, 0, 1, []string{"1A", "1A", "1A", "2n"}, []string{"stop 3", "stop 2"}},
		{"stops all before it starts any", 2, 0, recreate, []string{"1A", "1n"}, []string{"stop 1", "stop 2"}},
		{"waits until all are gone", 2, 0, recreate, []string{"1s", "1A"}, []string{"stop 2"}},
		{"waits for the last to go", 2, 0, recreate, []string{"1s"}, nil},
		{"starts when all are gone", 2, 0, recreate, nil, []string{"start", "start"}},
		{"replaces one of the new", 2, 0, recreate, []string{"2s", "2A"}, nil},
		{"waits for a former service to go", 2, 0, 0, []string{"1s", "1s"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var have []actual
			for i, s := range test.have {
				a := actual{id: i + 1, revision: s[:1], available: s[1] == 'A', stopping: s[1] == 's'}
				a.ready = a.available || s[1] == 'r'
				have = append(have, a)
			}
			var got []string
			for _, a := range plan(desired{
				replicas: test.replicas, revision: "2", unavailable: test.unavailable, surge: max(0, test.surge), recreate: test.surge == recreate,
			}, have) {
				if a.stop == 0 {
					got = append(got, "start")
				} else {
					got = append(got, fmt.Sprint("stop ", a.stop))
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPlanRollsWithinItsBounds(t *testing.T) {
	for replicas := 1; replicas <= 6; replicas++ {
		for unavailable := 0; unavailable <= replicas; unavailable++ {
			for surge := 0; surge <= 3; surge++ {
				if unavailable+surge > 0 {
					roll(t, desired{replicas: replicas, revision: "new", unavailable: unavailable, surge: surge})
				}
			}
		}
	}
}

// roll carries a rollout out, one change of one replica at a time, and checks the bounds after each.
func roll(t *testing.T, d desired) {
	var have []actual
	for id := range d.replicas {
		have = append(have, actual{id: id + 1, revision: "old", ready: true, available: true})
	}
	next := len(have) + 1
	for range 1000 {
		for _, a := range plan(d, have) {
			if a.stop == 0 {
				have = append(have, actual{id: next, revision: d.revision})
				next++
				continue
			}
			i := slices.IndexFunc(have, func(h actual) bool { return h.id == a.stop })
			have[i].stopping, have[i].ready, have[i].available = true, false, false
		}
		available := 0
		for _, h := range have {
			available += count(h.available)
		}
		if len(have) > d.replicas+d.surge || available < d.replicas-d.unavailable {
			t.Fatalf("%+v: %d exist, %d available: %+v", d, len(have), available, have)
		}
		if i := slices.IndexFunc(have, func(h actual) bool { return h.stopping }); i >= 0 {
			have = slices.Delete(have, i, i+1)
		} else if i := slices.IndexFunc(have, func(h actual) bool { return !h.available }); i >= 0 {
			have[i].ready, have[i].available = true, true
		} else if slices.ContainsFunc(have, func(h actual) bool { return h.revision == "old" }) || len(have) != d.replicas {
			t.Fatalf("%+v: stuck at %+v", d, have)
		} else {
			return
		}
	}
	t.Fatalf("%+v: never ends", d)
}
