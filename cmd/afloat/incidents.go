package main

import (
	"fmt"
	"io"
	"net/url"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/afloat-dev/afloat/internal/alert"
)

func newIncidents(s *streams) *cobra.Command {
	list := newIncidentsList(s)
	c := &cobra.Command{
		Use:   "incidents",
		Short: "Show what went wrong, how long, what it cost, and write post-mortems",
		Long: `Incidents shows what hangs together: alerts of one service whose times overlap or
follow within two minutes.`,
		Example: `  afloat incidents
  afloat incidents show 4711
  afloat incidents post-mortem 4711 > 2026-11-26-cart.md`,
		Args: cobra.NoArgs,
		RunE: list.RunE,
	}
	c.Flags().AddFlagSet(list.Flags())
	c.AddCommand(list, newIncidentsShow(s), newIncidentsPostMortem(s))
	return c
}

func newIncidentsList(s *streams) *cobra.Command {
	var from remote
	var limit int
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the last incidents, the newest first",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var all []alert.Incident
			if err := from.get(c.Context(), "/api/v1/incidents?limit="+strconv.Itoa(limit), &all); err != nil {
				return err
			}
			if asJSON {
				return printJSON(s.out, all)
			}
			return writeIncidents(s.out, all)
		},
	}
	from.register(c)
	c.Flags().IntVar(&limit, "limit", 20, "show at most so many")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func writeIncidents(out io.Writer, all []alert.Incident) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(out, "no incident is known")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "INCIDENT\tTIER\tSERVICE\tBEGAN\tLASTED\tFAILED\tTITLE")
	for _, i := range all {
		lasted := short(i.Duration(time.Now()).Seconds())
		if i.Open() {
			lasted += ", goes on"
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%d\t%s\n", i.ID, i.Tier, dash(i.Service), i.FaultAt.Local().Format("2006-01-02 15:04:05"), lasted, i.Failed, i.Title)
	}
	return w.Flush()
}

// completeIncidents completes the numbers of the last incidents.
func (r *remote) completeIncidents(c *cobra.Command, args []string, _ string) (ids []string, _ cobra.ShellCompDirective) {
	var all []alert.Incident
	if len(args) == 0 && r.get(c.Context(), "/api/v1/incidents", &all) == nil {
		for _, i := range all {
			ids = append(ids, fmt.Sprintf("%d\t%s", i.ID, i.Title))
		}
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

func newIncidentsShow(s *streams) *cobra.Command {
	var from remote
	var asJSON bool
	c := &cobra.Command{
		Use:               "show INCIDENT",
		Short:             "Show an incident with all that happened around it",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: from.completeIncidents,
		RunE: func(c *cobra.Command, args []string) error {
			var r alert.Report
			if err := from.get(c.Context(), "/api/v1/incidents/"+url.PathEscape(args[0]), &r); err != nil {
				return err
			}
			if asJSON {
				return printJSON(s.out, r)
			}
			if err := writeIncidents(s.out, []alert.Incident{r.Incident}); err != nil {
				return err
			}
			w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w)
			for _, e := range r.Timeline {
				fmt.Fprintf(w, "%s\t%s\t%s\n", e.Time.Local().Format("15:04:05"), dash(e.Subject), entryText(e))
			}
			return w.Flush()
		},
	}
	from.register(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newIncidentsPostMortem(s *streams) *cobra.Command {
	var from remote
	c := &cobra.Command{
		Use:               "post-mortem INCIDENT",
		Short:             "Write what is known of an incident as Markdown, with room for what only people know",
		Example:           `  afloat incidents post-mortem 4711 > 2026-11-26-cart.md`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: from.completeIncidents,
		RunE: func(c *cobra.Command, args []string) error {
			var r alert.Report
			if err := from.get(c.Context(), "/api/v1/incidents/"+url.PathEscape(args[0]), &r); err != nil {
				return err
			}
			return r.WritePostMortem(s.out)
		},
	}
	from.register(c)
	return c
}
