// Command release releases versions of a service behind a real Afloat, under
// load, and counts what users had of it.
//
//	go run ./bench/release
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"github.com/afloat-dev/afloat/bench/rig"
)

func main() {
	if version := os.Getenv(versionVariable); version != "" {
		serve(version)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench/release:", err)
		os.Exit(1)
	}
}

// size is how much is tried.
type size struct {
	runs     int // of each canary
	releases int // of the rolling proof
	rate     int // requests a second while it rolls
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench/release", flag.ContinueOnError)
	var s size
	flags.IntVar(&s.runs, "runs", 50, "releases of each bad canary")
	flags.IntVar(&s.releases, "releases", 20, "rolling releases in a row")
	flags.IntVar(&s.rate, "rate", 1000, "requests a second while they roll")
	only := flags.String("only", "", "proofs whose name has this in it")
	readme := flags.Bool("readme", false, "write the table into bench/release/README.md")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path, err := rig.BuildAfloat(ctx, dir)
	if err != nil {
		return err
	}
	table := "| Proof | Promise | Measured | Kept |\n|---|---|---|---|\n"
	fmt.Print(table)
	kept := true
	for _, p := range proofs {
		if !strings.Contains(p.name, *only) {
			continue
		}
		found, holds, err := p.prove(ctx, dir, path, s)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		kept = kept && holds
		line := fmt.Sprintf("| %s | %s | %s | %s |\n", p.name, p.promise, found, map[bool]string{true: "yes", false: "**no**"}[holds])
		fmt.Print(line)
		table += line
	}
	if *readme {
		if err := rig.WriteReadme("bench/release/README.md", "table", table); err != nil {
			return err
		}
	}
	if !kept {
		return errors.New("a promise is not kept")
	}
	return nil
}
