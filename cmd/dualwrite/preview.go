package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/tablemap"
)

func (p *program) previewCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "preview MAP",
		Short: "Counts what a run would do: rows only on each side, equal, different; nobody is locked",
		Args:  oneMap,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onMap(cmd, args, func(ctx context.Context, s *session, name string) error { return s.preview(ctx, name) })
		},
	}
}

// previewed is what `preview` prints.
type previewed struct {
	Map       string `json:"map"`
	OnlyLeft  int64  `json:"onlyLeft"`
	OnlyRight int64  `json:"onlyRight"`
	Different int64  `json:"different"`
	Equal     int64  `json:"equal"`
}

func (s *session) preview(ctx context.Context, name string) error {
	l, err := s.rows(ctx)
	if err != nil {
		return err
	}
	bar := s.program.progress()
	defer bar.end()
	v, err := work(ctx, func() (verification, error) { return l.Preview(ctx, name) }, func(v verification) {
		done, total := v.Progress()
		bar.show(name, "preview", doing{What: "rows", Done: done, Total: total})
	})
	if err != nil {
		return err
	}
	bar.end()
	r := v.Result()
	if s.program.output == outputJSON {
		return writeJSON(s.program.out, previewed{r.Map, r.OnlyLeft, r.OnlyRight, r.Different, r.Equal})
	}
	s.writeCompared(r)
	s.writeOutlook(r)
	return nil
}

// writeOutlook says what a run would do about it.
func (s *session) writeOutlook(r replication.VerifyResult) {
	m, _ := s.link().Map(r.Map)
	sides, master, out := s.link().Sides, s.link().Master, s.program.out
	for from, n := range []int64{r.OnlyLeft, r.OnlyRight} {
		from := tablemap.Side(from)
		switch {
		case n == 0:
		case m.Flows(from):
			fmt.Fprintf(out, "a run would copy %s from %s to %s\n", plural(n, "row"), sides[from], sides[from.Other()])
		default:
			fmt.Fprintf(out, "a run would leave %s alone that only %s has: nothing flows from there\n", plural(n, "row"), sides[from])
		}
	}
	if r.Different == 0 {
		return
	}
	if !m.Flows(master) {
		master = master.Other()
	}
	fmt.Fprintf(out, "a run would give %s of %s the values of %s\n", plural(r.Different, "row"), sides[master.Other()], sides[master])
}
