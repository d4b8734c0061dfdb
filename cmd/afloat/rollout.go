package main

import (
	"context"
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

	"github.com/afloat-dev/afloat/internal/control/rollout"
)

func newRollout(s *streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "rollout",
		Short: "Release new versions of services, and go back",
		Long: `Rollout releases a new version of a service that Afloat runs: replica by replica,
at once, or as a canary whose share of the requests grows while a judge watches,
as the service's release says. A changed process in the file begins a release by
itself. An abort works at any time.`,
		Example: `  afloat rollout start web --set 'command=[/srv/web-v2]'
  afloat rollout watch web
  afloat rollout promote web
  afloat rollout abort web
  afloat rollout undo web`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newRolloutStart(s), newRolloutStatus(s), newRolloutWatch(s))
	for _, v := range steering {
		c.AddCommand(newRolloutSteer(v))
	}
	return c
}

// steering are the verbs that only say something to a release.
var steering = []struct{ use, short, long string }{
	{"promote", "Let a release pass the step or gate at which it waits", `Promote passes the present step: a time to hold, a gate, or a judge who has seen too
little. With --all it passes all that are left, and the new version gets every
request. A release that keeps the old version for a while lets it go. With --wait
it waits for a version that is still starting.`},
	{"pause", "Hold a release where it is", `Pause holds a release. The judge goes on to watch, and aborts it when it must.`},
	{"resume", "Let a paused release go on", `Resume lets a paused release go on.`},
	{"abort", "Give a service back to its old version, at once", `Abort sends all requests to the old version at once and then ends the new one,
whatever the release waits for.`},
	{"undo", "Go back to the version before this one", `Undo aborts a release under way. After one it goes back to the version before: at
once while that is kept, and else as soon as it has started.`},
}

func newRolloutSteer(v struct{ use, short, long string }) *cobra.Command {
	var to remote
	var all bool
	var why string
	var wait time.Duration
	c := &cobra.Command{
		Use: v.use + " SERVICE", Short: v.short, Long: v.long, Example: "  afloat rollout " + v.use + " web",
		Args: cobra.ExactArgs(1), ValidArgsFunction: to.completeReleased,
		RunE: func(c *cobra.Command, args []string) error {
			do := v.use
			if all {
				do = string(rollout.CommandFinish)
			}
			if wait > 0 {
				if err := to.awaitStarted(c.Context(), args[0], wait); err != nil {
					return err
				}
			}
			return to.steer(c.Context(), args[0], do, why, "")
		},
	}
	to.register(c)
	c.Flags().StringVar(&why, "why", "", "the `REASON`, for whoever comes next")
	if v.use == "promote" {
		c.Flags().BoolVar(&all, "all", false, "pass all steps")
		c.Flags().DurationVar(&wait, "wait", 0, "wait up to this `TIME` until the new version has started")
	}
	return c
}

func newRolloutStart(s *streams) *cobra.Command {
	var to remote
	var set []string
	var watch bool
	c := &cobra.Command{
		Use:   "start SERVICE",
		Short: "Release a new version of a service",
		Long: `Start releases what --set makes of the process that runs now. Without --set it
releases what the file says, once more if it was aborted before.`,
		Example: `  afloat rollout start web --set 'command=[/srv/web-v2]' --watch
  afloat rollout start web --set env.RELEASE=v2 --set env.MODE=fast
  afloat rollout start web`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: to.completeReleased,
		RunE: func(c *cobra.Command, args []string) error {
			text, err := processText(set)
			if err != nil {
				return &exit{code: exitUsage, err: err}
			}
			if err := to.steer(c.Context(), args[0], "start", "", text); err != nil || !watch {
				return err
			}
			return watchRelease(c.Context(), s, &to, args[0])
		},
	}
	to.register(c)
	c.Flags().StringArrayVar(&set, "set", nil, "a `FIELD=VALUE` of the process, the value in YAML; may be repeated")
	c.Flags().BoolVarP(&watch, "watch", "w", false, "watch it to its end")
	return c
}

// processText is the YAML of what --set says: a.b=c is {a: {b: c}}.
func processText(set []string) (string, error) {
	fields := map[string]string{}
	env := []string{}
	for _, one := range set {
		name, value, ok := strings.Cut(one, "=")
		if !ok || name == "" {
			return "", fmt.Errorf("--set: want FIELD=VALUE, such as env.RELEASE=v2, got %q", one)
		}
		if variable, ok := strings.CutPrefix(name, "env."); ok {
			env = append(env, fmt.Sprintf("%q: %q", variable, value))
			continue
		}
		if strings.Contains(name, ".") {
			return "", fmt.Errorf("--set: only env. has fields below it: write %s='{...}'", strings.SplitN(name, ".", 2)[0])
		}
		fields[name] = value
	}
	var b strings.Builder
	for name, value := range fields {
		fmt.Fprintf(&b, "%s: %s\n", name, value)
	}
	if len(env) > 0 {
		fmt.Fprintf(&b, "env: {%s}\n", strings.Join(env, ", "))
	}
	return b.String(), nil
}

// steer tells a service's release something.
func (r *remote) steer(ctx context.Context, service, do, why, text string) error {
	query := url.Values{"do": {do}, "who": {whoAmI()}, "why": {why}}
	return r.send(ctx, http.MethodPut, "/api/v1/releases/"+url.PathEscape(service)+"?"+query.Encode(), text, nil)
}

// awaitStarted waits until a release's new version has started, or never will.
func (r *remote) awaitStarted(ctx context.Context, service string, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	started := errors.New("it has started")
	err := eachRelease(ctx, r, service, func(st *rollout.Status) error {
		if p := st.Release.Phase; p == rollout.PhaseBefore || p == rollout.PhaseStarting {
			return nil
		}
		return started
	})
	switch {
	case errors.Is(err, started):
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &exit{code: exitFailed, err: fmt.Errorf("the new version of %s has not started within %v", service, wait)}
	}
	return err
}

// whoAmI is the user's name, for the journal.
func whoAmI() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return os.Getenv("USER")
}

// completeReleased offers the names of services.
func (r *remote) completeReleased(c *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	var all []rollout.Status
	if len(args) == 0 && r.get(c.Context(), "/api/v1/releases", &all) == nil {
		for _, s := range all {
			names = append(names, s.Service)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func newRolloutStatus(s *streams) *cobra.Command {
	var from remote
	var asJSON bool
	c := &cobra.Command{
		Use:   "status [SERVICE]",
		Short: "Show how releases stand, and why",
		Long: `Status shows the last release of each service, or of one. The exit code is 1 when
the service's last release was aborted, or when Afloat cannot be asked.`,
		Example: `  afloat rollout status
  afloat rollout status web --json | jq .release.verdict`,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: from.completeReleased,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				var all []rollout.Status
				if err := from.get(c.Context(), "/api/v1/releases", &all); err != nil {
					return err
				}
				if asJSON {
					return printJSON(s.out, all)
				}
				return writeReleases(s.out, all)
			}
			st, err := from.release(c.Context(), args[0], "")
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(s.out, st)
			} else {
				err = writeRelease(s.out, st)
			}
			return errors.Join(err, endOf(st))
		},
	}
	from.register(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// release asks for a service's last release, and how it went lately: since so long
// ago, or, where that is empty, in all that is known.
func (r *remote) release(ctx context.Context, service, since string) (*rollout.Status, error) {
	st := new(rollout.Status)
	return st, r.get(ctx, "/api/v1/releases/"+url.PathEscape(service)+"?"+url.Values{"since": {since}}.Encode(), st)
}

// endOf is the error of a release that was aborted.
func endOf(st *rollout.Status) error {
	if r := st.Release; r != nil && r.Phase == rollout.PhaseAborted {
		return &exit{code: exitFailed, err: errors.New("the release was aborted: " + r.Why), quiet: true}
	}
	return nil
}

func writeReleases(out io.Writer, all []rollout.Status) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SERVICE\tVERSION\tRELEASE\tSTRATEGY\tWEIGHT\tAT\tWHY")
	for _, st := range all {
		r := st.Release
		if r == nil {
			fmt.Fprintf(w, "%s\t%s\t-\t-\t-\t-\t\n", st.Service, st.Version)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.4g%%\t%s\t%s\n", st.Service, st.Version, r.New, r.Strategy, 100*r.Weight, r.At, r.Why)
	}
	return w.Flush()
}

// writeRelease shows one release in full.
func writeRelease(out io.Writer, st *rollout.Status) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	r := st.Release
	if r == nil {
		fmt.Fprintf(w, "%s runs version %s; nothing has been released\n", st.Service, st.Version)
		return w.Flush()
	}
	fmt.Fprintf(w, "%s: %s of version %s in place of %s, by %s, begun %s\n", st.Service, r.Strategy, r.New, r.Old, r.Who, r.Began.Format(time.RFC3339))
	at := r.At
	if r.Paused {
		at += ", paused"
	}
	if r.Why != "" {
		at += ": " + r.Why
	}
	fmt.Fprintln(w, at)
	if len(r.Sets) > 0 {
		fmt.Fprintln(w, "\n  \tVERSION\tAVAILABLE\tENDING\tCRASHES\tWHY")
		for _, set := range r.Sets {
			fmt.Fprintf(w, "  %s\t%s\t%d of %d\t%d\t%d\t%s\n", set.Role, set.Version, set.Available, set.Wanted, set.Stopping, set.Crashes, set.Why)
		}
	}
	if v := r.Verdict; v != nil {
		fmt.Fprintf(w, "\nthe judge: %s\n", v.Decision)
		for _, c := range v.Checks {
			fmt.Fprintf(w, "  %s\t%s\t%s\n", c.Name, c.Decision, c.Why)
		}
	}
	if err := w.Flush(); err != nil || r.Verdict == nil {
		return err
	}
	_, err := io.WriteString(out, drawVerdict(r.Verdict))
	return err
}
