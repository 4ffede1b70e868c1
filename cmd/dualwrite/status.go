package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/dualwrite/dualwrite/tablemap"
)

func (p *program) statusCommand() *cobra.Command {
	watch := false
	c := &cobra.Command{
		Use:   "status MAP",
		Short: "Shows one map in full: status, initial sync, live writes, allowed actions",
		Args:  oneMap,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.inSession(cmd, func(ctx context.Context, s *session) error {
				if err := s.knownStill(ctx, args[0]); err != nil {
					return err
				}
				if watch {
					return s.watch(ctx, args[0])
				}
				r, err := s.report(ctx, args[0])
				if err != nil {
					return err
				}
				return s.printReport(r)
			})
		},
	}
	c.Flags().BoolVar(&watch, "watch", false, "show it again whenever it changes, until Ctrl-C")
	return c
}

// report is the report of one map with its live counters.
func (s *session) report(ctx context.Context, name string) (tablemap.Report, error) {
	maps, err := s.maps(ctx)
	if err != nil {
		return tablemap.Report{}, err
	}
	r, err := maps.Status(ctx, name)
	if err != nil {
		return r, err
	}
	s.complete(&r, s.live(ctx))
	return r, nil
}

func (s *session) printReport(r tablemap.Report) error {
	if s.program.output == outputJSON {
		return writeJSON(s.program.out, r)
	}
	m, _ := s.link().Map(r.Map)
	writeStatus(s.program.out, m, r)
	return nil
}

// watchEvery is the time between two looks at a map.
const watchEvery = time.Second

// watch shows a map again and again: on a terminal the whole of it, drawn anew; else a line, or with -o json a line of
// JSON, whenever something has changed. It ends with the context, which is no error but a timeout that was asked for.
func (s *session) watch(ctx context.Context, name string) error {
	shown := ""
	for {
		r, err := s.report(ctx, name)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if now := s.face(r); ctx.Err() == nil && now != shown {
			fmt.Fprint(s.program.out, now)
			shown = now
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchEvery):
		}
	}
}

// face is what a watcher sees of a report.
func (s *session) face(r tablemap.Report) string {
	var b bytes.Buffer
	switch {
	case s.program.output == outputJSON:
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		_ = e.Encode(r) // a buffer takes everything, a report can be encoded
	case s.program.terminal.out:
		b.WriteString("\x1b[H\x1b[2J")
		m, _ := s.link().Map(r.Map)
		writeStatus(&b, m, r)
	default:
		queued, held, lag := totals(r)
		var applied int64
		for _, d := range r.Streams {
			applied += d.Applied
		}
		fmt.Fprintf(&b, "%s: %s, applied %s, queued %s, held %s, lag %s\n",
			r.Map, r.Status, count(applied), count(queued), count(held), milliseconds(lag))
	}
	return b.String()
}
