package main

import (
	"context"
	"fmt"
	"io"

	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/tablemap"
)

// reports are the reports of maps with their live counters, in the order of the names.
func (s *session) reports(ctx context.Context, names ...string) ([]tablemap.Report, error) {
	maps, err := s.maps(ctx)
	if err != nil {
		return nil, err
	}
	reports, err := maps.List(ctx, names)
	if err != nil {
		return nil, err
	}
	live := s.live(ctx)
	for i := range reports {
		s.complete(&reports[i], live)
	}
	return reports, nil
}

// complete adds to a report what only the ledgers know, and makes empty lists of missing ones, for scripts.
func (s *session) complete(r *tablemap.Report, live map[string]replication.MapLive) {
	if r.Actions == nil {
		r.Actions = []tablemap.Command{}
	}
	if r.Related == nil {
		r.Related = []string{}
	}
	if r.InitialSync.State == "" {
		r.InitialSync.State = tablemap.SyncNone
	}
	if live == nil {
		return
	}
	sides := s.link().Sides
	streams := live[r.Map].Streams
	for i, from := range []tablemap.Side{tablemap.Left, tablemap.Right} {
		streams[i].From, streams[i].To = sides[from], sides[from.Other()]
	}
	r.Streams = streams[:]
}

// totals sums up both directions: queued and held changes, and the longer lag.
func totals(r tablemap.Report) (queued, held, lagMs int64) {
	for _, s := range r.Streams {
		queued += s.Queued
		held += s.Held
		lagMs = max(lagMs, s.LagMs)
	}
	return queued, held, lagMs
}

// writeList writes a line per map, and below them why some are where they are.
func writeList(w io.Writer, reports []tablemap.Report) {
	t := newTable("MAP", "STATUS", "SINCE", "MASTER", "RELATED", ">QUEUE", ">HELD", ">LAG")
	for _, r := range reports {
		queue, holding, lag := "-", "-", "-"
		if r.Streams != nil {
			queued, held, lagMs := totals(r)
			queue, holding, lag = count(queued), count(held), milliseconds(lagMs)
		}
		t.add(r.Map, dash(string(r.Status)), stamp(r.Since), dash(r.Master), joined(r.Related), queue, holding, lag)
	}
	t.write(w, "")
	for _, r := range reports {
		for _, text := range []string{r.Reason, r.Pending} {
			if text != "" {
				fmt.Fprintf(w, "%s: %s\n", r.Map, printable(text))
			}
		}
	}
}

// writeStatus writes one map in full.
func writeStatus(w io.Writer, m tablemap.Map, r tablemap.Report) {
	fmt.Fprintf(w, "%s is %s since %s\n\n", r.Map, dash(string(r.Status)), stamp(r.Since))
	tables := ""
	if m.Name != "" {
		tables = m.Tables[tablemap.Left] + " ⇄ " + m.Tables[tablemap.Right]
	}
	lines := [][2]string{{"reason", r.Reason}, {"note", r.Pending}, {"tables", tables},
		{"master", r.Master}, {"related", joined(r.Related)}, {"health", string(r.Health)}, {"allowed", commandNames(r.Actions)}}
	for _, l := range lines {
		if l[1] != "" {
			fmt.Fprintf(w, "  %-8s %s\n", l[0], printable(l[1]))
		}
	}
	fmt.Fprintf(w, "\nInitial sync: %s\n", r.InitialSync.State)
	writeLegs(w, r.InitialSync.Legs)
	if r.Streams == nil {
		return
	}
	fmt.Fprintln(w, "\nLive writes:")
	t := newTable("FROM", "TO", ">APPLIED", ">QUEUED", ">HELD", ">CONFLICTS", ">LAG")
	for _, s := range r.Streams {
		t.add(s.From, s.To, count(s.Applied), count(s.Queued), count(s.Held), count(s.Conflicts), milliseconds(s.LagMs))
	}
	t.write(w, "  ")
}

func writeLegs(w io.Writer, legs []tablemap.Leg) {
	if len(legs) == 0 {
		return
	}
	t := newTable("FROM", "TO", ">READ", ">INSERTED", ">UPDATED", ">EQUAL", ">SKIPPED", ">FAILED")
	for _, l := range legs {
		t.add(l.From, l.To, count(l.Read), count(l.Inserted), count(l.Updated), count(l.Equal), count(l.Skipped), count(l.Failed))
	}
	t.write(w, "  ")
}

// failedRows counts the rows on the error list of a failed initial sync.
func failedRows(r tablemap.Report) int64 {
	var n int64
	if r.InitialSync.State == tablemap.SyncFailed {
		for _, l := range r.InitialSync.Legs {
			n += l.Failed
		}
	}
	return n
}
