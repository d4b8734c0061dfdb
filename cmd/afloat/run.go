package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
)

func newRun(s *streams) *cobra.Command {
	var from sources
	var live bool
	c := &cobra.Command{
		Use:   "run -f FILE...",
		Short: "Run the gateway and the processes that files describe",
		Long: `Run listens, routes and protects as the files say, and runs the processes that
they describe. It reads the files again when they change and on SIGHUP; a file
with a problem changes nothing and says why. On SIGTERM or Ctrl-C it takes no
new connections, lets requests under way end, stops the processes, and exits.`,
		Example: `  afloat run -f afloat.yaml
  afloat run -f virtualservice.yaml -u user-service/v1=127.0.0.1:9001 -u user-service/v2=127.0.0.1:9002
  afloat run -f deployment.yaml -l 127.0.0.1:8080 --live`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := findPredecessor()
			if err != nil {
				return &exit{code: exitFailed, err: err}
			}
			a, err := from.load(s)
			if err != nil {
				return p.failed(err)
			}
			if err := a.Runnable(); err != nil {
				return &exit{code: exitUsage, err: p.failed(err)}
			}
			in, err := p.ask()
			if err != nil {
				return &exit{code: exitFailed, err: err}
			}
			d, err := newDaemon(&from, a, s, live && isTerminal(s.out), in)
			if err != nil {
				return &exit{code: exitUsage, err: p.failed(err)}
			}
			d.upgradable = true
			go forceOnSecondSignal(c.Context(), s)
			if err := d.serve(c.Context()); err != nil {
				return &exit{code: exitFailed, err: err}
			}
			return nil
		},
	}
	from.register(c)
	c.Flags().BoolVar(&live, "live", false, "show the golden signals and the last events in the terminal, in place of the log and what the processes print")
	return c
}

// forceOnSecondSignal restores the default action of signals once the first
// has begun the drain, so that a second one ends the process at once.
func forceOnSecondSignal(ctx context.Context, s *streams) {
	<-ctx.Done()
	time.Sleep(100 * time.Millisecond) // the same Ctrl-C may come twice through a shell
	if isTerminal(os.Stdin) {
		fmt.Fprintln(s.err, "afloat: ending; requests under way may go on. Press Ctrl-C again to end at once")
	}
	s.stop()
}
