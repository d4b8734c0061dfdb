package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/afloat-dev/afloat/bench/rig"
	"github.com/afloat-dev/afloat/internal/freeport"
)

// fault is a way for a whole service to be out of order.
type fault struct {
	name  string
	mode  mode
	make  func(dir, afloat string) (victim, error)
	rates []float64 // requests a second
}

var faults = []fault{
	{"every answer is a 500", failing, newService, []float64{100, 5}},
	{"nobody listens", gone, newService, []float64{100, 5}},
	{"no answer comes", hanging, newService, []float64{100, 5}},
	{"the only replica is killed and does not start", gone, newReplica, []float64{100, 2}},
}

// victim is a service that can be broken.
type victim interface {
	yaml() string // how Afloat is told of it
	set(m mode) error
	close()
}

// mode is how the service behaves.
type mode int32

const (
	healthy mode = iota
	failing
	gone
	hanging
)

// service is one that can be broken. Its listener stays, so that its port does:
// when it is gone, connections are reset.
type service struct {
	mode   atomic.Int32
	server *http.Server
	addr   string
}

func newService(_, _ string) (victim, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &service{addr: l.Addr().String()}
	s.serve(l)
	return s, nil
}

func (s *service) yaml() string { return fmt.Sprintf("{endpoints: ['%s'], timeout: 1s}", s.addr) }

func (s *service) close() { _ = s.server.Close() }

func (s *service) serve(l net.Listener) {
	s.server = &http.Server{Handler: http.HandlerFunc(s.answer), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = s.server.Serve(l) }() // ends when the server is closed
}

func (s *service) answer(w http.ResponseWriter, r *http.Request) {
	switch mode(s.mode.Load()) {
	case failing:
		w.WriteHeader(http.StatusInternalServerError)
	case hanging:
		<-r.Context().Done()
	default:
		_, _ = w.Write([]byte("ok\n"))
	}
}

// set breaks the service, or heals it.
func (s *service) set(m mode) error {
	was := mode(s.mode.Swap(int32(m)))
	if m == gone || m == hanging || was == hanging {
		if err := s.server.Close(); err != nil { // with what is under way
			return err
		}
	}
	if m == gone || was != gone && was != hanging && m != hanging {
		return nil
	}
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		return err
	}
	s.serve(l)
	return nil
}

// hook is the webhook.
type hook struct {
	server *http.Server
	url    string
	got    chan notice
}

type notice struct {
	at     time.Time
	status string
	alerts []told
}

// told is what a notice says of an alert.
type told struct{ Labels, Annotations map[string]string }

// only reports whether the notice is of such alerts alone.
func (n notice) only(name, tier string) bool {
	return !slices.ContainsFunc(n.alerts, func(a told) bool { return a.Labels["alertname"] != name || a.Labels["tier"] != tier })
}

func (n notice) String() string {
	text := n.at.Format(time.TimeOnly) + " " + n.status
	for _, a := range n.alerts {
		text += fmt.Sprintf("; %s %s: %s", a.Labels["tier"]+" "+a.Labels["alertname"], a.Labels["service"], a.Annotations["summary"])
	}
	return text
}

func newHook() (*hook, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &hook{url: "http://" + l.Addr().String(), got: make(chan notice, 1000)}
	h.server = &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := time.Now()
		var n struct {
			Status string
			Alerts []told
		}
		if err := json.NewDecoder(r.Body).Decode(&n); err == nil {
			h.got <- notice{at, n.Status, n.Alerts}
		}
	})}
	go func() { _ = h.server.Serve(l) }() // ends when the server is closed
	return h, nil
}

const (
	noticeMax = 30 * time.Second // until it is given up
	calm      = 4 * time.Second  // before each outage, and while nothing more must be told
)

// await returns the next notice, which must say this.
func (h *hook) await(ctx context.Context, status string) (time.Time, error) {
	select {
	case <-ctx.Done():
		return time.Time{}, ctx.Err()
	case <-time.After(noticeMax):
		return time.Time{}, fmt.Errorf("nobody was told that it is %s within %v", status, noticeMax)
	case n := <-h.got:
		if n.status != status {
			return time.Time{}, fmt.Errorf("told that it is %s, want %s", n.status, status)
		}
		return n.at, nil
	}
}

// more counts the notices that came beside those that were awaited.
func (h *hook) more() int { return len(h.got) }

// rest are the notices that came beside those that were awaited.
func (h *hook) rest() (all []notice) {
	for len(h.got) > 0 {
		all = append(all, <-h.got)
	}
	return all
}

// measure breaks a service behind a new Afloat so many times.
func measure(ctx context.Context, afloat string, f fault, rate float64, outages int) (*result, error) {
	dir, err := os.MkdirTemp("", "bench-alerts-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s, err := f.make(dir, afloat)
	if err != nil {
		return nil, err
	}
	defer s.close()
	h, err := newHook()
	if err != nil {
		return nil, err
	}
	defer func() { _ = h.server.Close() }()
	listen, stop, err := start(afloat, dir, "{web: "+s.yaml()+"}", h.url)
	if err != nil {
		return nil, err
	}
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go load(ctx, "http://"+listen, rate)

	r := &result{outages: outages}
	for range outages {
		if err := pause(ctx, calm+rand.N(time.Second)); err != nil {
			return nil, err
		}
		broken := time.Now()
		if err := s.set(f.mode); err != nil {
			return nil, err
		}
		at, err := h.await(ctx, "firing")
		if err != nil {
			return nil, err
		}
		r.told = append(r.told, at.Sub(broken).Seconds())
		if err := pause(ctx, calm+rand.N(time.Second)); err != nil { // at no fixed moment of Afloat's beat
			return nil, err
		}
		healed := time.Now()
		if err := s.set(healthy); err != nil {
			return nil, err
		}
		if at, err = h.await(ctx, "resolved"); err != nil {
			return nil, err
		}
		r.over = append(r.over, at.Sub(healed).Seconds())
		r.notices += 2
	}
	if err := pause(ctx, calm); err != nil {
		return nil, err
	}
	r.notices += h.more()
	return r, nil
}

// start runs an Afloat as an operator would, with what it does by default.
func start(afloat, dir, services, hook string) (listen string, stop func(), err error) {
	addresses, err := freeport.Addresses(2)
	if err != nil {
		return "", nil, err
	}
	text := fmt.Sprintf("listen: %s\nadmin: {address: '%s'}\ndata: %s\nservices: %s\nalerts: {receivers: {hook: '%s'}}\nslo: {web: 99.9%%}\n",
		addresses[0], addresses[1], filepath.Join(dir, "data"), services, hook)
	file := filepath.Join(dir, "afloat.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return "", nil, err
	}
	p, err := rig.Start(nil, afloat, "run", "-f", file)
	if err != nil {
		return "", nil, err
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if res, err := http.Get("http://" + addresses[1] + "/healthz"); err == nil {
			res.Body.Close()
			return addresses[0], p.Stop, nil
		}
	}
	p.Stop()
	return "", nil, errors.New("Afloat does not answer: " + p.Said())
}

// load sends requests when they are due, whether or not others were answered.
func load(ctx context.Context, url string, rate float64) {
	client := &http.Client{Timeout: 5 * time.Second}
	tick := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			go func() {
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
				if err != nil {
					return
				}
				if res, err := client.Do(req); err == nil {
					res.Body.Close()
				}
			}()
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
