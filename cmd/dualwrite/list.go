package main

import (
	"context"

	"github.com/spf13/cobra"
)

func (p *program) listCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "Lists the table maps with their statuses",
		Args:  nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.inSession(cmd, func(ctx context.Context, s *session) error {
				reports, err := s.reports(ctx, append(s.names(), s.left(ctx)...)...)
				if err != nil {
					return err
				}
				if p.output == outputJSON {
					return writeJSON(p.out, reports)
				}
				writeList(p.out, reports)
				return nil
			})
		},
	}
}
