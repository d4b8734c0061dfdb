package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/afloat-dev/afloat/internal/alert"
	"github.com/afloat-dev/afloat/internal/console"
)

func newAlerts(s *streams) *cobra.Command {
	list := newAlertsList(s)
	c := &cobra.Command{
		Use:   "alerts",
		Short: "Show what is wrong now; acknowledge and silence it",
		Long: `Alerts shows the alerts of a running Afloat that hold, the most urgent first: P0 is
a total outage, P1 is what users feel, P2 is what will hurt. The exit code is 1
while a P0 or P1 holds that nobody has acknowledged or silenced, and else 0.`,
		Example: `  afloat alerts
  afloat alerts ack cart --why "restarting it"
  afloat alerts silence service=cart --for 2h --why "planned work"
  afloat alerts history --since 168h`,
		Args: cobra.NoArgs,
		RunE: list.RunE,
	}
	c.Flags().AddFlagSet(list.Flags())
	c.AddCommand(list, newAlertsAck(s), newAlertsSilence(s), newAlertsSilences(s), newAlertsUnsilence(), newAlertsHistory(s))
	return c
}

func newAlertsList(s *streams) *cobra.Command {
	var from remote
	var asJSON bool
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the alerts that hold, the most urgent first",
		Example: `  afloat alerts list --json | jq '.[] | select(.tier == "P0")'`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var all []alert.OpenAlert
			if err := from.get(c.Context(), "/api/v1/alerts", &all); err != nil {
				return err
			}
			var err error
			if asJSON {
				err = printJSON(s.out, all)
			} else {
				err = writeAlerts(s.out, all)
			}
			if err == nil && needsSomebody(all) {
				return &exit{code: exitFailed, err: errors.New("an alert needs somebody"), quiet: true}
			}
			return err
		},
	}
	from.register(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// needsSomebody reports whether an urgent alert holds that nobody looks after.
func needsSomebody(all []alert.OpenAlert) bool {
	for _, a := range all {
		if a.Tier != alert.P2 && a.AcknowledgedAt.IsZero() && (a.State == "firing" || a.State == "flapping") {
			return true
		}
	}
	return false
}

func writeAlerts(out io.Writer, all []alert.OpenAlert) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(out, "no alert holds")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TIER\tALERT\tSERVICE\tFOR\tSTATE\tINCIDENT\tSUMMARY")
	for _, a := range all {
		state := a.State
		if !a.AcknowledgedAt.IsZero() {
			state = "acknowledged by " + a.AcknowledgedBy
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", a.Tier, a.Name, dash(a.Service), short(time.Since(a.FiredAt).Seconds()), state, a.Incident, a.Summary)
	}
	return w.Flush()
}

// author is who acts, unless a flag says it.
func author() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return os.Getenv("USER")
}

// person registers the flags for who acts and why.
func person(c *cobra.Command, who, why *string) {
	c.Flags().StringVar(who, "who", author(), "`NAME` of who does it")
	c.Flags().StringVar(why, "why", "", "`REASON`, for the others and for later")
}

func newAlertsAck(s *streams) *cobra.Command {
	var to remote
	var who, why string
	c := &cobra.Command{
		Use:   "ack WHICH",
		Short: "Say that you look after alerts, so that they are neither repeated nor escalated",
		Long: `Ack acknowledges alerts that hold: those of a service, those with a name, those of
an incident by its number, or one by its fingerprint. That they are over is told
all the same.`,
		Example:           `  afloat alerts ack cart --why "restarting it"`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: to.completeAlerts,
		RunE: func(c *cobra.Command, args []string) error {
			text, err := json.Marshal(console.Acknowledgement{Which: args[0], Who: who, Why: why})
			if err != nil {
				return err
			}
			var done console.Acknowledged
			if err := to.send(c.Context(), http.MethodPut, "/api/v1/alerts/acknowledgement", string(text), &done); err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.out, "%s acknowledged\n", counted(done.Alerts, "alert"))
			return err
		},
	}
	to.register(c)
	person(c, &who, &why)
	return c
}

// counted is a number of things in words.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// completeAlerts completes the names of what holds.
func (r *remote) completeAlerts(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var all []alert.OpenAlert
	if len(args) > 0 || r.get(c.Context(), "/api/v1/alerts", &all) != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	seen := map[string]bool{}
	var names []string
	for _, a := range all {
		for _, name := range []string{a.Service, a.Name, fmt.Sprint(a.Incident)} {
			if name != "" && !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func newAlertsSilence(s *streams) *cobra.Command {
	var to remote
	var who, why string
	var lasts time.Duration
	c := &cobra.Command{
		Use:   "silence MATCHER...",
		Short: "Tell nobody of alerts with these labels for a while",
		Example: `  afloat alerts silence service=cart --for 2h --why "planned work"
  afloat alerts silence alertname=EndpointOut 'service=~test-.*' --why "a test"`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if why == "" {
				return errNoWhy
			}
			text, err := json.Marshal(console.Silencing{Matchers: args, For: lasts.String(), Why: why, Who: who})
			if err != nil {
				return err
			}
			var made alert.Silence
			if err := to.send(c.Context(), http.MethodPut, silencesPath, string(text), &made); err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.out, "%s, until %s; end it with: afloat alerts unsilence %s\n", made.ID, made.Ends.Local().Format("15:04"), made.ID)
			return err
		},
	}
	to.register(c)
	person(c, &who, &why)
	c.Flags().DurationVar(&lasts, "for", 2*time.Hour, "the `TIME` after which it ends by itself")
	return c
}

func newAlertsSilences(s *streams) *cobra.Command {
	var from remote
	var asJSON bool
	c := &cobra.Command{
		Use:   "silences",
		Short: "List the silences in force",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			all, err := from.silences(c)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(s.out, all)
			}
			w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "ID\tENDS\tBY\tMATCHERS\tWHY")
			for _, x := range all {
				fmt.Fprintf(w, "%s\tin %s\t%s\t%s\t%s\n", x.ID, short(time.Until(x.Ends).Seconds()), x.Who, strings.Join(x.Matchers, " "), x.Why)
			}
			return w.Flush()
		},
	}
	from.register(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// silencesPath is where silences are.
const silencesPath = "/api/v1/silences"

// errNoWhy is for whoever changes whom alerts are told to.
var errNoWhy = &exit{code: exitUsage, err: errors.New("--why is required: others will want to know")}

// silences are those in force, and those that will be.
func (r *remote) silences(c *cobra.Command) (all []alert.Silence, err error) {
	err = r.get(c.Context(), silencesPath, &all)
	return all, err
}

func newAlertsUnsilence() *cobra.Command {
	var to remote
	var who, why string
	c := &cobra.Command{
		Use:     "unsilence ID",
		Short:   "End a silence",
		Example: `  afloat alerts unsilence 5a1c6a0e-2d5e-4a0f-9f6e-0c6a7f0e5b1d --why "the work is done"`,
		Args:    cobra.ExactArgs(1),
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) (ids []string, _ cobra.ShellCompDirective) {
			if all, err := to.silences(c); err == nil && len(args) == 0 {
				for _, x := range all {
					ids = append(ids, x.ID)
				}
			}
			return ids, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			if why == "" {
				return errNoWhy
			}
			return to.send(c.Context(), http.MethodDelete, silencesPath+"/"+url.PathEscape(args[0])+"?"+url.Values{"who": {who}, "why": {why}}.Encode(), "", nil)
		},
	}
	to.register(c)
	person(c, &who, &why)
	return c
}

func newAlertsHistory(s *streams) *cobra.Command {
	var from remote
	var since time.Duration
	var asJSON bool
	c := &cobra.Command{
		Use:     "history [SERVICE]",
		Short:   "Show which alerts fired and ended, who was told, and who acted",
		Example: `  afloat alerts history cart --since 168h`,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			query := url.Values{"kind": {"alert", "notice"}, "since": {since.String()}}
			if len(args) == 1 {
				query.Set("subject", args[0])
			}
			_, err := printJournal(c.Context(), s.out, &from, query, asJSON)
			return err
		},
	}
	from.register(c)
	c.Flags().DurationVar(&since, "since", 24*time.Hour, "show what happened in this `TIME`")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON, an entry a line")
	return c
}
