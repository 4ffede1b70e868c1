package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dualwrite/dualwrite/replication"
)

func (p *program) verifyCommand() *cobra.Command {
	repair := false
	c := &cobra.Command{
		Use:   "verify MAP",
		Short: "Compares both sides through the map, while it is live",
		Args:  oneMap,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onMap(cmd, args, func(ctx context.Context, s *session, name string) error {
				mode := replication.Compare
				if repair {
					mode = replication.Repair
				}
				return s.verify(ctx, name, mode)
			})
		},
	}
	c.Flags().BoolVar(&repair, "repair", false, "make both sides equal by the master's values; rows that it lacks are copied to it")
	return c
}

func (s *session) verify(ctx context.Context, name string, mode replication.VerifyMode) error {
	l, err := s.rows(ctx)
	if err != nil {
		return err
	}
	bar := s.program.progress()
	defer bar.end()
	v, err := work(ctx, func() (verification, error) { return l.Verify(ctx, name, mode) }, func(v verification) {
		done, total := v.Progress()
		bar.show(name, string(mode), doing{What: "rows", Done: done, Total: total})
	})
	if err != nil {
		return s.named(name, err)
	}
	bar.end()
	result := v.Result()
	if s.program.output == outputJSON {
		err = writeJSON(s.program.out, result)
	} else {
		s.writeVerified(result, mode)
	}
	if err != nil || result.OK {
		return err
	}
	if mode == replication.Repair {
		return fail(exitRows, "different", fmt.Sprintf("not every row of %s could be repaired", name), "see why with `dualwrite errors "+name+"`, and which with another verify")
	}
	return fail(exitRows, "different", fmt.Sprintf("the sides of %s differ", name),
		"`dualwrite verify "+name+" --repair` makes them equal by the master's values; rows that it lacks are copied to it")
}

func (s *session) writeVerified(r replication.VerifyResult, mode replication.VerifyMode) {
	s.writeCompared(r)
	if differing := r.OnlyLeft + r.OnlyRight + r.Different; mode == replication.Repair && r.OK && differing > 0 {
		fmt.Fprintf(s.program.out, "repaired %s\n", plural(differing, "row"))
	}
}

// writeCompared writes the counts of a comparison.
func (s *session) writeCompared(r replication.VerifyResult) {
	sides := s.link().Sides
	t := newTable("MAP", ">EQUAL", ">DIFFERENT", ">ONLY "+sides[0], ">ONLY "+sides[1])
	t.add(r.Map, count(r.Equal), count(r.Different), count(r.OnlyLeft), count(r.OnlyRight))
	t.write(s.program.out, "")
}

// named adds the name of the map to an error that does not know it.
func (s *session) named(name string, err error) error {
	if errors.Is(err, replication.ErrNoDefinition) {
		return fail(exitRefused, "not_allowed", name+" has never been run", "run it first: dualwrite run "+name)
	}
	return err
}
