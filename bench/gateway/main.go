// Command gateway measures what a request costs Afloat's gateway, HAProxy and
// nginx when they do equal work.
//
//	go run ./bench/gateway
//
// Each proxy in turn has one core for itself; the service behind it and the
// load (wrk) share the other. What is counted is the proxy's CPU time, since
// that moves least with whatever else the machine does. The proxies'
// configurations are in testdata.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	do := run
	if os.Getenv(pacing) != "" {
		do = func(ctx context.Context, args []string) error { return pace(ctx, args, os.Stdout) }
	}
	if err := do(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench/gateway:", err)
		stop()
		os.Exit(1)
	}
}

// options are what the command line sets.
type options struct {
	rounds      int
	duration    time.Duration
	connections []int
	idle        int
	afloat      string
	json        bool
	readme      bool

	// warmup is how long a proxy works before it is measured, and settle how
	// long it rests before its memory is read.
	warmup, settle time.Duration
}

func parse(args []string) (options, error) {
	o := options{connections: []int{64, 256}, warmup: time.Second, settle: 2 * time.Second}
	f := flag.NewFlagSet("bench/gateway", flag.ContinueOnError)
	f.IntVar(&o.rounds, "rounds", 5, "rounds; in each, every proxy is measured once")
	f.DurationVar(&o.duration, "duration", 5*time.Second, "length of a measurement, in whole seconds")
	f.Func("connections", "keep-alive connections of the load, a comma-separated list (default 64,256)", func(s string) (err error) {
		o.connections, err = parseConnections(s)
		return err
	})
	f.IntVar(&o.idle, "idle", idleMax, "idle connections for the measurement of memory; 0 skips it")
	f.StringVar(&o.afloat, "afloat", "", "afloat binary to measure (default: built from this module)")
	f.BoolVar(&o.json, "json", false, "print JSON, with every single measurement")
	f.BoolVar(&o.readme, "readme", false, "put the table into bench/README.md as well")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	return o, o.validate()
}

// connectionsMax is what the proxies' configurations leave room for.
const connectionsMax = 2000

// idleMax is how many connections may be idle.
const idleMax = 10_000

func parseConnections(s string) (all []int, err error) {
	for one := range strings.SplitSeq(s, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(one))
		if err != nil || n < 1 || n > connectionsMax {
			return nil, fmt.Errorf("want numbers from 1 to %d, got %q", connectionsMax, one)
		}
		all = append(all, n)
	}
	return all, nil
}

func (o *options) validate() error {
	switch {
	case o.rounds < 1 || o.rounds > 100:
		return fmt.Errorf("-rounds: want 1 to 100, got %d", o.rounds)
	case o.duration < time.Second || o.duration > 10*time.Minute || o.duration%time.Second != 0:
		return fmt.Errorf("-duration: want whole seconds up to 10m, got %v", o.duration)
	case o.idle < 0 || o.idle > idleMax:
		return fmt.Errorf("-idle: want 0 to %d, got %d", idleMax, o.idle)
	}
	return nil
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer b.close()
	report, err := b.measure(ctx)
	if err != nil {
		return err
	}
	if o.json {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		err = out.Encode(report)
	} else {
		err = report.write(os.Stdout)
	}
	if err == nil && o.readme {
		err = report.writeReadme()
	}
	return err
}
