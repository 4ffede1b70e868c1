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
	if err := s.printFindings(findings); err != nil {
		return err
	}
	return verdict(findings, "check", "mend them as said; a map with an error cannot run")
}

func (s *session) printFindings(findings []replication.Finding) error {
	if s.program.output == outputJSON {
		return writeJSON(s.program.out, append([]replication.Finding{}, findings...)) // an empty list is no null
	}
	s.writeFindings(findings)
	return nil
}

// verdict is the error of a command that has found errors.
func verdict(findings []replication.Finding, command, mend string) error {
	wrong := int64(0)
	for _, f := range findings {
		if f.Severity == replication.SeverityError {
			wrong++
		}
	}
	if wrong == 0 {
		return nil
	}
	return fail(exitRows, command, fmt.Sprintf("the %s found %s", command, plural(wrong, "error")), mend)
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
