package main

import (
	"github.com/spf13/cobra"

	"github.com/afloat-dev/afloat/internal/config"
)

func newSchema(s *streams) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of afloat.yaml",
		Long: `Schema prints the JSON Schema of afloat.yaml, for editors that complete and
check as you type.`,
		Example: "  afloat schema > afloat.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			schema, err := config.Schema()
			if err == nil {
				_, err = s.out.Write(schema)
			}
			return err
		},
	}
}
