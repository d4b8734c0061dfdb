// Package sample is a small HTTP service to try Afloat on: naive as many
// services are, of a known capacity, and able to misbehave on request.
package sample

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// bodySize is about what the answer to a request weighs, in bytes.
const bodySize = 1024

// Config describes a [Service]. The zero value is ready.
type Config struct {
	// Name is the replica's name in its answers. Default "replica".
	Name string
	// Workers is how many requests are worked on at once. Default 4.
	Workers int
	// ServiceTime is how long a worker takes for one request, give or take a
	// tenth. Default 20 ms. The capacity is Workers / ServiceTime: 200 requests
	// a second.
	ServiceTime time.Duration
	// Drain is how long requests under way may take after Serve was told to
	// stop. Default 5 s.
	Drain time.Duration
	// Version is in the header X-Version of every answer to a request. Default:
	// no such header.
	Version string
	// Errors is the share of requests that fail from the start; see [Fault].
	Errors float64
}

// A Service answers GET and POST / with about 1 KiB of JSON that names the
// replica.
//
// Requests take one of a few workers in the order in which they came. The queue
// in front of the workers has no limit and no timeout, on purpose: requests
// whose client has given up are still worked on. Under more load than it can
// bear, such a service answers everybody too late and nobody in time, which is
// what protection is for.
//
// GET /health does not queue for a worker, as health endpoints usually do not,
// and so stays good under overload; but it hangs when the service hangs.
//
// PUT and DELETE /fault set and clear a [Fault]; see [Service.ServeHTTP].
type Service struct {
	config  Config
	body    []byte
	workers chan struct{} // senders block in the order in which they came
	mux     *http.ServeMux

	stopped chan struct{}
	stop    sync.Once

	mu     sync.Mutex
	fault  Fault
	unhung chan struct{} // closed when the service does not hang
}

// New returns a Service. Values that are not positive take their default.
func New(config Config) *Service {
	if config.Name == "" {
		config.Name = "replica"
	}
	if config.Workers <= 0 {
		config.Workers = 4
	}
	if config.ServiceTime <= 0 {
		config.ServiceTime = 20 * time.Millisecond
	}
	if config.Drain <= 0 {
		config.Drain = 5 * time.Second
	}
	s := &Service{
		config:  config,
		body:    bodyOf(config.Name),
		workers: make(chan struct{}, config.Workers),
		mux:     http.NewServeMux(),
		stopped: make(chan struct{}),
		unhung:  make(chan struct{}),
	}
	close(s.unhung)
	s.fault.Errors = config.Errors
	s.mux.HandleFunc("GET /{$}", s.serveWork)
	s.mux.HandleFunc("POST /{$}", s.serveWork)
	s.mux.HandleFunc("GET /health", s.serveHealth)
	s.mux.HandleFunc("GET /fault", ownerOnly(s.showFault))
	s.mux.HandleFunc("PUT /fault", ownerOnly(s.putFault))
	s.mux.HandleFunc("DELETE /fault", ownerOnly(s.deleteFault))
	return s
}

// ServeHTTP answers GET and POST /, GET /health, and GET, PUT and DELETE
// /fault, for example PUT /fault?errors=0.3&slow=10&hang=1. A PUT replaces the
// fault that was set. Faults take orders from this machine alone, and not
// through a proxy.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mux.ServeHTTP(w, r)
}

// Serve answers on the listener until the context ends, then lets requests that
// are under way finish, for at most Config.Drain, and returns nil. Requests that
// hang are cut off at once.
func (s *Service) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	s.stop.Do(func() { close(s.stopped) })
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.Drain)
	defer cancel()
	if err := server.Shutdown(draining); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("shut down: %w", err)
	}
	server.Close()
	return nil
}

// serveWork works and answers. It never looks at the request's context:
// a naive service does not notice that its client went away.
func (s *Service) serveWork(w http.ResponseWriter, r *http.Request) {
	fault := s.work()
	if s.config.Version != "" {
		w.Header().Set("X-Version", s.config.Version)
	}
	if rand.Float64() < fault.Errors {
		http.Error(w, "the replica "+s.config.Name+" failed, as it was told to", http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(s.body)))
	w.Write(s.body) // an error means that the client is gone
}

// work waits for a worker, occupies it for the time that a request takes, and
// returns the fault under which it was done.
func (s *Service) work() Fault {
	s.workers <- struct{}{}
	defer func() { <-s.workers }()
	s.hang()
	fault := s.Fault()
	took := float64(s.config.ServiceTime) * (0.9 + 0.2*rand.Float64())
	time.Sleep(time.Duration(took * max(fault.Slow, 1)))
	return fault
}

func (s *Service) serveHealth(w http.ResponseWriter, r *http.Request) {
	s.hang()
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, "{\"status\":\"ok\",\"replica\":%q}\n", s.config.Name)
}

// bodyOf returns the answer to GET /, of about bodySize bytes.
func bodyOf(name string) []byte {
	answer := struct {
		Replica string `json:"replica"`
		Process int    `json:"process"`
		Text    string `json:"text"`
	}{Replica: name, Process: os.Getpid()}
	const sentence = "Whatever fails, somebody's request is still on its way. "
	bare, _ := json.Marshal(answer) // strings and numbers always marshal
	filler := strings.Repeat(sentence, bodySize/len(sentence)+1)
	answer.Text = filler[:max(bodySize-1-len(bare), 0)]
	full, _ := json.Marshal(answer)
	return append(full, '\n')
}
