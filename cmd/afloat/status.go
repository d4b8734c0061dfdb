package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/afloat-dev/afloat/internal/console"
	"github.com/afloat-dev/afloat/internal/control/scale"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/signal"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// remote is a running Afloat's API.
type remote struct {
	address  string
	token    string
	patience time.Duration // for an answer; 0 is 5s
}

func (r *remote) register(c *cobra.Command) {
	c.Flags().StringVar(&r.address, "admin", "127.0.0.1:9900", "`ADDRESS` of the running Afloat's admin API")
	c.Flags().StringVar(&r.token, "token", "", "its token; default: the environment's AFLOAT_TOKEN")
}

// statusBytesMax bounds an answer that is read into memory.
const statusBytesMax = 64 << 20

// get asks the API for something and reads its JSON into the answer.
func (r *remote) get(ctx context.Context, path string, answer any) error {
	return r.send(ctx, http.MethodGet, path, "", answer)
}

// send is get with any method and a body. A nil answer is not read.
func (r *remote) send(ctx context.Context, method, path, text string, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(r.patience, 5*time.Second))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+r.address+path, strings.NewReader(text))
	if err != nil {
		return &exit{code: exitUsage, err: fmt.Errorf("--admin: want an address such as 127.0.0.1:9900, got %q", r.address)}
	}
	if json.Valid([]byte(text)) {
		req.Header.Set("Content-Type", "application/json")
	}
	token := r.token
	if token == "" {
		token = os.Getenv("AFLOAT_TOKEN")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return &exit{code: exitFailed, err: fmt.Errorf("no Afloat answers at %s; start one with afloat run, or name its admin address with --admin", r.address)}
	} else if err != nil {
		return &exit{code: exitFailed, err: err}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, statusBytesMax))
	switch {
	case err != nil:
	case res.StatusCode >= 300:
		err = fmt.Errorf("%s: %s", r.address, strings.TrimSpace(string(body)))
	case answer != nil:
		if err = json.Unmarshal(body, answer); err != nil {
			err = fmt.Errorf("%s does not answer like an Afloat: %w", r.address, err)
		}
	}
	if err != nil {
		return &exit{code: exitFailed, err: err}
	}
	return nil
}

func newStatus(s *streams) *cobra.Command {
	var from remote
	var asJSON, watch bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show what runs, what is ejected, open or limited, and why",
		Long: `Status asks a running Afloat what it does now. The exit code is 0 when every
service has an endpoint that takes requests, and 1 when one has none or when
Afloat cannot be asked.`,
		Example: `  afloat status
  afloat status --watch
  afloat status --json | jq '.gateway.services[].endpoints[] | select(.state != "up")'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if watch {
				return watchStatus(c.Context(), s, &from)
			}
			st := new(console.Status)
			err := from.get(c.Context(), "/api/v1/status", st)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(s.out, st)
			} else {
				err = writeStatus(s.out, st)
			}
			if err == nil && len(withoutEndpoint(st)) > 0 {
				return &exit{code: exitFailed, err: errors.New("a service has no endpoint"), quiet: true}
			}
			return err
		},
	}
	from.register(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVarP(&watch, "watch", "w", false, "show the golden signals live")
	c.MarkFlagsMutuallyExclusive("json", "watch")
	return c
}

// withoutEndpoint lists the services that cannot serve.
func withoutEndpoint(st *console.Status) []string {
	var names []string
	for _, svc := range st.Gateway.Services {
		able := false
		for _, e := range svc.Endpoints {
			able = able || e.State == "up" || e.State == "probing"
		}
		if !able {
			names = append(names, svc.Name)
		}
	}
	return names
}

// writeStatus prints a status for people.
func writeStatus(out io.Writer, st *console.Status) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "afloat %s, process %d, up %s\n", st.Version, st.PID, short(st.UptimeSeconds))
	fmt.Fprintf(w, "configuration: %s, applied %s\n", strings.Join(st.Config.Files, ", "), st.Config.AppliedAt.Format(time.RFC3339))
	if st.Config.Refused != "" {
		fmt.Fprintf(w, "a newer one was refused at %s: %s\n", st.Config.RefusedAt.Format(time.RFC3339), st.Config.Refused)
	}
	for _, change := range st.Config.Waiting {
		fmt.Fprintf(w, "waits for a restart: %s\n", change)
	}
	for _, warning := range st.Config.Warnings {
		fmt.Fprintln(w, warning)
	}
	for _, l := range st.Gateway.Listeners {
		fmt.Fprintf(w, "listening on %s, %d connections\n", l.Address, l.Connections)
	}
	if m := st.Gateway.Memory; m.Refused > 0 {
		fmt.Fprintf(w, "%d requests refused for want of memory since the start; now: %s\n", m.Refused, strings.ReplaceAll(m.State, "_", " "))
	}
	for _, svc := range st.Gateway.Services {
		writeService(w, svc, st.Signals)
	}
	for _, p := range st.Processes {
		writeProcesses(w, p)
	}
	for _, name := range slices.Sorted(maps.Keys(st.Scaling)) {
		writeScaling(w, name, st.Scaling[name])
	}
	writeRoutes(w, st.Gateway.Routes)
	return w.Flush()
}

// signalsOf returns a service's signals. Apart is false where it has none of its
// own, as there are too many services.
func signalsOf(all []signal.ServiceSignals, name string) (s signal.ServiceSignals, apart bool) {
	for _, s := range all {
		if s.Service == name {
			return s, true
		}
	}
	return s, false
}

func writeService(w io.Writer, svc gateway.ServiceStatus, all []signal.ServiceSignals) {
	fmt.Fprintf(w, "\nservice %s: ", svc.Name)
	if s, apart := signalsOf(all, svc.Name); apart {
		fmt.Fprintf(w, "%.1f requests/s, %.2f%% failed, p50 %s, p99 %s", s.Rate, 100*s.FailedShare, millis(s.P50Seconds), millis(s.P99Seconds))
	} else {
		fmt.Fprint(w, "rates unknown")
	}
	if svc.Limit > 0 {
		fmt.Fprintf(w, ", %d of %d in flight", svc.InFlight, svc.Limit)
	} else {
		fmt.Fprintf(w, ", %d in flight", svc.InFlight)
	}
	fmt.Fprintln(w)
	if svc.Shed > 0 {
		fmt.Fprintf(w, "  %d requests shed since the start; the limit now: %s\n", svc.Shed, svc.LimitWhy)
	}
	if svc.Browned > 0 {
		fmt.Fprintf(w, "  %d requests of low priority refused since the start; now: %s\n", svc.Browned, strings.ReplaceAll(svc.Brownout, "_", " "))
	}
	if len(svc.Endpoints) == 0 {
		fmt.Fprintln(w, "  no endpoint")
		return
	}
	fmt.Fprintln(w, "  ENDPOINT\tSTATE\tFOR\tBREAKER\tREQUESTS\tFAILED\tLATENCY\tWHY")
	for _, e := range svc.Endpoints {
		why := e.Why
		if why == "" && e.LastError != "" {
			why = "last error: " + e.LastError
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", e.Address, e.State, short(e.SinceSeconds), e.Breaker,
			e.Requests, e.Failures, millis(e.LatencySeconds), why)
	}
}

func writeProcesses(w io.Writer, p supervise.ServiceStatus) {
	of := p.Name
	if p.Version != "" && p.Service != p.Name {
		of = p.Service + ", version " + p.Version
	}
	fmt.Fprintf(w, "\nprocesses of %s: %d of %d ready, %s", of, p.Ready, p.Desired, p.Rollout)
	if p.RolloutWhy != "" {
		fmt.Fprintf(w, " (%s)", p.RolloutWhy)
	}
	if b := p.Budget; b != nil {
		fmt.Fprintf(w, "; its budget keeps %d available, so %d may go", b.Wanted, b.Allowed)
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w, "  REPLICA\tPID\tADDRESS\tPHASE\tFOR\tRESTARTS\tLAST EXIT\tWHY")
	for _, r := range p.Replicas {
		address := ""
		if len(r.Ports) > 0 {
			address = r.Ports[0].Addr
		}
		fmt.Fprintf(w, "  %d\t%d\t%s\t%s\t%s\t%d\t%s\t%s\n", r.ID, r.PID, address, r.Phase,
			short(time.Since(r.Since).Seconds()), r.Restarts, r.LastExit, r.Why)
	}
}

func writeScaling(w io.Writer, name string, d scale.Decision) {
	fmt.Fprintf(w, "\nscaling of %s: %d replicas: %s", name, d.Replicas, d.Why)
	if d.Limit != "" {
		fmt.Fprintf(w, " (%s)", d.Limit)
	}
	fmt.Fprintln(w)
}

func writeRoutes(w io.Writer, routes []gateway.RouteStatus) {
	fmt.Fprintln(w, "\nROUTE\tTO\tREQUESTS\tRATE LIMITED\tDENIED")
	for _, r := range routes {
		var to []string
		for _, d := range r.To {
			to = append(to, fmt.Sprintf("%s %.4g%%", d.Service, 100*d.Share))
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\n", r.Name, strings.Join(to, ", "), r.Requests, r.Limited, r.Denied)
	}
}

// short is a duration with the unit that fits it.
func short(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}

// millis is a latency with two digits or more; none was measured where it is zero.
func millis(seconds float64) string {
	switch {
	case seconds == 0:
		return "-"
	case seconds < 0.01:
		return fmt.Sprintf("%.2gms", 1000*seconds)
	case seconds < 1:
		return fmt.Sprintf("%.0fms", 1000*seconds)
	}
	if seconds < 10 {
		return fmt.Sprintf("%.2gs", seconds)
	}
	return short(seconds)
}
