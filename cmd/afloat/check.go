package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newCheck(s *streams) *cobra.Command {
	var from sources
	c := &cobra.Command{
		Use:   "check -f FILE...",
		Short: "Validate files and explain what would run",
		Long: `Check reads files as run would, starts nothing, and says in words what would
run, under which policies, and what cannot. Problems come all at once, each with
its place and its mend. The exit code is 0 when run could start, warnings
included, and 2 when it could not.`,
		Example: `  afloat check -f afloat.yaml
  afloat check -f virtualservice.yaml -u user-service/v1=127.0.0.1:9001 -u user-service/v2=127.0.0.1:9002`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			a, err := from.load(s)
			if err != nil {
				return err
			}
			for _, line := range a.Explain() {
				fmt.Fprintln(s.out, line)
			}
			return nil
		},
	}
	from.register(c)
	return c
}
