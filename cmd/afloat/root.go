package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// streams are what a verb reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
	// stop lets a second interrupt end the process at once.
	stop func()
}

// exit is an error that carries the process's exit code. Its message has been
// printed already when quiet.
type exit struct {
	code  int
	err   error
	quiet bool
}

func (e *exit) Error() string { return e.err.Error() }
func (e *exit) Unwrap() error { return e.err }

// Main runs the command line and returns the exit code.
func Main(ctx context.Context, stop func(), args []string, in io.Reader, out, errs io.Writer) int {
	s := &streams{in, out, errs, stop}
	root := newRoot(s)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	var e *exit
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &e):
		if !e.quiet {
			fmt.Fprintf(errs, "afloat: %v\n", e.err)
		}
		return e.code
	}
	fmt.Fprintf(errs, "afloat: %s\n", usageProblem(root, args, err))
	return exitUsage
}

// usageProblem is what cobra says of a flag or a verb that does not exist, with
// what to write instead.
func usageProblem(root *cobra.Command, args []string, err error) string {
	c, rest, _ := root.Find(args) // the verb as far as it is known
	if c == root && len(rest) > 0 {
		if near := root.SuggestionsFor(rest[0]); len(near) > 0 {
			return fmt.Sprintf("%v; did you mean %s?", err, near[0])
		}
	}
	return fmt.Sprintf("%v; see %s --help", err, c.CommandPath())
}

func newRoot(s *streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "afloat",
		Short: "Keep services up when their parts fail",
		Long: `Afloat is a gateway that puts timeouts, retries, circuit breakers, adaptive
concurrency and health checks before any HTTP service without changing its code,
and that starts, probes and restarts the service's processes.`,
		Example: `  afloat demo                        see it survive five faults, next to a copy without it
  afloat run -f afloat.yaml          protect a service
  afloat check -f afloat.yaml        say what would run, and what is wrong
  afloat status                      what runs, what is ejected, and why`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SuggestionsMinimumDistance = 2
	root.AddCommand(
		newRun(s),
		newDemo(s),
		newCheck(s),
		newStatus(s),
		newDrain(s), newEvict(s),
		newIsolate(s),
		newWeigh(s),
		newFault(s),
		newUpgrade(s),
		newRollout(s),
		newAlerts(s),
		newIncidents(s),
		newJournal(s),
		newSidecar(s),
		newCA(s),
		newSchema(s),
		newVersion(s),
		newKeeper(s), newSidecarKeeper(s), newSample(s),
	)
	return root
}
