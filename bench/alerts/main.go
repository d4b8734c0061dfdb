// Command alerts breaks a service behind a real Afloat, again and again, and
// measures when a webhook outside the process is told.
//
//	go run ./bench/alerts
//	go run ./bench/alerts -soak 1h
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/afloat-dev/afloat/bench/rig"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench/alerts:", err)
		os.Exit(1)
	}
}

// promise is within which time a notice must have come, in the median.
const promise = 3 * time.Second

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench/alerts", flag.ContinueOnError)
	outages := flags.Int("outages", 10, "outages of each kind")
	soaked := flags.Duration("soak", 0, "run under what is normal for so long, and through two outages, in place of measuring; 1h is the promise")
	readme := flags.Bool("readme", false, "write the table into bench/alerts/README.md")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-alerts-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	afloat, err := rig.BuildAfloat(ctx, dir)
	if err != nil {
		return err
	}
	if *soaked > 0 {
		return check(ctx, afloat, *soaked)
	}
	table := "| Outage | Requests/s | Told, median | worst | Over told, median | worst | Notices | Kept |\n|---|---|---|---|---|---|---|---|\n"
	fmt.Print(table)
	kept := true
	for _, f := range faults {
		for _, rate := range f.rates {
			r, err := measure(ctx, afloat, f, rate, *outages)
			if err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
			line := r.line(f.name, rate)
			fmt.Print(line)
			table += line
			kept = kept && r.kept()
		}
	}
	if *readme {
		if err := rig.WriteReadme("bench/alerts/README.md", "table", table); err != nil {
			return err
		}
	}
	if !kept {
		return fmt.Errorf("a notice took more than %v in the median, or was not the only one", promise)
	}
	return nil
}
