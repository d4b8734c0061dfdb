// Package capacity drives open-loop load at HTTP services and records what
// became of every request.
//
// Open-loop means that requests start when they are due, whether or not earlier
// ones were answered, as requests of independent users do. A closed loop waits
// for answers and so spares the target exactly when it is slow.
package capacity

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Load describes the requests that a [Generator] sends. Only Targets must be
// given.
type Load struct {
	// Targets are http:// URLs. With more than one, requests go to them in
	// turn, as with DNS round robin.
	Targets []string
	// Rate is the number of requests due a second over all targets, at first;
	// see [Generator.SetRate]. At most a million.
	Rate float64
	// RateAt, if set, gives the rate at a time since the start and takes the
	// place of Rate. It is asked every 50 ms, from one goroutine.
	RateAt func(elapsed time.Duration) float64
	// Arrival spreads the requests. Default Constant.
	Arrival Arrival
	// Seed makes Poisson arrivals repeatable; 0 is a seed like any other.
	Seed uint64
	// Duration ends the load; 0 goes on until Stop or the end of the context.
	Duration time.Duration
	// Timeout is how long after it was due a request may take in all, reading
	// the body included. It is noticed up to a twentieth, or at least 5 ms, late.
	// Default 5 s.
	Timeout time.Duration
	// Repeats is how often a request that failed or was shed is sent again, at
	// once and with as much time as at first, as impatient clients do. All its
	// tries are one request, which ends as the last of them. Default 0.
	Repeats int
	// Connections bounds the connections to each target. A request that finds
	// none free waits for one. Default 1024.
	Connections int
	// InFlightMax bounds the requests under way over all targets, those that
	// wait for a connection included; what is due beyond it is an overrun.
	// Default: Connections times the number of targets.
	InFlightMax int
	// Method is the request's method. Default GET.
	Method string
	// Header is sent along. Host and framing are the generator's own, unless
	// Host is given.
	Header http.Header
	// Body is sent with every request.
	Body []byte
}

// repeatsMax bounds Load.Repeats.
const repeatsMax = 100

// A target is where requests go: an address to dial and the bytes to send.
type target struct {
	address string
	request []byte
	head    bool // answers carry no body
}

// withDefaults returns the load with defaults filled in, or everything that is
// wrong with it.
func (l Load) withDefaults() (Load, error) {
	var problems []error
	check := func(good bool, format string, args ...any) {
		if !good {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(len(l.Targets) > 0, "no target")
	check(l.Rate >= 0 && l.Rate <= rateMax, "rate %v: want 0 to %v requests a second", l.Rate, float64(rateMax))
	check(l.Duration >= 0, "duration %v is negative", l.Duration)
	check(l.Timeout >= 0, "timeout %v is negative", l.Timeout)
	check(l.Repeats >= 0 && l.Repeats <= repeatsMax, "repeats %d: want 0 to %d", l.Repeats, repeatsMax)
	check(l.Connections >= 0, "connections %d is negative", l.Connections)
	check(l.InFlightMax >= 0, "in flight at most %d is negative", l.InFlightMax)
	check(l.Arrival == Constant || l.Arrival == Poisson, "arrival %v is unknown", l.Arrival)
	l.Timeout = defaultTo(l.Timeout, 5*time.Second)
	if l.Connections == 0 {
		l.Connections = 1024
	}
	if l.InFlightMax == 0 {
		l.InFlightMax = l.Connections * max(len(l.Targets), 1)
	}
	if l.Method == "" {
		l.Method = http.MethodGet
	}
	check(validToken(l.Method), "method %q is not a token", l.Method)
	for name, values := range l.Header {
		check(validToken(name), "header name %q is not a token", name)
		check(!slices.ContainsFunc(values, hasControl), "header %s has a control character", name)
	}
	return l, errors.Join(problems...)
}

// targetOf turns a URL into an address and a ready request.
func (l Load) targetOf(raw string) (target, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return target{}, fmt.Errorf("target: %w", err)
	}
	if u.Scheme != "http" || u.Hostname() == "" {
		return target{}, fmt.Errorf("target %q: want http://host[:port][/path]", raw)
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	return target{
		address: net.JoinHostPort(u.Hostname(), port),
		request: l.requestFor(u),
		head:    l.Method == http.MethodHead,
	}, nil
}

func (l Load) requestFor(u *url.URL) []byte {
	header := l.Header.Clone()
	host := u.Host
	if h := header.Get("Host"); h != "" {
		host = h
	}
	for _, own := range []string{"Host", "Content-Length", "Transfer-Encoding", "Connection"} {
		header.Del(own)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", l.Method, u.RequestURI(), host)
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, value := range header[name] {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	if len(l.Body) > 0 || l.Method == http.MethodPost || l.Method == http.MethodPut || l.Method == http.MethodPatch {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(l.Body))
	}
	b.WriteString("\r\n")
	b.Write(l.Body)
	return b.Bytes()
}

// validToken reports whether s is a token in the sense of RFC 9110, 5.6.2.
func validToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}
