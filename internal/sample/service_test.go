package sample

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// ask calls the service directly and returns the status and the body.
func ask(s *Service, method, target string) (int, string) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, target, nil)
	r.RemoteAddr = "127.0.0.1:4711"
	s.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestServiceNamesReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, method := range []string{"GET", "POST"} {
			status, body := ask(New(Config{Name: "seven"}), method, "/")
			var answer struct{ Replica string }
			if err := json.Unmarshal([]byte(body), &answer); err != nil {
				t.Fatal(err)
			}
			if status != 200 || answer.Replica != "seven" || len(body) != bodySize {
				t.Errorf("%s: status %d, replica %q, %d bytes", method, status, answer.Replica, len(body))
			}
		}
		if status, _ := ask(New(Config{}), "GET", "/elsewhere"); status != 404 {
			t.Errorf("an unknown path answers %d", status)
		}
	})
}

func TestServiceCapacityIsWorkersOverServiceTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{Workers: 4, ServiceTime: 20 * time.Millisecond})
		begin := time.Now()
		var all sync.WaitGroup
		for range 400 {
			all.Go(func() {
				if status, _ := ask(s, "GET", "/"); status != 200 {
					t.Errorf("status %d", status)
				}
			})
		}
		all.Wait()
		if took := time.Since(begin); took < 1900*time.Millisecond || took > 2100*time.Millisecond {
			t.Errorf("400 requests took %v, want about 2s", took)
		}
	})
}

func TestServiceWorksForClientsThatLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{Workers: 1, ServiceTime: 100 * time.Millisecond})
		gone, leave := context.WithCancel(t.Context())
		for range 10 {
			go s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(gone, "GET", "/", nil))
		}
		synctest.Wait()
		leave()
		begin := time.Now()
		ask(s, "GET", "/")
		if took := time.Since(begin); took < 900*time.Millisecond {
			t.Errorf("answered after %v, ahead of requests that came before", took)
		}
	})
}

func TestServiceHealthDoesNotQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{Workers: 1, ServiceTime: time.Hour})
		go ask(s, "GET", "/")
		synctest.Wait()
		begin := time.Now()
		if status, _ := ask(s, "GET", "/health"); status != 200 || time.Since(begin) > 0 {
			t.Errorf("health answers %d after %v", status, time.Since(begin))
		}
		time.Sleep(2 * time.Hour)
	})
}

func TestServiceStopsGracefully(t *testing.T) {
	s := New(Config{ServiceTime: 300 * time.Millisecond, Drain: time.Minute})
	url, stop, done := serve(t, s)
	answered := make(chan int, 1)
	go func() { answered <- get(url + "/") }()
	poll(t, "request at work", func() bool { return len(s.workers) == 1 })
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if status := <-answered; status != 200 {
		t.Errorf("the request under way got %d, want 200", status)
	}
	if status := get(url + "/health"); status != 0 {
		t.Errorf("a stopped service answers %d", status)
	}
}

func TestServiceStopsWhileItHangs(t *testing.T) {
	s := New(Config{Workers: 1, Drain: time.Minute})
	if err := s.SetFault(Fault{Hang: true}); err != nil {
		t.Fatal(err)
	}
	url, stop, done := serve(t, s)
	answered := make(chan int, 3)
	for range 3 { // one hangs at work, two behind it
		go func() { answered <- get(url + "/") }()
	}
	poll(t, "request at work", func() bool { return len(s.workers) == 1 })
	begin := time.Now()
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("the end took %v, as if it waited for what hangs", took)
	}
	for range 3 {
		if status := <-answered; status != 0 {
			t.Errorf("a request that hangs got %d", status)
		}
	}
}

// serve runs a service on a free port.
func serve(t *testing.T, s *Service) (url string, stop context.CancelFunc, done chan error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done = make(chan error, 1)
	go func() { done <- s.Serve(ctx, listener) }()
	t.Cleanup(stop)
	return "http://" + listener.Addr().String(), stop, done
}

// get returns the status of an answer, or 0 if there is none.
func get(url string) int {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(url)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

// poll waits until a condition holds.
func poll(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("timed out waiting for: %s", what)
		}
	}
}

func TestBodyOfLongNameIsStillJSON(t *testing.T) {
	body := bodyOf(strings.Repeat("n", 2*bodySize))
	if !json.Valid(body) {
		t.Errorf("%q", body)
	}
}
