package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/afloat-dev/afloat/internal/demo"
)

func newDemo(s *streams) *cobra.Command {
	o := demo.Options{Out: s.out, Err: s.err}
	c := &cobra.Command{
		Use:   "demo",
		Short: "See a gateway survive five faults, next to a copy without it",
		Long: `Demo starts a small service three times behind Afloat, and three times without,
drives the same load at both, and breaks them in the same way: a replica killed,
one that hangs, one that answers errors, one that is ten times slower, and three
times the load that the service can bear. It ends by itself after about a minute
with a table of what users noticed on either side. All of it is measured. The
console is open in a browser meanwhile, at the address that it prints.

The exit code is 0 when every promise that it prints was kept, 1 when one was
not, 2 when it could not begin, and 130 when it was interrupted. It listens on
loopback only and leaves no process behind.`,
		Example: `  afloat demo
  afloat demo --no-live
  afloat demo --json > verdict.json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return &exit{code: exitUsage, err: err}
			}
			o.SampleCommand = []string{self, "sample"}
			o.KeeperCommand = []string{self, "keeper"}
			o.Console = demoConsole
			if code := demo.Run(c.Context(), o); code != demo.ExitKept {
				return &exit{code: code, err: errors.New("the demo did not end well"), quiet: true}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&o.JSON, "json", false, "print the verdict as JSON")
	c.Flags().BoolVar(&o.NoLive, "no-live", false, "print lines instead of the live view")
	c.Flags().BoolVar(&o.ShowConfig, "show-config", false, "print the gateway's configuration first")
	return c
}
