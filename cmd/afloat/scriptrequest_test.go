package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httputil"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// bodyMax bounds what is read of a response.
const bodyMax = 4 << 20

// asked is a request as a command gives it.
type asked struct {
	flags *flag.FlagSet
	host  string
	token string
	url   string
}

func newAsked(name string) *asked {
	a := &asked{flags: flag.NewFlagSet(name, flag.ContinueOnError)}
	a.flags.StringVar(&a.host, "host", "", "the Host header")
	a.flags.StringVar(&a.token, "bearer", "", "the token")
	return a
}

// parse reads flags and the URL; it returns the arguments after it.
func (a *asked) parse(ts *testscript.TestScript, args []string) []string {
	ts.Check(a.flags.Parse(args))
	want(ts, a.flags.NArg() > 0, a.flags.Name()+" [FLAG...] URL")
	a.url = a.flags.Arg(0)
	return a.flags.Args()[1:]
}

func (a *asked) do(client *http.Client) (*http.Response, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, a.url, nil)
	if err != nil {
		return nil, err
	}
	req.Host = a.host
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	return client.Do(req)
}

// newClient has enough connections for the callers. Without keepAlive each
// request has its own, so that the client itself repeats nothing.
func newClient(callers int, keepAlive bool) *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{
		MaxIdleConnsPerHost: callers, MaxConnsPerHost: callers, DisableKeepAlives: !keepAlive,
	}}
}

func cmdGet(ts *testscript.TestScript, neg bool, args []string) {
	a := newAsked("get")
	want(ts, !neg && len(a.parse(ts, args)) == 0, "get [-host HOST] URL")
	res, err := a.do(newClient(1, false))
	ts.Check(err)
	defer res.Body.Close()
	text, err := httputil.DumpResponse(res, true)
	ts.Check(err)
	_, _ = ts.Stdout().Write(text)
}

func cmdPut(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 1, "put URL")
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPut, args[0], nil)
	ts.Check(err)
	res, err := newClient(1, false).Do(req)
	ts.Check(err)
	_ = res.Body.Close() // its status says it all
	if res.StatusCode != http.StatusOK {
		ts.Fatalf("%s", res.Status)
	}
}

func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	a := newAsked("await")
	rest := a.parse(ts, args)
	want(ts, !neg && len(rest) == 1, "await [-host HOST] URL STATUS")
	client, last := newClient(1, false), ""
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(interval) {
		res, err := a.do(client)
		if err != nil {
			if last = err.Error(); rest[0] == "refused" && errors.Is(err, syscall.ECONNREFUSED) {
				return
			}
			continue
		}
		_ = res.Body.Close() // it was only looked at
		if last = strconv.Itoa(res.StatusCode); last == rest[0] {
			return
		}
	}
	ts.Fatalf("%s: %s, want %s", a.url, last, rest[0])
}

// report counts what came of requests.
type report struct {
	mu     sync.Mutex // guards the counts
	counts map[string]int
}

var replicaIn = regexp.MustCompile(`"replica":"([^"]*)"`)

// ask makes a request and counts its status, who answered it, and whether it
// took longer than slow.
func (r *report) ask(a *asked, client *http.Client, slow time.Duration) {
	began := time.Now()
	outcome, by := "", ""
	res, err := a.do(client)
	if err == nil {
		var body []byte
		body, err = io.ReadAll(io.LimitReader(res.Body, bodyMax))
		_ = res.Body.Close() // was read to its end, or failed
		outcome = fmt.Sprintf("status %d", res.StatusCode)
		if m := replicaIn.FindSubmatch(body); m != nil {
			by = "by " + string(m[1])
		}
	}
	if err != nil {
		outcome = "failed: " + err.Error()
	}
	took := time.Since(began)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[outcome]++
	if by != "" {
		r.counts[by]++
	}
	if slow > 0 && took >= slow {
		r.counts["slow"]++
	}
}

func (r *report) print(out io.Writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(r.counts)) {
		fmt.Fprintf(out, "%s: %d\n", name, r.counts[name])
	}
}

func cmdLoad(ts *testscript.TestScript, neg bool, args []string) {
	a := newAsked("load")
	n := a.flags.Int("n", 100, "how many")
	callers := a.flags.Int("c", 4, "how many at a time")
	slow := a.flags.Duration("slow", 0, "count those that take this long")
	want(ts, !neg && len(a.parse(ts, args)) == 0, "load [FLAG...] URL")
	r := &report{counts: map[string]int{}}
	if *slow > 0 {
		r.counts["slow"] = 0
	}
	client := newClient(*callers, true)
	defer client.CloseIdleConnections()
	var made atomic.Int64
	var group sync.WaitGroup
	for range *callers {
		group.Go(func() {
			for made.Add(1) <= int64(*n) {
				r.ask(a, client, *slow)
			}
		})
	}
	group.Wait()
	r.print(ts.Stdout())
}

// drive is load in the background, with a pause after each request.
type drive struct {
	cancel context.CancelFunc
	n      int // how many requests; 0: until it is reaped
	group  sync.WaitGroup
	report report
}

const (
	driveCallers = 2
	drivePause   = 5 * time.Millisecond
)

func (d *drive) stop() {
	d.cancel()
	d.group.Wait()
}

func cmdDrive(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) > 1, "drive NAME [-host HOST] [-n N] URL")
	a := newAsked("drive")
	n := a.flags.Int("n", 0, "how many; 0: until reap")
	want(ts, len(a.parse(ts, args[1:])) == 0, "drive NAME [-host HOST] [-n N] URL")
	ctx, cancel := context.WithCancel(context.Background())
	d := &drive{cancel: cancel, n: *n, report: report{counts: map[string]int{}}}
	of(ts).drives[args[0]] = d
	client := newClient(driveCallers, false)
	var made atomic.Int64
	for range driveCallers {
		d.group.Go(func() {
			for ctx.Err() == nil && (d.n == 0 || made.Add(1) <= int64(d.n)) {
				d.report.ask(a, client, 0)
				time.Sleep(drivePause)
			}
		})
	}
}

func cmdReap(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 1 && of(ts).drives[args[0]] != nil, "reap NAME")
	d := of(ts).drives[args[0]]
	if d.n > 0 {
		d.group.Wait()
	}
	d.stop()
	d.report.print(ts.Stdout())
}
