package sqlite

import (
	"context"
	"slices"

	"github.com/dualwrite/dualwrite/store"
)

// REPLACE removes the rows that stand in its way without firing their delete triggers. Before every write that could be
// one, a trigger notes the rows that it would remove: a touch, with the row touched and the row to be written. If the
// log then has that very write, the rows are gone, unless the log has something else of them in between; if it has not
// (INSERT OR IGNORE, ON CONFLICT DO UPDATE), they stay. What is still open at the end of a state of the database is
// looked up there.
//
// One case is missed: a REPLACE that leaves the row number to the database, into a table with a unique index on a
// generated column that is computed from the row number. Before the insert SQLite knows neither.

// touched is a touch whose write has not come yet.
type touched struct {
	entry
	key string
}

// span is entries of which some may be confirmed only together with the last: the touches that explain it.
type span struct{ from, to int64 }

// deliver makes changes of entries.
func (l *Log) deliver(ctx context.Context, entries []entry) error {
	for i := range entries {
		e := &entries[i]
		switch {
		case e.ledger != nil:
			l.emit(e, l.ledgerChange(e))
		case e.op >= opTouch:
			l.pending = append(l.pending, touched{*e, key(e.layout, e.before)})
		default:
			if err := l.user(ctx, e); err != nil {
				return err
			}
		}
		l.read = e.place
	}
	if l.read.seq >= l.horizon {
		return l.close(ctx)
	}
	return nil
}

// lookAhead is how many entries are read at once to see what becomes of a row.
const lookAhead = 500

func key(l *layout, row store.Row) string { return store.EncodeRow(row[:l.Key]) }

// emit appends a change at the place of an entry. What was confirmed before the log was opened is not delivered again,
// though a crash may have come before it was all removed: it would begin in the middle of a transaction.
func (l *Log) emit(e *entry, c store.Change) {
	c.Position, c.AtMs = position(e.seq, e.at), e.at
	l.last, l.after = c.Position, 0
	if e.seq > l.begins {
		l.out = append(l.out, c)
	}
}

func (l *Log) ledgerChange(e *entry) store.Change {
	op := store.Insert
	if e.op == opUpdate {
		op = store.Update
	}
	return store.Change{Op: op, Table: e.ledger.Name, Ledger: true, Columns: e.ledger.columns, After: e.after}
}

// user delivers an entry of a users' table, after what it has displaced.
func (l *Log) user(ctx context.Context, e *entry) error {
	gone, err := l.displaced(ctx, e)
	if err != nil {
		return err
	}
	for i := range gone {
		if e.op == opInsert && gone[i].key == key(e.layout, e.after) {
			e.before, e.was = gone[i].before, gone[i].was
			continue
		}
		l.remove(&gone[i])
	}
	c := store.Change{Table: e.layout.Table, Columns: e.layout.names}
	if e.was {
		c.Before = e.before[:e.layout.Shown:e.layout.Shown]
	}
	if e.is {
		c.After = e.after[:e.layout.Shown:e.layout.Shown]
	}
	switch {
	case c.Before == nil && c.After == nil:
		return nil
	case c.Before == nil:
		c.Op = store.Insert
	case c.After == nil:
		c.Op = store.Delete
	case c.Before.Equal(c.After) && e.op == opUpdate:
		return nil
	default:
		c.Op = store.Update
	}
	l.emit(e, c)
	return nil
}

// remove delivers the deletion of a row that was displaced. It comes where the log is now: what the deletion cascaded
// to stands before it.
func (l *Log) remove(t *touched) {
	if !t.was {
		return
	}
	at := position(t.seq, t.at)
	if at <= l.last {
		l.after++
		at = behind(l.last, l.after)
	} else {
		l.after = 0
	}
	l.last = at
	l.out = append(l.out, store.Change{Position: at, Op: store.Delete, Table: t.layout.Table, Columns: t.layout.names,
		Before: t.before[:t.layout.Shown:t.layout.Shown], AtMs: t.at})
}

// displaced takes from the open touches those that the entry settles, and returns the rows that it has displaced.
func (l *Log) displaced(ctx context.Context, e *entry) ([]touched, error) {
	if len(l.pending) == 0 {
		return nil, nil
	}
	var gone []touched
	settled := make(map[string]bool) // keys of rows of which nothing is open any more
	if e.op != opInsert {
		settled[key(e.layout, e.before)] = true // it was still there: the log has the rest
	}
	for i := range l.pending {
		t := &l.pending[i]
		if t.layout != e.layout || settled[t.key] || e.op == opDelete {
			continue
		}
		if away, err := l.makesAway(ctx, t, e); err != nil {
			return nil, err
		} else if away {
			settled[t.key] = true
			gone = append(gone, *t)
		}
	}
	first := e.seq
	l.pending = slices.DeleteFunc(l.pending, func(t touched) bool {
		done := t.layout == e.layout && settled[t.key]
		if done {
			first = min(first, t.seq)
		}
		return done
	})
	if first < e.seq {
		l.hold(span{first, e.seq})
	}
	return gone, nil
}

// makesAway reports whether the entry has displaced the row touched.
func (l *Log) makesAway(ctx context.Context, t *touched, e *entry) (bool, error) {
	switch {
	case t.key == key(e.layout, e.after): // two rows cannot have one key
		return true, nil
	case !t.standsFor(e):
		return false, nil
	case t.op != opSuspect:
		return true, nil
	}
	alive, err := l.survives(ctx, t, e)
	return !alive, err
}

// standsFor reports whether the touch was made by the write that the entry is.
func (t *touched) standsFor(e *entry) bool {
	for i, v := range t.after {
		if v == e.after[i] {
			continue
		}
		// Before an insert, a row number that the database is to choose reads as -1.
		if i != t.layout.Alias || t.op == opNumber || e.op != opInsert || v != store.Int(-1) {
			return false
		}
	}
	return true
}

// survives reports whether a suspect was not displaced: what the log has of it later shows it, or else the table.
func (l *Log) survives(ctx context.Context, t *touched, e *entry) (bool, error) {
	for from := e.seq; from < l.horizon; {
		entries, err := l.page(ctx, from, l.horizon, lookAhead)
		if err != nil {
			return false, err
		}
		for i := range entries {
			r := &entries[i]
			from = r.seq
			switch {
			case r.layout != t.layout:
			case r.before != nil && t.key == key(r.layout, r.before): // touched again, too
				return true, nil
			case r.op == opInsert && t.key == key(r.layout, r.after):
				return false, nil
			case r.op == opUpdate && t.key == key(r.layout, r.after):
				return false, nil
			}
		}
	}
	alive, err := l.alive(ctx, t.layout, []store.Row{t.before[:t.layout.Key]})
	if err != nil {
		return false, err
	}
	return alive[0], nil
}

// close looks up what is open at the end of a state of the database.
func (l *Log) close(ctx context.Context) error {
	open := l.pending
	if len(open) == 0 {
		return nil
	}
	l.pending = nil
	to := l.read.seq
	for len(open) > 0 {
		one := open[0].layout
		var rows []touched
		var keys []store.Row
		open = slices.DeleteFunc(open, func(t touched) bool {
			if t.layout != one {
				return false
			}
			rows, keys = append(rows, t), append(keys, t.before[:one.Key])
			return true
		})
		alive, err := l.alive(ctx, one, keys)
		if err != nil {
			return err
		}
		seen := make(map[string]bool)
		for i := range rows {
			if !alive[i] && !seen[rows[i].key] {
				seen[rows[i].key] = true
				l.remove(&rows[i])
				to = l.read.seq + 1
			}
		}
		l.hold(span{rows[0].seq, to})
	}
	return nil
}

// hold keeps entries together.
func (l *Log) hold(s span) {
	if n := len(l.spans); n > 0 && s.from <= l.spans[n-1].to {
		last := &l.spans[n-1]
		last.from, last.to = min(last.from, s.from), max(last.to, s.to)
		return
	}
	l.spans = append(l.spans, s)
}
