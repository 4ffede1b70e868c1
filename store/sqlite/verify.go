package sqlite

import (
	"context"

	"github.com/dualwrite/dualwrite/store"
)

// verify looks, whenever the schema has changed, whether captured tables still are captured and as they were. What it
// finds is of the same state of the database as what is read next.
func (l *Log) verify(ctx context.Context) error {
	version, err := l.c.number(ctx, sqlSchemaVersion)
	if err != nil {
		return fault(err)
	}
	if version == l.version {
		return nil
	}
	all, err := layouts(ctx, l.c)
	if err != nil {
		return err
	}
	l.width = ledgerWidth(l.ledger)
	l.layouts = make(map[int64]*layout, len(all))
	for _, one := range all {
		l.layouts[one.id] = one
		l.width = max(l.width, one.width())
	}
	settled := true
	for _, one := range all {
		state, err := l.check(ctx, one)
		if err != nil {
			return err
		}
		if state != stateGood {
			settled = l.mend(ctx, one) && settled
		}
	}
	if settled {
		l.version = version
	}
	return nil
}

func ledgerWidth(tables map[string]*ledgerTable) int {
	width := 0
	for _, t := range tables {
		width = max(width, len(t.columns)+1)
	}
	return width
}

// check looks at the table of one layout.
func (l *Log) check(ctx context.Context, one *layout) (state, error) {
	found, err := one.look(ctx, l.c)
	if err != nil || found != stateBlind {
		return found, err
	}
	written, err := l.writtenSince(ctx, one)
	if err == nil && written {
		err = &store.GapError{Table: one.Table, Reason: "it was given a unique index and written to before that was seen"}
	}
	return found, err
}

// look says whether a table still is captured as it was: a *store.GapError when changes may have been missed, a
// *store.MapError when a column is gone.
func (l *layout) look(ctx context.Context, c *conn) (state, error) {
	switch {
	case l.lost:
		return stateLost, &store.GapError{Table: l.Table, Reason: "its triggers were gone for a while"}
	case !l.active:
		return stateGood, nil
	}
	info, err := describe(ctx, c, l.Table)
	if err != nil {
		return stateLost, err
	}
	if err := l.fits(info); err != nil {
		return stateLost, err
	}
	found, err := l.state(ctx, c, info)
	if err == nil && found == stateLost {
		err = &store.GapError{Table: l.Table, Reason: "its triggers are gone: the table has been rebuilt, or somebody dropped them"}
	}
	return found, err
}

// writtenSince reports whether rows were written that may have replaced others, since the last look.
func (l *Log) writtenSince(ctx context.Context, one *layout) (bool, error) {
	n, err := l.c.number(ctx, "SELECT EXISTS(SELECT 1 FROM main."+outboxTable+" WHERE seq > ?1 AND layout = ?2 AND op IN (1, 2))",
		max(l.verified, l.read.seq), one.id)
	return n != 0, fault(err)
}

// mend makes the triggers of a table new. It reports whether it could: a busy database is tried again later.
func (l *Log) mend(ctx context.Context, one *layout) bool {
	err := l.s.writer.write(ctx, func(c *conn) error {
		info, err := describe(ctx, c, one.Table)
		if err != nil || info == nil {
			return err
		}
		fresh := *one
		fresh.Touches = nil
		for _, t := range info.touches() {
			fresh.Touches = append(fresh.Touches, t.signature)
		}
		if err := fresh.save(ctx, c); err != nil {
			return err
		}
		return fresh.pull(ctx, c, info)
	})
	return err == nil
}

// alive reports which of the rows with these keys a table has now.
func (l *Log) alive(ctx context.Context, one *layout, keys []store.Row) ([]bool, error) {
	rel := &store.Relation{Table: one.Table, Key: one.Key}
	for _, c := range one.Columns[:one.Key] {
		rel.Columns = append(rel.Columns, store.Column{Name: c.Name, Type: c.Type})
	}
	version, err := l.c.number(ctx, sqlSchemaVersion)
	if err != nil {
		return nil, fault(err)
	}
	p, err := l.s.plans.plan(ctx, l.c, version, rel)
	if err != nil {
		return nil, err
	}
	rows, err := p.find(ctx, l.c, keys, "")
	out := make([]bool, len(keys))
	for i := range rows {
		out[i] = rows[i] != nil
	}
	return out, err
}
