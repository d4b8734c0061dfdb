package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// upstream is a server with the faults that the sample service has not.
type upstream struct {
	name  string
	fail  int64         // so many requests first are answered with 503
	hang  bool          // none is answered
	delay time.Duration // before each answer
	asked atomic.Int64
	ended chan struct{}
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := u.asked.Add(1)
	switch {
	case u.hang:
		select {
		case <-r.Context().Done():
		case <-u.ended:
		}
	case n <= u.fail:
		http.Error(w, "not yet", http.StatusServiceUnavailable)
	default:
		select {
		case <-time.After(u.delay):
		case <-u.ended:
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, "{\"replica\":%q}\n", u.name)
	}
}

func cmdUpstream(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) > 0, "upstream NAME [-fail N] [-hang] [-delay TIME]")
	u := &upstream{name: args[0], ended: make(chan struct{})}
	flags := flag.NewFlagSet("upstream", flag.ContinueOnError)
	flags.Int64Var(&u.fail, "fail", 0, "how many fail first")
	flags.BoolVar(&u.hang, "hang", false, "answer none")
	flags.DurationVar(&u.delay, "delay", 0, "answer after this time")
	ts.Check(flags.Parse(args[1:]))
	l, err := net.Listen("tcp", "127.0.0.1:"+freePort(ts))
	ts.Check(err)
	server := &http.Server{Handler: u, ReadHeaderTimeout: patience}
	go func() { _ = server.Serve(l) }() // ends by Close
	s := of(ts)
	s.servers[args[0]] = u
	s.closers = append(s.closers, func() {
		close(u.ended)
		_ = server.Close() // whoever still asks has been told
	})
	set(ts, args[0], strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
}

func cmdTries(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 2 && of(ts).servers[args[0]] != nil, "tries NAME N")
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	u := of(ts).servers[args[0]]
	for end := time.Now().Add(patience); u.asked.Load() < n && time.Now().Before(end); {
		time.Sleep(interval)
	}
	if got := u.asked.Load(); got != n {
		ts.Fatalf("%s was asked %d times, want %d", args[0], got, n)
	}
}
