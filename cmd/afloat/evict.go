package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/afloat-dev/afloat/internal/console"
	"github.com/afloat-dev/afloat/internal/control/rollout"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/internal/supervise"
)

func newEvict(s *streams) *cobra.Command {
	var to remote
	var why string
	var asJSON bool
	c := &cobra.Command{
		Use:   "evict SERVICE REPLICA",
		Short: "Stop a replica for another to take its place",
		Long: `Evict has a replica end as in a rolling update: no new requests, those under way
end, then SIGTERM. Another takes its place. It is refused while the service's
disruption budget does not allow it; try again once other replicas are available.

While a release is under way both versions may have a replica of that number: say
SERVICE.VERSION then, as afloat rollout status shows it.

The exit code is 0 when it is done, and 1 when it is not.`,
		Example: `  afloat status                                 # shows the numbers of replicas
  afloat evict web 2 --why 'its memory grows'`,
		Args: cobra.ExactArgs(2),
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if _, err := strconv.Atoi(args[1]); err != nil {
			return &exit{code: exitUsage, err: fmt.Errorf("want the number of a replica, as afloat status shows it, got %q", args[1])}
		}
		body, err := json.Marshal(console.Pull{Why: why, Who: userName()})
		if err != nil {
			return err
		}
		path := fmt.Sprintf("/api/v1/services/%s/replicas/%s/eviction", url.PathEscape(args[0]), args[1])
		if err := to.send(c.Context(), http.MethodPost, path, string(body), nil); err != nil {
			return err
		}
		if asJSON {
			return printJSON(s.out, map[string]string{"service": args[0], "replica": args[1]})
		}
		_, err = fmt.Fprintf(s.out, "%s/%s: evicted\n", args[0], args[1])
		return err
	}
	c.ValidArgsFunction = func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		st := new(console.Status)
		if len(args) > 1 || to.get(c.Context(), "/api/v1/status", st) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return replicaNames(st.Processes, args), cobra.ShellCompDirectiveNoFileComp
	}
	to.register(c)
	c.Flags().StringVar(&why, "why", "", "the `REASON`, for whoever comes next; required")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	_ = c.MarkFlagRequired("why") // it is there
	return c
}

// replicaNames are the services, or the replicas of the one that is named.
func replicaNames(all []supervise.ServiceStatus, args []string) (names []string) {
	for _, s := range all {
		if len(args) == 0 {
			if !slices.Contains(names, s.Service) {
				names = append(names, s.Service)
			}
			continue
		}
		for _, r := range s.Replicas {
			if s.Service == args[0] {
				names = append(names, fmt.Sprintf("%d\t%v", r.ID, r.Phase))
			}
		}
	}
	return names
}

// thrifty are levers that keep to the disruption budgets.
type thrifty struct {
	*gateway.Gateway
	releases *rollout.Controller
}

// Pull is refused for a drain that a budget does not allow. To isolate an
// endpoint that does harm asks nobody.
func (t thrifty) Pull(l gateway.Lever) error {
	if l.Kind == gateway.LeverDrain {
		if err := t.spare(l.Endpoint); err != nil {
			return fmt.Errorf("drain %s: %w", l.Endpoint, err)
		}
	}
	return t.Gateway.Pull(l)
}

// spare returns nil where the endpoint is no replica under a budget, or the
// budget can spare it beside those that get no requests already.
func (t thrifty) spare(endpoint string) error {
	away := map[string]bool{}
	for _, l := range t.Levers() {
		if l.Kind != gateway.LeverWeight {
			away[l.Endpoint] = true
		}
	}
	budgets, owner, gone := map[string]*supervise.BudgetStatus{}, "", map[string]int{}
	for _, s := range t.releases.Sets() {
		if s.Budget == nil {
			continue
		}
		budgets[s.Service] = s.Budget
		for _, r := range s.Replicas {
			switch ready := r.Phase == supervise.PhaseReady && len(r.Ports) > 0; {
			case ready && r.Ports[0].Addr == endpoint:
				owner = s.Service
				gone[s.Service]++
			case ready && away[r.Ports[0].Addr]:
				gone[s.Service]++
			}
		}
	}
	b := budgets[owner]
	if b == nil || b.Wanted == 0 || away[endpoint] {
		return nil
	}
	if left := b.Available - gone[owner]; left < b.Wanted {
		return fmt.Errorf("%w: it would leave %d replicas of %s, and %d are to stay", supervise.ErrBudget, left, owner, b.Wanted)
	}
	return nil
}
