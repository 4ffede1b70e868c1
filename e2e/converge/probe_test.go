package converge_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// probeEvery is how often a side is looked at.
const probeEvery = 50 * time.Millisecond

// probe looks at one side again and again while it is written. Each look is one statement, so it sees one moment.
type probe struct {
	run         *run
	side        int
	here, there target
	last        [3]string // of the stream into the side: its epoch, its number, its position; "": not known
}

// probing looks at both sides until it is ended.
func (r *run) probing() (end func()) {
	var probes [2]*probe
	for side := range probes {
		probes[side] = &probe{run: r, side: side, here: r.open(side), there: r.open(1 - side)}
	}
	ended := harness.OnBothSides(probeEvery, func(side int) bool {
		p := probes[side]
		p.whole()
		p.forward()
		p.confirmed()
		return true
	})
	return sync.OnceFunc(func() {
		ended()
		for _, p := range probes {
			p.here.close()
			p.there.close()
		}
	})
}

// open is another connection to a side.
func (r *run) open(side int) target {
	if r.lane.clusters[side] != nil {
		return &postgres{url: r.sides()[side].URL()}
	}
	return openSQLite(r.t, r.sides()[side].Path)
}

// whole requires that of a transaction of the other side's applications all rows are here, or none, while the map is carried live.
func (p *probe) whole() {
	got, err := p.here.ask(p.run.lane.ledger(p.side, "SELECT coalesce((SELECT mode FROM %s WHERE map = 'item'), '')", "mode") +
		p.run.lane.ledger(p.side, " || '|' || (SELECT count(*) FROM %s WHERE map = 'item')", "queue") +
		fmt.Sprintf(" || '|' || count(*) || '|' || coalesce(max(n) - min(n), 0) FROM (SELECT CAST(substr(token, 2) AS bigint) AS n FROM item WHERE id LIKE '%c-%s-%%') AS g",
			"FD"[1-p.side], group))
	if rows, live := strings.CutPrefix(got, "live|0|"); err == nil && live && rows != "0|0" {
		p.run.lane.series.looked("transactions")
		if want := fmt.Sprintf("%d|%d", groupKeys, groupKeys-1); rows != want {
			p.run.t.Errorf("%s has a part of a transaction: rows and distance of their tokens %s, not %s", p.run.sides()[p.side].Side, rows, want)
		}
	}
}

// forward requires that the stream into the side never goes back. A server that is not there may come back without what it had told.
func (p *probe) forward() {
	got, err := p.here.ask(p.run.lane.ledger(p.side, "SELECT epoch || ' ' || m.seq || ' ' || m.position FROM %s, ", "writer") +
		p.run.lane.ledger(p.side, "%s AS m WHERE name = 'stream' AND writer = 'stream' ORDER BY m.seq DESC, m.what LIMIT 1", "marker"))
	now := strings.Fields(got)
	if err != nil || len(now) != 3 {
		p.last = [3]string{}
		return
	}
	if p.last[0] != "" {
		p.run.lane.series.looked("cursors")
		epoch, number := whole(now[0])-whole(p.last[0]), whole(now[1])-whole(p.last[1])
		if epoch < 0 || number < 0 || now[2] < p.last[2] || number == 0 && now[2] != p.last[2] {
			p.run.t.Errorf("the stream into %s has gone from %v to %v: epoch, number, position", p.run.sides()[p.side].Side, p.last, now)
		}
	}
	p.last = [3]string(now)
}

func whole(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

// confirmed requires that the side's log is not confirmed beyond what the other side has, or what was found to hold nothing for it.
func (p *probe) confirmed() {
	confirmed, digits, base, slack := "(s.confirmed_flush_lsn - '0/0')::text || ' ' || coalesce(nullif(o.idle, ''), o.since)::pg_lsn - '0/0' "+
		"FROM pg_replication_slots s, dualwrite.slot o WHERE s.slot_name = o.name", 16, 16, int64(1) // up to the end of what is applied
	if p.run.lane.clusters[p.side] == nil {
		confirmed, digits, base, slack = "confirmed || ' 0' FROM dualwrite_log", 20, 10, 0 // numbers of entries
	}
	got, err := p.here.ask("SELECT " + confirmed)
	far := strings.Fields(got)
	if err != nil || len(far) != 2 {
		return // the server is down, or nothing has begun
	}
	reached, err := p.there.ask(p.run.lane.ledger(1-p.side, "SELECT position FROM %s WHERE writer = 'stream' ORDER BY seq DESC, what LIMIT 1", "marker"))
	if err != nil || len(reached) < digits {
		return
	}
	cursor, err := strconv.ParseInt(reached[:digits], base, 64)
	if err != nil {
		p.run.t.Errorf("position %q: %v", reached, err)
	}
	p.run.lane.series.looked("confirmations of " + p.run.sides()[p.side].Side)
	if flushed := whole(far[0]); flushed > cursor+slack && flushed > whole(far[1]) {
		p.run.t.Errorf("the log of %s is confirmed up to %d; the other side has come to %d (%s)", p.run.sides()[p.side].Side, flushed, cursor, reached)
	}
}

// ask is the one value of a query; "": it has no row.
func (p *postgres) ask(query string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	rows, err := p.results(ctx, query)
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return string(rows[0][0]), nil
}

func (s *sqlite) ask(query string) (string, error) {
	rows, err := s.db.QueryContext(context.Background(), query)
	if err != nil {
		return "", err
	}
	defer func() { _ = rows.Close() }()
	out := ""
	for rows.Next() {
		if err := rows.Scan(&out); err != nil {
			return "", err
		}
	}
	return out, rows.Err()
}
