package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/dualwrite/dualwrite/store"
)

const (
	sqlEnds = `SELECT (SELECT seq FROM main.sqlite_sequence WHERE name = '` + outboxTable + `'), (SELECT min(seq) FROM main.` + outboxTable + `),
		confirmed, confirmed_at, purged FROM main.` + logTable
	sqlEntryAt = `SELECT at FROM main.` + outboxTable + ` WHERE seq = ?1`
)

// Log reads the outbox on a connection of its own, each time as one state of the database: what is there then is
// whole transactions.
type Log struct {
	s      *Store
	c      *conn
	number int64
	watch  *watch

	cursor   place
	begins   int64 // entries up to here were confirmed when the log was opened; some may still be there
	read     place // the last entry read
	horizon  int64 // the last entry of the state that is being read; between transactions
	version  int64 // of the schema when the captures were last looked at; 0: not yet
	verified int64 // what had been read then
	data     int64 // version of the data when it was last read to its end
	layouts  map[int64]*layout
	ledger   map[string]*ledgerTable
	width    int
	filters  map[string]int64 // tables of the connection that evaluate filters, with their layout

	inside  bool           // what was read ends inside a transaction of ours
	out     []store.Change // of the call that is going on
	trimmed int64          // the log has been trimmed up to here
	last    store.Position // delivered
	after   int            // how many positions were taken behind the last entry's
	pending []touched
	spans   []span
}

// ends are where the log begins and ends.
type ends struct {
	last      int64 // entry ever made
	first     int64 // entry there; 0: none
	confirmed place
	purged    int64 // entries up to here have been removed by us
}

func readEnds(ctx context.Context, c *conn) (ends, error) {
	var e ends
	err := c.query(ctx, sqlEnds, nil, func(row []driver.Value) error {
		for i, p := range []*int64{&e.last, &e.first, &e.confirmed.seq, &e.confirmed.at, &e.purged} {
			*p, _ = row[i].(int64)
		}
		return nil
	})
	if err != nil {
		return e, noLedger(ctx, c, err)
	}
	return e, nil
}

// lost is the last entry that is not there, though somebody else must have removed it.
func (e *ends) lost() int64 {
	switch {
	case e.first > e.purged+1:
		return e.first - 1
	case e.first == 0 && e.last > e.purged:
		return e.last
	}
	return 0
}

// Open follows the log.
func (s *Store) Open(ctx context.Context, cursor store.Position) (store.Log, error) {
	at, err := parse(cursor)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	if err := s.same(); err != nil {
		return nil, err
	}
	c, err := s.connection(ctx)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	l := &Log{s: s, c: c, cursor: at, ledger: s.ledger, filters: make(map[string]int64), watch: newWatch(s.path), data: -1}
	err = snapshot(ctx, c, func() error {
		if err := l.start(ctx); err != nil {
			return err
		}
		return l.verify(ctx)
	})
	if err != nil {
		s.discard(c)
		return nil, err
	}
	l.number = s.reader.Add(1)
	return l, nil
}

// start compares the cursor with what is there.
func (l *Log) start(ctx context.Context) error {
	e, err := readEnds(ctx, l.c)
	if err != nil {
		return err
	}
	lost := e.lost()
	switch {
	case l.cursor.seq > e.last:
		return &store.GapError{Reason: fmt.Sprintf("the log ends at %d, before %d: the database has been restored or replaced", e.last, l.cursor.seq),
			Next: plain(e.last)}
	case l.cursor.seq < e.confirmed.seq:
		return &store.GapError{Reason: fmt.Sprintf("changes after %d have been confirmed and removed", l.cursor.seq), Next: plain(e.confirmed.seq)}
	case lost > l.cursor.seq:
		return &store.GapError{Reason: fmt.Sprintf("changes after %d have been removed from the log", l.cursor.seq), Next: plain(lost)}
	}
	if l.cursor.at != 0 {
		if err := l.sameHistory(ctx, &e, l.cursor); err != nil {
			return err
		}
	}
	l.read, l.begins = place{seq: max(e.purged, lost)}, e.confirmed.seq
	l.horizon, l.verified = l.read.seq, -1
	return nil
}

// sameHistory checks that an entry that was read is the one that is there now.
func (l *Log) sameHistory(ctx context.Context, e *ends, p place) error {
	at, known := int64(0), false
	if p.seq == e.confirmed.seq {
		at, known = e.confirmed.at, e.confirmed.at != 0
	}
	err := l.c.query(ctx, sqlEntryAt, []driver.Value{p.seq}, func(row []driver.Value) error {
		at, _ = row[0].(int64)
		known = true
		return nil
	})
	if err != nil {
		return fault(err)
	}
	if known && at != p.at {
		return &store.GapError{Reason: "the database has been restored or has lost its last transactions since it was read", Next: plain(e.last)}
	}
	return nil
}

func (l *Log) usable() error {
	if l.c == nil || l.s.reader.Load() != l.number {
		return errors.New("log is closed, or another reader has taken over")
	}
	return nil
}

// Held is nothing: see store.Log.
func (l *Log) Held() int64 { return 0 }

// Since is the beginning: the outbox is never let go of.
func (l *Log) Since() store.Position { return "" }

// Close ends the reader.
func (l *Log) Close() error {
	if l.c == nil {
		return nil
	}
	l.s.discard(l.c)
	l.c = nil
	return nil
}

// Next returns what was committed since the last call.
func (l *Log) Next(ctx context.Context, limit int) (store.Batch, error) {
	if err := l.usable(); err != nil {
		return store.Batch{}, err
	}
	if err := l.s.same(); err != nil {
		return store.Batch{}, err
	}
	var out store.Batch
	err := l.reading(ctx, func() (err error) {
		out, err = l.next(ctx, max(limit, 1))
		return err
	})
	if err == nil && len(out.Changes) == 0 {
		l.trim(ctx)
	}
	return out, err
}

// reading is snapshot, but keeps what was written to tables of the connection's own.
func (l *Log) reading(ctx context.Context, work func() error) error {
	if err := l.c.exec(ctx, sqlBegin); err != nil {
		return fault(err)
	}
	err := work()
	if endErr := l.c.exec(context.WithoutCancel(ctx), sqlCommit); err == nil && endErr != nil {
		err = fault(endErr)
	}
	return err
}

func (l *Log) next(ctx context.Context, limit int) (store.Batch, error) {
	e, err := readEnds(ctx, l.c)
	if err != nil {
		return store.Batch{}, err
	}
	if err := l.continuous(ctx, &e); err != nil {
		return store.Batch{}, err
	}
	if err := l.verify(ctx); err != nil {
		return store.Batch{}, err
	}
	if l.read.seq >= l.horizon {
		l.horizon = e.last
		if l.data, err = l.c.number(ctx, sqlDataVersion); err != nil {
			return store.Batch{}, fault(err)
		}
	}
	l.out = nil
	for len(l.out) == 0 && l.read.seq < l.horizon {
		entries, err := l.entries(ctx, limit)
		if err != nil {
			return store.Batch{}, err
		}
		if entries = l.cut(entries); len(entries) == 0 {
			return store.Batch{}, fmt.Errorf("read log: no entry after %d", l.read.seq)
		}
		l.follow(entries)
		if err := l.deliver(ctx, entries); err != nil {
			return store.Batch{}, err
		}
	}
	if l.read.seq >= l.horizon {
		l.verified = l.horizon
	}
	out := store.Batch{Changes: l.out, More: l.inside}
	l.out = nil
	return out, nil
}

// continuous checks that the log goes on from where it was read.
func (l *Log) continuous(ctx context.Context, e *ends) error {
	if e.last < l.read.seq {
		return &store.GapError{Reason: fmt.Sprintf("the log ends at %d, before %d: the database has been restored", e.last, l.read.seq), Next: plain(e.last)}
	}
	if lost := e.lost(); lost > l.read.seq {
		if lost > l.cursor.seq {
			return &store.GapError{Reason: fmt.Sprintf("changes after %d have been removed from the log", l.read.seq), Next: plain(lost)}
		}
		l.read = place{seq: lost}
	}
	if l.read.at == 0 || l.read.seq == e.last && l.data >= 0 && l.read.seq <= e.purged {
		return nil
	}
	return l.sameHistory(ctx, e, l.read)
}

// follow notes whether the entries end inside a transaction of ours. Of others nobody knows.
func (l *Log) follow(entries []entry) {
	for i := range entries {
		if entries[i].ledger != nil && entries[i].ledger.Name == store.MarkerTable {
			l.inside = entries[i].marks(store.MarkerBegin)
		}
	}
}

// cut leaves entries for the next call so that the stretch ends between transactions, if one of ours tells where that
// is.
func (l *Log) cut(entries []entry) []entry {
	if n := len(entries); n == 0 || entries[n-1].seq >= l.horizon {
		return entries
	}
	for i := len(entries) - 1; i >= 0; i-- {
		switch {
		case entries[i].marks(store.MarkerEnd):
			return entries[:i+1]
		case entries[i].marks(store.MarkerBegin) && i > 0:
			return entries[:i]
		}
	}
	return entries
}
