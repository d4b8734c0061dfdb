// Command storm has the same faults befall the same service behind Afloat's
// gateway, HAProxy and nginx, and counts what users had of it.
//
//	go run ./bench/storm
//
// Users come in an open loop: when they are due, whether or not earlier ones
// were answered. Replicas are processes, so that they are really killed,
// stopped and cut off. The gateways' configurations are in testdata.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/afloat-dev/afloat/internal/sample"
)

// Programs that this one is as well.
const (
	verbReplica = "replica"
	verbKeeper  = "keeper"
)

// ours is the gateway that the others are compared with.
const ours = "afloat"

func main() { os.Exit(program(os.Args[1:])) }

// program runs what the arguments name and returns the exit code.
func program(args []string) int {
	if len(args) > 0 && args[0] == verbReplica {
		return sample.Main(args[1:], os.Stderr)
	}
	if len(args) == 2 && args[0] == verbKeeper {
		return failure(runKeeper(os.Stdin, args[1]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return failure(run(ctx, args))
}

func failure(err error) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	fmt.Fprintln(os.Stderr, "bench/storm:", err)
	return 1
}

// options are what the command line sets.
type options struct {
	rounds   int
	storms   []string // none: all
	gateways []string // none: all
	afloat   string
	quick    bool
	json     bool
	list     bool
	check    bool
	log      bool
	readme   bool

	// warmup is how long users come before a fault: connections are made, and
	// gateways that learn have learned something. The others bound how long a
	// fault lasts, and the time after it.
	warmup, lastsMax, tailMax time.Duration
	// again is how often a trial that is void is repeated.
	again int
}

func parse(args []string) (options, error) {
	o := options{warmup: 2 * time.Second, lastsMax: time.Minute, tailMax: time.Minute, again: 2}
	f := flag.NewFlagSet("bench/storm", flag.ContinueOnError)
	f.IntVar(&o.rounds, "rounds", 3, "rounds; in each, every storm befalls every gateway once")
	f.Func("storm", "storms, a comma-separated list of what -list names (default all)", words(&o.storms))
	f.Func("gateway", "gateways, a comma-separated list (default all that are installed)", words(&o.gateways))
	f.StringVar(&o.afloat, "afloat", "", "afloat binary to take (default: built from this module)")
	f.BoolVar(&o.quick, "quick", false, "a few storms, shorter, in one round unless -rounds says more")
	f.BoolVar(&o.json, "json", false, "print JSON, with every single trial")
	f.BoolVar(&o.list, "list", false, "list storms and gateways, and what keeps any from running here")
	f.BoolVar(&o.check, "check", false, "exit with 1 if more users failed through Afloat than through another gateway")
	f.BoolVar(&o.log, "log", false, "print the end of what each gateway logged, after its trial")
	f.BoolVar(&o.readme, "readme", false, "put the tables into bench/storm/README.md and bench/README.md as well")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	set := map[string]bool{}
	f.Visit(func(f *flag.Flag) { set[f.Name] = true })
	if o.quick {
		o.warmup, o.lastsMax, o.tailMax, o.again = 1500*time.Millisecond, 2500*time.Millisecond, 1500*time.Millisecond, 1
		if !set["rounds"] {
			o.rounds = 1
		}
	}
	return o, o.validate(f.Args())
}

func words(into *[]string) func(string) error {
	return func(s string) error {
		for word := range strings.SplitSeq(s, ",") {
			*into = append(*into, strings.TrimSpace(word))
		}
		return nil
	}
}

func (o *options) validate(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("argument %q is unknown", rest[0])
	}
	if o.rounds < 1 || o.rounds > 20 {
		return fmt.Errorf("-rounds: want 1 to 20, got %d", o.rounds)
	}
	for _, name := range o.storms {
		if !slices.ContainsFunc(storms, func(s storm) bool { return s.name == name }) {
			return fmt.Errorf("-storm: %q is unknown; -list names all", name)
		}
	}
	for _, name := range o.gateways {
		if !slices.ContainsFunc(gateways(*o), func(g gateway) bool { return g.name() == name }) {
			return fmt.Errorf("-gateway: %q is unknown; -list names all", name)
		}
	}
	return nil
}

// times are how long a storm's fault lasts, and the time after it.
func (o *options) times(s *storm) (lasts, tail time.Duration) {
	return min(s.lasts, o.lastsMax), min(s.tail, o.tailMax)
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.list {
		fmt.Print(list(ctx, o))
		return nil
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
	if err := report.publish(o); err != nil {
		return err
	}
	if o.check {
		return report.verdict()
	}
	return nil
}

// publish prints the report.
func (r *report) publish(o options) error {
	if o.json {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		if err := out.Encode(r); err != nil {
			return err
		}
	} else {
		fmt.Print(r.tables())
	}
	if o.readme {
		return r.writeReadmes()
	}
	return nil
}
