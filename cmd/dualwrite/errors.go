package main

import (
	"context"
	"fmt"
	"math"

	"github.com/spf13/cobra"

	"github.com/dualwrite/dualwrite/replication"
)

// tableRows is how many rows a table shows unless --limit says otherwise. Scripts get all.
const tableRows = 100

// pageRows is how many rows are read from the ledger at once.
const pageRows = 1000

func (p *program) errorsCommand() *cobra.Command {
	q := replication.ErrorQuery{}
	c := &cobra.Command{
		Use:   "errors MAP",
		Short: "Lists every failed row: direction, key, column, values, message, time, attempts",
		Args:  oneMap,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkErrorQuery(q); err != nil {
				return err
			}
			return p.onMap(cmd, args, func(ctx context.Context, s *session, name string) error {
				q.Map = name
				return s.printErrors(ctx, q)
			})
		},
	}
	c.Flags().StringVar(&q.Phase, "phase", "", "only those of this phase: initial, live or replay")
	c.Flags().StringVar(&q.Code, "code", "", "only those with this code: not_null, type, foreign_key, missing_parent, unique, check, …")
	c.Flags().IntVar(&q.Limit, "limit", 0, "at most this many (default: 100 in a table, else all)")
	c.Flags().IntVar(&q.Offset, "offset", 0, "leave out this many first")
	return c
}

func checkErrorQuery(q replication.ErrorQuery) error {
	switch q.Phase {
	case "", "initial", "live", "replay":
	default:
		return usage("--phase initial, --phase live or --phase replay", "there is no phase %q", q.Phase)
	}
	return notNegative(q.Limit, q.Offset)
}

func notNegative(limit, offset int) error {
	if limit < 0 || offset < 0 {
		return usage("as in --limit 100 --offset 200", "--limit and --offset cannot be negative")
	}
	return nil
}

func (s *session) printErrors(ctx context.Context, q replication.ErrorQuery) error {
	l, err := s.rows(ctx)
	if err != nil {
		return err
	}
	p := s.program
	if q.Limit == 0 && p.output == outputTable {
		q.Limit = tableRows
	}
	rows, err := allErrors(ctx, l, q)
	if err != nil {
		return err
	}
	switch p.output {
	case outputJSON:
		return writeJSON(p.out, rows)
	case outputCSV:
		return writeCSV(p.out, rows)
	}
	total, err := l.CountErrors(ctx, replication.ErrorQuery{Map: q.Map, Phase: q.Phase, Code: q.Code})
	if err != nil {
		return err
	}
	s.writeErrors(rows, q.Offset, total)
	return nil
}

// allErrors reads page after page up to the limit; 0: to the end.
func allErrors(ctx context.Context, l ledgers, q replication.ErrorQuery) ([]replication.RowFailure, error) {
	wanted := q.Limit
	if wanted == 0 {
		wanted = math.MaxInt
	}
	all := []replication.RowFailure{}
	for len(all) < wanted {
		page := q
		page.Limit, page.Offset = min(pageRows, wanted-len(all)), q.Offset+len(all)
		rows, err := l.Errors(ctx, page)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
		if len(rows) < page.Limit {
			break
		}
	}
	return all, nil
}

func (s *session) writeErrors(rows []replication.RowFailure, offset int, total int64) {
	out := s.program.out
	if total == 0 {
		fmt.Fprintln(out, "no failed rows")
		return
	}
	t := newTable(">ID", "PHASE", "FROM", "TO", "KEY", "COLUMN", "CODE", "MESSAGE", ">ATTEMPTS", "AT", "VALUES")
	for _, r := range rows {
		t.add(fmt.Sprint(r.ID), r.Phase, r.From, r.To, keyText(r.Key), dash(r.Column), r.Code, r.Message,
			fmt.Sprint(r.Attempts), stamp(r.At), compact(r.Values))
	}
	t.write(out, "")
	last := offset + len(rows)
	if offset == 0 && int64(last) >= total {
		fmt.Fprintf(out, "%s\n", plural(total, "failed row"))
		return
	}
	fmt.Fprintf(out, "%s to %s of %s", count(int64(offset+1)), count(int64(last)), plural(total, "failed row"))
	if int64(last) < total {
		fmt.Fprintf(out, "; go on with --offset %d", last)
	}
	fmt.Fprintln(out)
}
