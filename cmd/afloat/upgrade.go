package main

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/afloat-dev/afloat/internal/console"
)

func newUpgrade(s *streams) *cobra.Command {
	var to remote
	var who, why string
	var asJSON bool
	c := &cobra.Command{
		Use:   "upgrade",
		Short: "Let a new binary take the place of a running Afloat, without a failed request",
		Long: `Upgrade has a running Afloat start its own file again, which you have replaced by
that of another version, with the same arguments. The new one reads the
configuration; only when it is good and everything serves does it take over: the
sockets that are listened on, the processes, which go on running, and the data
folder. The old one then answers the requests that it has and ends. When the new
one does not come up, nothing has changed.`,
		Example: `  install afloat-new /usr/local/bin/afloat && afloat upgrade --why 'version 1.2'
  afloat upgrade --why 'version 1.2' --json | jq .version`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var done console.Upgraded
			to.patience = 3 * upgradeMax
			if err := to.send(c.Context(), http.MethodPost, "/api/v1/upgrade?"+url.Values{"who": {who}, "why": {why}}.Encode(), "", &done); err != nil {
				return err
			}
			if asJSON {
				return printJSON(s.out, done)
			}
			took := time.Duration(done.Seconds * float64(time.Second)).Round(time.Millisecond)
			_, err := fmt.Fprintf(s.out, "process %d, version %s, has taken over from version %s in %v\n", done.PID, done.Version, done.From, took)
			return err
		},
	}
	to.register(c)
	person(c, &who, &why)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
