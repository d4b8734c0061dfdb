package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os/user"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/afloat-dev/afloat/internal/console"
	"github.com/afloat-dev/afloat/internal/gateway"
)

// lever is a verb that does something to an endpoint by hand, or undoes it.
type lever struct {
	streams *streams
	to      remote
	kind    gateway.LeverKind
	why     string
	undo    bool
	asJSON  bool
}

// newLever makes the verb of a lever. Its arguments are those of do.
func newLever(s *streams, kind gateway.LeverKind, c *cobra.Command, do func(*lever, context.Context, []string) error) (*cobra.Command, *lever) {
	l := &lever{streams: s, kind: kind}
	c.RunE = func(c *cobra.Command, args []string) error { return do(l, c.Context(), args) }
	c.ValidArgsFunction = l.complete
	l.to.register(c)
	c.Flags().StringVar(&l.why, "why", "", "the `REASON`, for whoever comes next; required")
	c.Flags().BoolVar(&l.undo, "undo", false, "take it back")
	c.Flags().BoolVar(&l.asJSON, "json", false, "print JSON")
	_ = c.MarkFlagRequired("why") // it is there
	return c, l
}

func newDrain(s *streams) *cobra.Command {
	var wait time.Duration
	c, _ := newLever(s, gateway.LeverDrain, &cobra.Command{
		Use:   "drain SERVICE ENDPOINT",
		Short: "Give an endpoint no new requests, until that is undone",
		Long: `Drain lets the requests under way at an endpoint end and gives it no new ones, so
that it can be stopped without a failed request. It holds over reloads, and until
it is undone or Afloat ends.

The exit code is 0 when it is done, and 1 when it is not, or when with --wait
requests were still under way at the end of that time.`,
		Example: `  afloat drain web 127.0.0.1:9001 --why 'new disk' --wait 1m
  afloat drain web 127.0.0.1:9001 --undo --why 'the disk is in'`,
		Args: cobra.ExactArgs(2),
	}, func(l *lever, ctx context.Context, args []string) error {
		if err := l.move(ctx, args, 0); err != nil || l.undo || wait == 0 {
			return err
		}
		return l.awaitQuiet(ctx, args[0], args[1], wait)
	})
	c.Flags().DurationVar(&wait, "wait", 0, "wait up to this `TIME` until no request is under way there")
	c.MarkFlagsMutuallyExclusive("wait", "undo")
	return c
}

func newIsolate(s *streams) *cobra.Command {
	c, _ := newLever(s, gateway.LeverIsolate, &cobra.Command{
		Use:   "isolate SERVICE ENDPOINT",
		Short: "Hold an endpoint's breaker open, until that is undone",
		Long: `Isolate cuts off an endpoint that does harm: its breaker is held open, whatever it
would find by itself. It holds over reloads, and until it is undone or Afloat
ends.`,
		Example: `  afloat isolate web 127.0.0.1:9001 --why 'answers with the data of others'
  afloat isolate web 127.0.0.1:9001 --undo --why 'rolled back'`,
		Args: cobra.ExactArgs(2),
	}, func(l *lever, ctx context.Context, args []string) error { return l.move(ctx, args, 0) })
	return c
}

func newWeigh(s *streams) *cobra.Command {
	c, l := newLever(s, gateway.LeverWeight, &cobra.Command{
		Use:   "weigh SERVICE ENDPOINT WEIGHT",
		Short: "Give an endpoint another weight, until that is undone",
		Long: `Weigh gives an endpoint a weight from 1 to 1000 in place of its configured one,
which says how many requests it gets in proportion to the others. It holds over
reloads, and until it is undone or Afloat ends.`,
		Example: `  afloat weigh web 127.0.0.1:9001 5 --why 'the larger machine'
  afloat weigh web 127.0.0.1:9001 --undo --why 'it was not'`,
	}, func(l *lever, ctx context.Context, args []string) error {
		if l.undo {
			return l.move(ctx, args, 0)
		}
		weight, err := strconv.Atoi(args[2])
		if err != nil {
			return &exit{code: exitUsage, err: fmt.Errorf("want a weight from 1 to 1000, got %q", args[2])}
		}
		return l.move(ctx, args, weight)
	})
	c.Args = func(c *cobra.Command, args []string) error {
		if l.undo {
			return cobra.ExactArgs(2)(c, args)
		}
		return cobra.ExactArgs(3)(c, args)
	}
	return c
}

// move pulls the lever, or undoes it, and says so.
func (l *lever) move(ctx context.Context, args []string, weight int) error {
	path := fmt.Sprintf("/api/v1/services/%s/endpoints/%s/%s", url.PathEscape(args[0]), url.PathEscape(args[1]), l.kind)
	method, body := http.MethodPut, ""
	if l.undo {
		method, path = http.MethodDelete, path+"?"+url.Values{"why": {l.why}, "who": {userName()}}.Encode()
	} else {
		text, err := json.Marshal(console.Pull{Why: l.why, Who: userName(), Weight: weight})
		if err != nil {
			return err
		}
		body = string(text)
	}
	var done gateway.Lever
	if err := l.to.send(ctx, method, path, body, &done); err != nil {
		return err
	}
	if l.asJSON {
		return printJSON(l.streams.out, done)
	}
	verdict := done.String()
	if l.undo {
		verdict += " undone"
	}
	_, err := fmt.Fprintf(l.streams.out, "%s %s: %s\n", done.Service, done.Endpoint, verdict)
	return err
}

// awaitQuiet waits until no request is under way at an endpoint.
func (l *lever) awaitQuiet(ctx context.Context, service, address string, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		left := 0
		st := new(console.Status)
		err := l.to.get(ctx, "/api/v1/status", st)
		for _, e := range endpointsOf(st, service) {
			if e.Address == address {
				left += e.InFlight
			}
		}
		switch {
		case err != nil && ctx.Err() == nil:
			return err
		case err == nil && left == 0:
			return nil
		}
		select {
		case <-ctx.Done():
			return &exit{code: exitFailed, err: errors.New("it is drained, and requests are still under way there")}
		case <-tick.C:
		}
	}
}

// endpointsOf are those of a service in a status.
func endpointsOf(st *console.Status, service string) []gateway.EndpointStatus {
	for _, s := range st.Gateway.Services {
		if s.Name == service {
			return s.Endpoints
		}
	}
	return nil
}

// complete names the services of the running Afloat, then their endpoints.
func (l *lever) complete(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	st := new(console.Status)
	if len(args) > 1 || l.to.get(c.Context(), "/api/v1/status", st) != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	if len(args) == 0 {
		for _, s := range st.Gateway.Services {
			names = append(names, s.Name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
	for _, e := range endpointsOf(st, args[0]) {
		names = append(names, fmt.Sprintf("%s\t%s %s", e.Address, e.State, e.Why))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// userName is who runs the command, as this machine knows them.
func userName() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}
