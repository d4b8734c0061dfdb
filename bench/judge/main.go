// Command judge simulates releases through the judge of canaries and counts
// what it finds: how often it blames a version that is no worse, and what users
// bear until it has found one that is.
//
//	go run ./bench/judge
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/afloat-dev/afloat/bench/rig"
)

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench/judge:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("bench/judge", flag.ContinueOnError)
	releases := flags.Int("releases", 1000, "releases of each scenario")
	only := flags.String("only", "", "scenarios whose name has this in it")
	readme := flags.Bool("readme", false, "write the table into bench/judge/README.md, and docs/release-judge.svg")
	verbose := flags.Bool("v", false, "print why one of those that failed did")
	if err := flags.Parse(args); err != nil {
		return err
	}
	table := "| Release | Blamed | Inconclusive | Errors of the canary until then, p50 / p99 | Requests until then, p50 / p99 | Promise | Kept |\n|---|---|---|---|---|---|---|\n"
	fmt.Print(table)
	kept := true
	for _, s := range scenarios() {
		if !strings.Contains(s.name, *only) {
			continue
		}
		o := s.simulate(*releases)
		line := o.row(s)
		fmt.Print(line)
		if *verbose && o.why != "" {
			fmt.Println("   ", o.why)
		}
		table += line
		kept = kept && s.holds(o)
	}
	if *readme {
		if err := rig.WriteReadme("bench/judge/README.md", "table", table); err != nil {
			return err
		}
		if err := os.WriteFile("docs/release-judge.svg", []byte(picture()), 0o644); err != nil {
			return err
		}
	}
	if !kept {
		return errors.New("a promise is not kept")
	}
	return nil
}
