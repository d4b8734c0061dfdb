package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/afloat-dev/afloat/internal/sample"
	"github.com/afloat-dev/afloat/internal/sidecar"
	"github.com/afloat-dev/afloat/internal/supervise"
)

// newKeeper is the process that outlives a killed Afloat just long enough to
// kill what Afloat supervised.
func newKeeper(s *streams) *cobra.Command {
	return &cobra.Command{
		Use:    "keeper",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := supervise.RunKeeper(s.in); err != nil {
				return &exit{code: exitFailed, err: fmt.Errorf("keeper: %w", err)}
			}
			return nil
		},
	}
}

// newSidecarKeeper is the process that outlives a killed sidecar just long
// enough to remove its rules and to end its program.
func newSidecarKeeper(s *streams) *cobra.Command {
	return &cobra.Command{
		Use:    "sidecar-keeper OWNER",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := sidecar.RunKeeper(args[0], s.in, supervise.RunKeeper); err != nil {
				return &exit{code: exitFailed, err: fmt.Errorf("sidecar keeper: %w", err)}
			}
			return nil
		},
	}
}

// newSample is the small service of the demo.
func newSample(s *streams) *cobra.Command {
	return &cobra.Command{
		Use:                "sample",
		Hidden:             true,
		DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error {
			if code := sample.Main(args, s.err); code != 0 {
				return &exit{code: code, err: fmt.Errorf("sample ended with status %d", code), quiet: true}
			}
			return nil
		},
	}
}
