package capacity

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestHealedAfter(t *testing.T) {
	type stretch struct {
		length  time.Duration
		outcome outcome
		latency time.Duration
	}
	well := stretch{3 * time.Second, ok, 5 * ms}
	tests := []struct {
		name    string
		story   []stretch // begins at the moment that is asked about
		healthy Healthy
		want    time.Duration
		known   bool
	}{
		{"never ill", []stretch{well}, Healthy{}, 0, true},
		{"errors that end", []stretch{{700 * ms, status5xx, 5 * ms}, well}, Healthy{}, 700 * ms, true},
		{"errors that come back", []stretch{
			{500 * ms, status5xx, 5 * ms}, {time.Second, ok, 5 * ms}, {500 * ms, broken, 5 * ms}, well,
		}, Healthy{}, 2 * time.Second, true},
		{"a fault that shows late", []stretch{{500 * ms, ok, 5 * ms}, {500 * ms, timedOut, 900 * ms}, well}, Healthy{}, time.Second, true},
		{"still ill", []stretch{{3 * time.Second, status5xx, 5 * ms}}, Healthy{}, 0, false},
		{"well for too short", []stretch{{time.Second, status5xx, 5 * ms}, {1900 * ms, ok, 5 * ms}}, Healthy{}, 0, false},
		{"well for as long as asked", []stretch{{time.Second, status5xx, 5 * ms}, {1900 * ms, ok, 5 * ms}},
			Healthy{For: time.Second}, time.Second, true},
		{"slow", []stretch{{time.Second, ok, 300 * ms}, well}, Healthy{P99Max: 100 * ms}, time.Second, true},
		{"slow, but nobody minds", []stretch{{time.Second, ok, 300 * ms}, well}, Healthy{}, 0, true},
		{"shed is well", []stretch{{time.Second, shed, ms}, well}, Healthy{}, 0, true},
		{"shed is ill when asked", []stretch{{time.Second, shed, ms}, well}, Healthy{ShedFails: true}, time.Second, true},
		{"overrun is ill", []stretch{{time.Second, overrun, ms}, well}, Healthy{}, time.Second, true},
		{"within the share", []stretch{{200 * ms, ok, ms}, {50 * ms, status5xx, ms}, well}, Healthy{FailureMax: 0.25}, 0, true},
		{"pending", []stretch{{3 * time.Second, timedOut, 10 * time.Second}}, Healthy{}, 0, false},
		{"nothing came", []stretch{}, Healthy{}, 0, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rec := NewRecorder()
				play(rec, time.Second, status5xx, 5*ms) // the past must not matter
				then := time.Now()
				for _, s := range test.story {
					play(rec, s.length, s.outcome, s.latency)
				}
				time.Sleep(Tick)
				got, known := rec.HealedAfter(then, test.healthy)
				if got != test.want || known != test.known {
					t.Errorf("HealedAfter = %v, %v; want %v, %v", got, known, test.want, test.known)
				}
			})
		})
	}
}
