package capacity

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// failFirst fails the first tries of every four in a row, each in its way, and
// counts all.
func failFirst(t *testing.T, fails int64) (url string, served *atomic.Int64) {
	served = new(atomic.Int64)
	return serverOf(t, func(w http.ResponseWriter, r *http.Request) {
		switch n := served.Add(1) - 1; {
		case n%4 >= fails:
		case n%4 == 0:
			panic(http.ErrAbortHandler) // breaks the connection
		case n%4 == 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			w.WriteHeader(http.StatusInternalServerError)
		}
	}), served
}

// TestGeneratorRepeatsWhatFailed has one request at a time, so that the tries
// of each are four in a row.
func TestGeneratorRepeatsWhatFailed(t *testing.T) {
	load := Load{Rate: 100, Duration: 400 * time.Millisecond, Timeout: deadline, InFlightMax: 1, Repeats: 3}
	url, served := failFirst(t, 3)
	load.Targets = []string{url}
	s := runLoad(t, load)
	if s.OK == 0 || s.OK != s.Requests-s.Overrun || served.Load() != 4*int64(s.OK) {
		t.Errorf("%d of %d ok after %d tries, want four for each", s.OK, s.Requests-s.Overrun, served.Load())
	}

	url, served = failFirst(t, 4)
	load.Targets = []string{url}
	s = runLoad(t, load)
	if s.Status5xx == 0 || s.Status5xx != s.Requests-s.Overrun || served.Load() != 4*int64(s.Status5xx) {
		t.Errorf("%d of %d failed after %d tries, want four for each", s.Status5xx, s.Requests-s.Overrun, served.Load())
	}
}

func TestGeneratorRepeatsWhatTimedOut(t *testing.T) {
	var served atomic.Int64
	url := serverOf(t, func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		<-r.Context().Done() // the generator closes the connection
	})
	const timeout = 100 * time.Millisecond
	s := runLoad(t, Load{Targets: []string{url}, Rate: 50, Duration: 200 * time.Millisecond, Timeout: timeout, Repeats: 2})
	if s.Timeouts == 0 || s.Timeouts != s.Requests || served.Load() < 2*int64(s.Requests) {
		t.Errorf("%d of %d timed out after %d tries, want three for each", s.Timeouts, s.Requests, served.Load())
	}
	if s.Latency.P50 < 3*timeout {
		t.Errorf("a request took %v, less than its three tries", s.Latency.P50)
	}
}

// TestGeneratorRepeatsWhatWaits has no connection free for most requests, so
// that their time is over before they were sent.
func TestGeneratorRepeatsWhatWaits(t *testing.T) {
	url := serverOf(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	s := runLoad(t, Load{
		Targets: []string{url}, Rate: 100, Duration: 200 * time.Millisecond, Timeout: 100 * time.Millisecond,
		Connections: 1, InFlightMax: 100, Repeats: 1,
	})
	if s.Timeouts == 0 || s.Timeouts != s.Requests {
		t.Errorf("%d of %d timed out", s.Timeouts, s.Requests)
	}
}

func TestGeneratorGoesOnAfterRepeats(t *testing.T) {
	var ill atomic.Bool
	ill.Store(true)
	url := serverOf(t, func(w http.ResponseWriter, r *http.Request) {
		if ill.Load() {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	g, rec := newGenerator(t, Load{Targets: []string{url}, Rate: 200, Timeout: deadline, Repeats: 3})
	done := make(chan error, 1)
	go func() { done <- g.Serve(t.Context()) }()
	poll(t, "failures", func() bool { return rec.Total().Status5xx >= 20 })
	ill.Store(false)
	healed := rec.Phase("healed")
	poll(t, "answers", func() bool { return healed.Stats().OK >= 20 })
	g.Stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	checked(t, rec.Total())
}
