package main

import (
	"context"
	"fmt"
	"math"

	"github.com/spf13/cobra"

	"github.com/dualwrite/dualwrite/replication"
)

func (p *program) conflictsCommand() *cobra.Command {
	var restore int64
	var limit, offset int
	c := &cobra.Command{
		Use:   "conflicts MAP",
		Short: "Lists conflicts: both images, who won, when",
		Args:  oneMap,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := notNegative(limit, offset); err != nil {
				return err
			}
			return p.onMap(cmd, args, func(ctx context.Context, s *session, name string) error {
				if cmd.Flags().Changed("restore") {
					return s.restore(ctx, name, restore)
				}
				return s.printConflicts(ctx, name, limit, offset)
			})
		},
	}
	c.Flags().Int64Var(&restore, "restore", 0, "write the losing image of the conflict with this id back as a new change")
	c.Flags().IntVar(&limit, "limit", 0, "at most this many (default: 100 in a table, else all)")
	c.Flags().IntVar(&offset, "offset", 0, "leave out this many first")
	return c
}

func (s *session) restore(ctx context.Context, name string, id int64) error {
	l, err := s.rows(ctx)
	if err != nil {
		return err
	}
	if err := patiently(ctx, func() error { return l.Restore(ctx, name, id) }); err != nil {
		return err
	}
	if s.program.output == outputJSON {
		return writeJSON(s.program.out, map[string]any{"map": name, "restored": id})
	}
	fmt.Fprintf(s.program.out, "%s: the losing image of conflict %d is written back\n", name, id)
	return nil
}

func (s *session) printConflicts(ctx context.Context, name string, limit, offset int) error {
	l, err := s.rows(ctx)
	if err != nil {
		return err
	}
	out := s.program.out
	if limit == 0 && s.program.output == outputTable {
		limit = tableRows
	}
	all, err := allConflicts(ctx, l, name, limit, offset)
	if err != nil {
		return err
	}
	if s.program.output == outputJSON {
		return writeJSON(out, all)
	}
	if len(all) == 0 {
		fmt.Fprintln(out, "no conflicts")
		return nil
	}
	t := newTable(">ID", "AT", "KEY", "WINNER", "WINNING", "LOSING")
	for _, c := range all {
		t.add(fmt.Sprint(c.ID), stamp(c.At), keyText(c.Key), c.Winner, image(c.Winning), image(c.Losing))
	}
	t.write(out, "")
	if len(all) == limit {
		fmt.Fprintf(out, "there may be more: go on with --offset %d\n", offset+limit)
	}
	return nil
}

// image writes a row; one that is not there was deleted.
func image(values map[string]any) string {
	if values == nil {
		return "(no row)"
	}
	return compact(values)
}

// allConflicts reads page after page up to the limit; 0: to the end.
func allConflicts(ctx context.Context, l ledgers, name string, limit, offset int) ([]replication.Conflict, error) {
	if limit == 0 {
		limit = math.MaxInt
	}
	all := []replication.Conflict{}
	for len(all) < limit {
		size := min(pageRows, limit-len(all))
		page, err := l.Conflicts(ctx, name, size, offset+len(all))
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < size {
			break
		}
	}
	return all, nil
}
