package main

import (
	"fmt"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/afloat-dev/afloat/internal/config"
	"github.com/afloat-dev/afloat/internal/gateway"
)

// faults lets the API inject faults in the words of afloat.yaml.
type faults struct{ *gateway.Gateway }

func (f faults) Inject(route string, text []byte, lasts time.Duration, by gateway.Actor) error {
	c, err := config.ParseFault(config.Source{Name: "fault", Data: text})
	if err != nil {
		return err
	}
	c.For = lasts
	return f.Gateway.Inject(route, c, by)
}

func newFault(s *streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "fault",
		Short: "Make a running gateway fail on purpose, for a while",
		Long: `Fault injects faults into the routes of a running Afloat. Each ends by itself when
its time is up, in the gateway and without anybody's doing.`,
		Example: `  afloat fault inject checkout 'delay: {share: 10%, duration: 2s}' --for 5m --why 'what do carts do?'
  afloat fault inject all '{reset: 100%, endpoints: [127.0.0.1:9001]}' --for 30s --why 'a drill'
  afloat fault list
  afloat fault end checkout --why 'seen enough'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newFaultInject(), newFaultEnd(), newFaultList(s))
	return c
}

func newFaultInject() *cobra.Command {
	var to remote
	var lasts time.Duration
	var who, why string
	c := &cobra.Command{
		Use:   "inject ROUTE FAULT",
		Short: "Inject a fault into a route, in place of the one that it has",
		Long: `Inject takes a fault as a route in afloat.yaml has it: delay, abort, close, reset and
body, each for a share of the requests, of those that match or at endpoints.`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			query := url.Values{"route": args[:1], "for": {lasts.String()}, "who": {who}, "why": {why}}
			return to.send(c.Context(), http.MethodPut, "/api/v1/faults?"+query.Encode(), args[1], nil)
		},
	}
	to.register(c)
	person(c, &who, &why)
	c.Flags().DurationVar(&lasts, "for", time.Minute, "the `TIME` after which it ends by itself, up to 1h")
	return c
}

func newFaultEnd() *cobra.Command {
	var to remote
	var who, why string
	c := &cobra.Command{
		Use:   "end ROUTE",
		Short: "End the fault that was injected into a route",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return to.send(c.Context(), http.MethodDelete, "/api/v1/faults?"+url.Values{"route": args, "who": {who}, "why": {why}}.Encode(), "", nil)
		},
	}
	to.register(c)
	person(c, &who, &why)
	return c
}

func newFaultList(s *streams) *cobra.Command {
	var from remote
	c := &cobra.Command{
		Use:   "list",
		Short: "List the faults of all routes, and what they have done",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var all []gateway.FaultStatus
			if err := from.get(c.Context(), "/api/v1/faults", &all); err != nil {
				return err
			}
			w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "ROUTE\tFROM\tENDS\tDELAYED\tABORTED\tCLOSED\tRESET\tSLOWED")
			for _, f := range all {
				from := "configuration"
				if f.Injected {
					from = "injected"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\n", f.Route, from, faultEnds(&f), f.Delayed, f.Aborted, f.Closed, f.Reset, f.Slowed)
			}
			return w.Flush()
		},
	}
	from.register(c)
	return c
}

func faultEnds(f *gateway.FaultStatus) string {
	switch {
	case f.Over:
		return "over"
	case f.Ends.IsZero():
		return "-"
	}
	return "in " + short(time.Until(f.Ends).Seconds())
}
