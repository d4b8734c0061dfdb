package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// tattler prints what happens to endpoints.
type tattler struct{ nothing }

func (tattler) Event(e Event) { fmt.Println("event", e.Kind, e.Endpoint, e.To, e.Why) }

// TestStandingProcess is no test but the gateway of [TestStalledGatewayBlamesNobody].
func TestStandingProcess(t *testing.T) {
	endpoints := os.Getenv("STALL_ENDPOINTS")
	if endpoints == "" {
		t.Skip("it is run by another test")
	}
	sc := ServiceConfig{
		Endpoints:  Addresses(strings.Split(endpoints, ",")...),
		TryTimeout: 400 * ms,
		Breaker:    policy.BreakerConfig{ConsecutiveFailures: 2},
		Health:     HealthConfig{Path: "/health", Interval: 50 * ms, Timeout: 400 * ms, UnhealthyThreshold: 1},
	}
	g := New(Options{Observer: tattler{}})
	c := oneService(sc)
	c.Listeners = []ListenerConfig{{Address: "127.0.0.1:0"}}
	if err := g.Apply(c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { io.Copy(io.Discard, os.Stdin); cancel() }()
	fmt.Println("ready at", g.Addresses()[0])
	g.Serve(ctx)
	fmt.Println("limit:", g.Status().Services[0].LimitWhy)
}

// TestStalledGatewayBlamesNobody stops a gateway, a process of its own, with
// requests and health checks under way that its endpoints answer meanwhile.
func TestStalledGatewayBlamesNobody(t *testing.T) {
	var waiting atomic.Int64
	var endpoints []string
	for range 3 {
		endpoints = append(endpoints, origin(t, func(w http.ResponseWriter, r *http.Request) {
			waiting.Add(1)
			time.Sleep(100 * ms)
			waiting.Add(-1)
		}))
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestStandingProcess$", "-test.v")
	cmd.Env = append(os.Environ(), "STALL_ENDPOINTS="+strings.Join(endpoints, ","))
	stdin, _ := cmd.StdinPipe()
	stdout, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGCONT)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	lines := bufio.NewScanner(stdout)
	url := ""
	for url == "" && lines.Scan() {
		if _, address, ok := strings.Cut(lines.Text(), "ready at "); ok {
			url = "http://" + address
		}
	}
	var users sync.WaitGroup
	for range 12 {
		users.Go(func() {
			for range 5 {
				if status, body := get(t, url); status != 200 {
					t.Errorf("a user got %d: %s", status, body)
				}
			}
		})
	}
	for range 3 {
		eventually(t, "requests are under way", func() bool { return waiting.Load() > 8 })
		if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the endpoints have answered", func() bool { return waiting.Load() == 0 })
		time.Sleep(time.Second) // for how long it is stopped, whatever else happens
		if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	users.Wait()
	stdin.Close()
	for lines.Scan() {
		if e := lines.Text(); strings.Contains(e, "down") || strings.Contains(e, "eject") || strings.Contains(e, "open") {
			t.Errorf("an endpoint was blamed: %s", e)
		}
		if _, words, ok := strings.Cut(lines.Text(), "calls took "); ok {
			text, _, _ := strings.Cut(words, " ")
			if took, err := time.ParseDuration(text); err != nil || took > time.Second {
				t.Errorf("the limit has learned from the stall: %s", lines.Text())
			}
		}
	}
}

func TestLagKnowsThatAfloatStoodStill(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := new(lag)
		if l.stalledSince(time.Now(), time.Now()) {
			t.Error("it stood still before anybody measured")
		}
		ctx, cancel := context.WithCancel(t.Context())
		go l.watch(ctx)
		time.Sleep(time.Second + lagInterval/2) // between two measurements
		before := time.Now()
		if l.stalledSince(before.Add(-time.Second), time.Now()) {
			t.Error("it did not stand still")
		}
		l.beat.Store(int64(time.Since(clock) - time.Second/2)) // as if nothing had run since
		if !l.stalledSince(before, time.Now()) {
			t.Error("whoever wakes first does not see it")
		}
		time.Sleep(lagInterval)
		synctest.Wait()
		if !l.stalledSince(before, time.Now()) || l.stalledSince(time.Now(), time.Now()) {
			t.Error("want a stall after the moment before it, and none since now")
		}
		cancel()
		synctest.Wait()
		time.Sleep(time.Minute)
		if l.stalledSince(time.Now(), time.Now()) {
			t.Error("nobody measures any more, and that is no stall")
		}
	})
}
