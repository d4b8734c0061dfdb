package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/afloat-dev/afloat/internal/sidecar"
)

func newSidecar(s *streams) *cobra.Command {
	run := sidecarRun{streams: s}
	c := &cobra.Command{
		Use:   "sidecar [-f FILE...] [-- COMMAND...]",
		Short: "Protect a program's calls without changing it, by redirecting them",
		Long: `Sidecar redirects the connections of a program to a gateway, by rules of
nftables in this network namespace. Requests of HTTP go by the routes of the
files, and those that no route takes to where they were to go, all under
policies; other connections are passed on as they are.

With a command, it runs that as the user and group given, and ends with its exit
code. The rules are there for as long as it runs: when it ends or is killed,
they are removed. It needs root, or CAP_NET_ADMIN, and nft.`,
		Example: `  afloat sidecar --user shop -- /usr/bin/shop --port 8080
  afloat sidecar -f afloat.yaml --user shop --inbound 8080 -- /usr/bin/shop
  afloat sidecar --all --exclude 10.0.0.0/8 --exclude-port 5432
  afloat sidecar --user shop --dry-run
  afloat sidecar status`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 && c.ArgsLenAtDash() != 0 {
				return fmt.Errorf("unknown command %q for %q; a program to run stands after --", args[0], c.CommandPath())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			return run.run(c.Context(), args)
		},
	}
	run.from.register(c)
	run.capture.register(c)
	c.Flags().DurationVar(&run.grace, "grace", 30*time.Second, "how long the program may take to end after SIGTERM")
	c.AddCommand(newSidecarUp(s), newSidecarDown(s), newSidecarStatus(s))
	return c
}

func newSidecarUp(s *streams) *cobra.Command {
	var f capture
	c := &cobra.Command{
		Use:   "up",
		Short: "Put the rules in place, for a gateway that runs by itself",
		Long: `Up puts the rules in place and ends. They stay until afloat sidecar down, with
or without a gateway behind them: let afloat run have transparent listeners on
the ports that they redirect to first.`,
		Example: `  afloat sidecar up --user shop --inbound 8080
  afloat sidecar up --user shop --dry-run`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := f.rules()
			if err != nil {
				return err
			}
			if f.dryRun {
				f.script(s, r)
				return nil
			}
			return f.up(c.Context(), r, sidecar.NewOwner(0))
		},
	}
	f.register(c)
	return c
}

func newSidecarDown(s *streams) *cobra.Command {
	return &cobra.Command{
		Use:     "down",
		Aliases: []string{"clean"},
		Short:   "Remove the rules, also those that a crash left",
		Long: `Down removes the rules of an Afloat in this network namespace, whoever put them
in place. Connections that were redirected already go on. Without rules there is
nothing to do, and the exit code is 0.`,
		Example: `  afloat sidecar down`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			st, err := sidecar.Read(c.Context())
			if err == nil && !st.InPlace {
				fmt.Fprintln(s.out, "no rules are in place")
				return nil
			}
			if err == nil && st.Owner == "" {
				err = sidecar.ErrForeign
			}
			if err == nil {
				err = sidecar.Remove(c.Context(), st.Owner)
			}
			if err != nil && !errors.Is(err, sidecar.ErrGone) {
				return &exit{code: exitFailed, err: err}
			}
			fmt.Fprintln(s.out, "the rules are removed")
			return nil
		},
	}
}

func newSidecarStatus(s *streams) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show the rules, whose they are, and how much they redirected",
		Long: `Status shows the rules of an Afloat in this network namespace, with their
counters. The exit code is 0 when they are in place and their owner runs, and 1
otherwise.`,
		Example: `  afloat sidecar status
  afloat sidecar status --json | jq .running`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			st, err := sidecar.Read(c.Context())
			if err != nil {
				return &exit{code: exitFailed, err: err}
			}
			if asJSON {
				err = printJSON(s.out, st)
			} else {
				writeSidecar(s, &st)
			}
			if err == nil && !(st.InPlace && st.Running) {
				return &exit{code: exitFailed, err: errors.New("no sidecar runs"), quiet: true}
			}
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func writeSidecar(s *streams, st *sidecar.Status) {
	switch {
	case !st.InPlace:
		fmt.Fprintln(s.out, "no rules are in place")
		return
	case st.PID == 0:
		fmt.Fprintln(s.out, "the rules stay until afloat sidecar down")
	case st.Running:
		fmt.Fprintf(s.out, "the rules are those of process %d\n", st.PID)
	default:
		fmt.Fprintf(s.out, "the rules were left by process %d, which has ended: remove them with afloat sidecar down\n", st.PID)
	}
	fmt.Fprint(s.out, st.Rules)
}

// removeRules ends what up began, whether the context has ended or not.
func removeRules(ctx context.Context, owner string) error {
	err := sidecar.Remove(context.WithoutCancel(ctx), owner)
	if errors.Is(err, sidecar.ErrGone) {
		return nil // somebody called afloat sidecar down
	}
	return err
}

// selfKeeper is the command of a keeper of an owner's rules.
func selfKeeper(owner string) []string {
	return []string{"/proc/self/exe", "sidecar-keeper", owner}
}
