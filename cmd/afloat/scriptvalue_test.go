package main

import (
	"encoding/json"
	"math"
	"net"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/afloat-dev/afloat/internal/freeport"
)

func freePort(ts *testscript.TestScript) string {
	all, err := freeport.Addresses(1)
	ts.Check(err)
	_, port, err := net.SplitHostPort(all[0])
	ts.Check(err)
	return port
}

func cmdPorts(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) > 0, "ports NAME...")
	for _, name := range args {
		set(ts, name, freePort(ts))
	}
}

func cmdHold(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 1, "hold NAME")
	l, err := net.Listen("tcp", "127.0.0.1:"+freePort(ts))
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	ts.Check(err)
	set(ts, args[0], port)
}

func cmdPick(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 2, "pick NAME REGEXP")
	set(ts, args[0], picked(ts, args[1]))
}

// picked is the first group of a pattern in what the last command printed.
func picked(ts *testscript.TestScript, pattern string) string {
	match := compile(ts, pattern).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(match) < 2 {
		ts.Fatalf("no %s in stdout", pattern)
	}
	return match[1]
}

func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, len(args) == 0, "[!] json")
	if valid := json.Valid([]byte(ts.ReadFile("stdout"))); valid == neg {
		ts.Fatalf("stdout is JSON: %t", valid)
	}
}

func cmdShare(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, !neg && len(args) == 3, "share REGEXP N P")
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	p, err := strconv.ParseFloat(args[2], 64)
	ts.Check(err)
	got, err := strconv.Atoi(picked(ts, args[0]))
	ts.Check(err)
	if low, high := binomialBounds(n, p); got < low || got > high {
		ts.Fatalf("%d of %d: with a chance of %v, 9999 times of 10000 it is from %d to %d", got, n, p, low, high)
	}
}

// binomialBounds are between which a binomial count falls with a probability of
// at least 99.99%, half of what is left on either side.
func binomialBounds(n int, p float64) (low, high int) {
	const tail = 0.0001 / 2
	chance := func(k int) float64 {
		if p == 0 || p == 1 {
			if float64(k) == p*float64(n) {
				return 1
			}
			return 0
		}
		choose := lgamma(n+1) - lgamma(k+1) - lgamma(n-k+1)
		return math.Exp(choose + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
	}
	high = n
	for below := chance(0); below <= tail && low < n; below += chance(low) {
		low++
	}
	for above := chance(n); above <= tail && high > 0; above += chance(high) {
		high--
	}
	return low, high
}

func lgamma(n int) float64 {
	v, _ := math.Lgamma(float64(n)) // positive for n > 0
	return v
}

func TestBinomialBoundsHoldAgainstTables(t *testing.T) {
	for _, c := range []struct {
		n         int
		p         float64
		low, high int
	}{
		{10, 1, 10, 10},
		{10, 0, 0, 0},
		{20, 0.5, 2, 18},     // P(X<=1) is 2.0e-5, P(X<=2) 2.0e-4
		{4000, 0.001, 0, 14}, // as Poisson with mean 4: P(X>14) is 2.0e-5
	} {
		if low, high := binomialBounds(c.n, c.p); low != c.low || high != c.high {
			t.Errorf("n=%d p=%v: %d to %d, want %d to %d", c.n, c.p, low, high, c.low, c.high)
		}
	}
}
