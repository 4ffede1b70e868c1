package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dualwrite/dualwrite/replication"
)

func (p *program) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check [MAP…]",
		Short: "Checks the config against both databases: keys, types, privileges, capture settings, related maps",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.inSession(cmd, func(ctx context.Context, s *session) error {
				if err := s.known(args...); err != nil {
					return err
				}
				return s.check(ctx, args)
			})
		},
	}
}

func (s *session) check(ctx context.Context, maps []string) error {
	l, err := s.rows(ctx)
	if err != nil {
		return err
	}
	findings, err := l.Check(ctx, maps...)
	if err != nil {
		return s.unreachable(err)
	}
	if s.program.output == outputJSON {
		if findings == nil {
			findings = []replication.Finding{}
		}
		err = writeJSON(s.program.out, findings)
	} else {
		s.writeFindings(findings)
	}
	wrong := int64(0)
	for _, f := range findings {
		if f.Severity == "error" {
			wrong++
		}
	}
	if err == nil && wrong > 0 {
		return fail(exitRows, "check", fmt.Sprintf("the check found %s", plural(wrong, "error")),
			"mend them as said; a map with an error cannot run")
	}
	return err
}

func (s *session) writeFindings(findings []replication.Finding) {
	out := s.program.out
	if len(findings) == 0 {
		fmt.Fprintln(out, "all is well")
		return
	}
	for _, f := range findings {
		place := f.Map
		switch {
		case place == "":
			place = f.Side
		case f.Side != "":
			place += " (" + f.Side + ")"
		}
		if place != "" {
			place = " " + place
		}
		fmt.Fprintf(out, "%s %s%s: %s\n", f.Severity, f.Code, place, printable(f.Message))
		if f.Hint != "" {
			fmt.Fprintf(out, "    %s\n", strings.ReplaceAll(f.Hint, "\n", "\n    ")) // may be several lines of SQL
		}
	}
}
