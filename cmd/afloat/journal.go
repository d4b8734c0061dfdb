package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/journal"
	"github.com/afloat-dev/afloat/internal/signal"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// openJournal goes on where the journal in the data folder ends.
func (d *daemon) openJournal() (err error) {
	d.journal, err = journal.Open(journal.Options{Dir: filepath.Join(d.data.path, "journal"), Log: d.log})
	return err
}

func (d *daemon) journalStart() {
	d.journal.Post(journal.Entry{Kind: journal.KindStarted, Who: "afloat", What: "started",
		Why: "version " + readBuild().Version + ", configuration " + strings.Join(d.first.Files, ", ")})
}

func (d *daemon) closeJournal() {
	if d.journal == nil {
		return
	}
	if err := d.journal.Close(); err != nil {
		d.log.Error("the journal is not complete", "error", err)
	}
}

// recorder is an EventLog whose events go into the journal too.
type recorder struct {
	*signal.EventLog
	journal *journal.Journal
}

// Event takes a change of the gateway's state. That a configuration was applied
// or a lever moved is told by who did it.
func (r recorder) Event(e gateway.Event) {
	r.EventLog.Event(e)
	if e.Kind != gateway.EventApplied && e.Kind != gateway.EventLever {
		r.journal.Post(signal.GatewayEntry(e))
	}
}

// supervised takes a change of a process or its service.
func (d *daemon) supervised(e supervise.Event) {
	d.releases.Supervised(e)
	e = d.releases.Named(e)
	d.events.Supervised(e)
	d.journal.Post(signal.SupervisorEntry(e))
}

// journalFollowEvery is how often a running Afloat is asked for what is new.
const journalFollowEvery = time.Second

func newJournal(s *streams) *cobra.Command {
	var from remote
	var since time.Duration
	var kinds []string
	var limit int
	var follow, asJSON bool
	c := &cobra.Command{
		Use:   "journal [SUBJECT]",
		Short: "Show what happened and who did what: alerts, actions, changes",
		Long: `Journal reads a running Afloat's journal: alerts, actions of people and of Afloat,
changes of configuration, faults, processes that ended, each with who and why. A
subject is a service, or a part of one such as cart/127.0.0.1:9001.`,
		Example: `  afloat journal
  afloat journal cart --since 2h
  afloat journal --kind alert --kind config --json
  afloat journal --follow`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			query := url.Values{"kind": kinds, "limit": {strconv.Itoa(limit)}}
			if len(args) == 1 {
				query.Set("subject", args[0])
			}
			query.Set("since", since.String())
			last, err := printJournal(c.Context(), s.out, &from, query, asJSON)
			for follow && err == nil {
				select {
				case <-c.Context().Done():
					return nil
				case <-time.After(journalFollowEvery):
				}
				if last > 0 {
					query.Set("after", strconv.FormatUint(last, 10))
				}
				var next uint64
				next, err = printJournal(c.Context(), s.out, &from, query, asJSON)
				last = max(last, next)
			}
			if c.Context().Err() != nil {
				return nil // it was interrupted while it asked
			}
			return err
		},
	}
	from.register(c)
	c.Flags().DurationVar(&since, "since", 24*time.Hour, "show what happened in this `TIME`")
	c.Flags().StringArrayVar(&kinds, "kind", nil, "show this `KIND` alone: an area such as alert, or a kind such as alert.fired; may be given again")
	c.Flags().IntVar(&limit, "limit", 200, "show at most so many entries, the last ones")
	c.Flags().BoolVar(&follow, "follow", false, "go on with what happens from now on")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON, an entry a line")
	return c
}

// printJournal prints the entries of a query and returns the last one's ID.
func printJournal(ctx context.Context, out io.Writer, from *remote, query url.Values, asJSON bool) (last uint64, err error) {
	var entries []journal.Entry
	if err := from.get(ctx, "/api/v1/journal?"+query.Encode(), &entries); err != nil {
		return 0, err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, e := range entries {
		last = e.ID
		if asJSON {
			if err := json.NewEncoder(out).Encode(e); err != nil {
				return last, err
			}
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", e.Time.Local().Format("2006-01-02 15:04:05"), e.Kind, dash(e.Subject), entryText(e))
	}
	return last, w.Flush()
}

// entryText is what an entry says, in a line.
func entryText(e journal.Entry) string {
	text := e.What
	if e.Why != "" {
		text += ": " + e.Why
	}
	if e.Who != "" {
		text += " (" + e.Who + ")"
	}
	return strings.ReplaceAll(strings.TrimPrefix(text, ": "), "\n", " ")
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
