package capacity

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// deadline is what a test may take at the worst, on a machine that is busy.
const deadline = 30 * time.Second

func newGenerator(t *testing.T, load Load) (*Generator, *Recorder) {
	t.Helper()
	rec := NewRecorder()
	g, err := NewGenerator(load, rec)
	if err != nil {
		t.Fatal(err)
	}
	return g, rec
}

// runLoad serves a load to its end.
func runLoad(t *testing.T, load Load) Stats {
	t.Helper()
	g, rec := newGenerator(t, load)
	if err := g.Serve(t.Context()); err != nil {
		t.Fatal(err)
	}
	return checked(t, rec.Total())
}

// checked makes sure that every request due is accounted for.
func checked(t *testing.T, s Stats) Stats {
	t.Helper()
	if sum := s.OK + s.Status4xx + s.Shed + s.Failed + s.Overrun + s.Abandoned; sum != s.Requests || s.Pending != 0 {
		t.Errorf("%d requests, %d accounted for, %d pending", s.Requests, sum, s.Pending)
	}
	return s
}

func serverOf(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func TestGeneratorCountsExactly(t *testing.T) {
	var served atomic.Int64
	statuses := []int{200, 201, 304, 404, 429, 500, 502, 503, 200, 200}
	url := serverOf(t, func(w http.ResponseWriter, r *http.Request) {
		n := served.Add(1) - 1
		w.WriteHeader(statuses[n%int64(len(statuses))])
	})
	s := runLoad(t, Load{Targets: []string{url}, Rate: 500, Duration: time.Second, Timeout: deadline})
	if s.Requests < 499 || s.Requests > 500 || served.Load() != int64(s.Requests) {
		t.Fatalf("%d requests, %d served, want 500", s.Requests, served.Load())
	}
	for name, got := range map[string]uint64{
		"OK / 5": s.OK / 5, "4xx": s.Status4xx, "shed / 2": s.Shed / 2, "5xx / 2": s.Status5xx / 2, "failed / 2": s.Failed / 2,
	} {
		if got < 49 || got > 50 {
			t.Errorf("%s = %d, want 50", name, got)
		}
	}
}

func TestGeneratorReusesConnections(t *testing.T) {
	var opened atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Repeat("x", 1024))
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	s := runLoad(t, Load{Targets: []string{server.URL}, Rate: 500, Duration: time.Second, Timeout: deadline})
	if s.OK != s.Requests || opened.Load() > int64(s.Requests)/2 {
		t.Errorf("%d of %d ok over %d connections", s.OK, s.Requests, opened.Load())
	}
}

func TestGeneratorFramings(t *testing.T) {
	tests := map[string]http.HandlerFunc{
		"chunked": func(w http.ResponseWriter, r *http.Request) {
			for range 3 {
				io.WriteString(w, "part")
				w.(http.Flusher).Flush()
			}
		},
		"closing": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "close")
			io.WriteString(w, "bye")
		},
		"large": func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, strings.Repeat("x", 200_000))
		},
		"echo": func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if len(body) != 100_000 {
				w.WriteHeader(http.StatusInternalServerError)
			}
			w.Write(body)
		},
	}
	for name, handler := range tests {
		t.Run(name, func(t *testing.T) {
			load := Load{Targets: []string{serverOf(t, handler)}, Rate: 50, Duration: 400 * time.Millisecond, Timeout: deadline}
			if name == "echo" {
				load.Method, load.Body = http.MethodPost, make([]byte, 100_000)
			}
			if s := runLoad(t, load); s.OK != s.Requests || s.OK < 19 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestGeneratorTimesOutWhatHangs(t *testing.T) {
	release := make(chan struct{})
	url := serverOf(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done(): // the generator closed the connection
		}
	})
	defer close(release)
	const timeout = 200 * time.Millisecond
	s := runLoad(t, Load{Targets: []string{url}, Rate: 100, Duration: 500 * time.Millisecond, Timeout: timeout})
	if s.Timeouts != s.Requests || s.Requests == 0 || s.Latency.P50 < timeout {
		t.Errorf("%d of %d timed out, p50 %v", s.Timeouts, s.Requests, s.Latency.P50)
	}
}

func TestGeneratorSeesServerStopAndReturn(t *testing.T) {
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") })
	server := httptest.NewServer(hello)
	address := server.Listener.Addr().String()
	g, rec := newGenerator(t, Load{Targets: []string{server.URL}, Rate: 200, Timeout: time.Second})
	done := make(chan error, 1)
	go func() { done <- g.Serve(t.Context()) }()

	up := rec.Phase("up")
	poll(t, "requests answered", func() bool { return up.Stats().OK >= 20 })
	server.CloseClientConnections()
	server.Close()
	down := rec.Phase("down")
	poll(t, "requests failed", func() bool { return down.Stats().Broken >= 20 })
	if s := down.Stats(); s.OK > 0 {
		t.Errorf("a stopped server answered %d requests", s.OK)
	}

	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	again := &http.Server{Handler: hello}
	defer again.Close()
	go again.Serve(listener)
	restarted := time.Now()
	back := rec.Phase("back")
	poll(t, "requests answered again", func() bool { return back.Stats().OK >= 20 })
	poll(t, "healing seen", func() bool {
		_, known := rec.HealedAfter(restarted, Healthy{For: 500 * time.Millisecond})
		return known
	})
	g.Stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	checked(t, rec.Total())
}

func TestGeneratorCountsOverrun(t *testing.T) {
	release := make(chan struct{})
	var once sync.Once
	defer once.Do(func() { close(release) })
	url := serverOf(t, func(w http.ResponseWriter, r *http.Request) { <-release })
	g, rec := newGenerator(t, Load{Targets: []string{url}, Rate: 500, Timeout: deadline, Connections: 2, InFlightMax: 5})
	done := make(chan error, 1)
	go func() { done <- g.Serve(t.Context()) }()
	poll(t, "overrun", func() bool { return rec.Total().Overrun >= 20 })
	poll(t, "five that are pending", func() bool { return rec.Total().Pending == 5 }) // one more is until it is found too many
	if s := rec.Total(); s.FailureShare() != 1 {
		t.Errorf("failure share %v, want 1", s.FailureShare())
	}
	g.Stop()
	once.Do(func() { close(release) })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if s := checked(t, rec.Total()); s.OK < 5 { // one more may have been due before it stopped
		t.Errorf("%d ok, want the 5 that were in flight", s.OK)
	}
}

func TestGeneratorWaitsForConnectionWithinLatency(t *testing.T) {
	// One connection and 20 ms a request carry at most 50 a second. At 100 the
	// queue grows, and latency must say so although each answer is quick.
	url := serverOf(t, func(w http.ResponseWriter, r *http.Request) { time.Sleep(20 * time.Millisecond) })
	s := runLoad(t, Load{
		Targets: []string{url}, Rate: 100, Duration: time.Second, Timeout: deadline, Connections: 1, InFlightMax: 1000,
	})
	if s.OK != s.Requests || s.Latency.Max < 500*time.Millisecond {
		t.Errorf("%d of %d ok, slowest %v", s.OK, s.Requests, s.Latency.Max)
	}
}

func TestGeneratorTurnsOverTargets(t *testing.T) {
	var first, second atomic.Int64
	targets := []string{
		serverOf(t, func(w http.ResponseWriter, r *http.Request) { first.Add(1) }),
		serverOf(t, func(w http.ResponseWriter, r *http.Request) { second.Add(1) }),
	}
	s := runLoad(t, Load{Targets: targets, Rate: 200, Duration: 500 * time.Millisecond, Timeout: deadline})
	if d := first.Load() - second.Load(); d < 0 || d > 1 || s.OK != s.Requests {
		t.Errorf("%d and %d of %d", first.Load(), second.Load(), s.Requests)
	}
}

func TestGeneratorFollowsRate(t *testing.T) {
	url := serverOf(t, func(w http.ResponseWriter, r *http.Request) {})
	g, rec := newGenerator(t, Load{Targets: []string{url}, Timeout: deadline})
	done := make(chan error, 1)
	go func() { done <- g.Serve(t.Context()) }()
	g.SetRate(400)
	poll(t, "requests", func() bool { return rec.Total().OK >= 100 })
	g.SetRate(0)
	// One slice may still run at the old rate.
	poll(t, "a pause", func() bool {
		before := rec.Total().Requests
		time.Sleep(4 * slice)
		return rec.Total().Requests == before
	})
	resumed := rec.Phase("resumed")
	g.SetRate(200)
	poll(t, "requests again", func() bool { return resumed.Stats().OK >= 100 })
	g.Stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	// The schedule catches up after every delay, so that the rate holds even on
	// a slow machine; the bounds allow for reading it late.
	if r := resumed.Stats().Rate(); r < 50 || r > 220 {
		t.Errorf("rate %.0f, want about 200", r)
	}
}

func TestGeneratorAsksRateAt(t *testing.T) {
	url := serverOf(t, func(w http.ResponseWriter, r *http.Request) {})
	s := runLoad(t, Load{
		Targets: []string{url}, Duration: time.Second, Timeout: deadline, Arrival: Poisson,
		RateAt: func(elapsed time.Duration) float64 {
			if elapsed < 500*time.Millisecond {
				return 0
			}
			return 600
		},
	})
	if s.OK != s.Requests || s.Requests < 220 || s.Requests > 380 { // 300 ± 4.6 standard deviations
		t.Errorf("%d requests, %d ok, want about 300", s.Requests, s.OK)
	}
}

func TestGeneratorCancelAbandons(t *testing.T) {
	release := make(chan struct{})
	url := serverOf(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	g, rec := newGenerator(t, Load{Targets: []string{url}, Rate: 100, Timeout: time.Hour, Connections: 3, InFlightMax: 10})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- g.Serve(ctx) }()
	poll(t, "requests in flight", func() bool { return rec.Total().Pending == 10 })
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if s := checked(t, rec.Total()); s.Abandoned != 10 || s.Failed != 0 {
		t.Errorf("%d abandoned, %d failed; want 10, 0", s.Abandoned, s.Failed)
	}
	if err := g.Serve(t.Context()); err == nil {
		t.Error("a second run is accepted")
	}
}

func TestGeneratorRefusesWhatIsNotHTTP(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(c, "SSH-2.0-NotThisOne\r\n")
			c.Close()
		}
	}()
	s := runLoad(t, Load{
		Targets: []string{"http://" + listener.Addr().String()}, Rate: 100, Duration: 200 * time.Millisecond, Timeout: deadline,
	})
	if s.Broken != s.Requests || s.Requests == 0 {
		t.Errorf("%d of %d broken", s.Broken, s.Requests)
	}
}

// poll waits until a condition holds.
func poll(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("timed out waiting for: %s", what)
		}
	}
}
