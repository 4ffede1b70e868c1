package replication

import (
	"context"
	"fmt"

	"github.com/dualwrite/dualwrite/store"
)

// passLimit is how many failed rows are tried again at once.
const passLimit = 2000

// pass tries rows again that failed for want of another row: a parent further down the same table, or a unique value
// that has been freed. When a whole pass has settled none, rows that refer to each other in a circle are written
// without the reference, and tried again; those whose parents are another map's, which has not come to them yet, are
// left to a retry when it has.
type pass struct {
	kind    passKind
	last    int64 // id of the last error tried in this pass
	settled int64 // in this pass
	ended   bool
	down    bool // newest error first: every other pass, since parents may stand on either side of their children
}

type passKind int

const (
	passAgain passKind = iota // try whole rows
	passBreak                 // write rows without what refers in a circle, then try whole ones again
	passFinal                 // whole rows, after some were written without
	passLeave                 // leave what is still without to a later retry
)

// open reads the next errors and their rows as they are now; nil when there is nothing left to try.
func (p *pass) open(ctx context.Context, c *Copy, l *leg) (*stretch, error) {
	for {
		if p.ended && !p.next(l.flow) {
			return nil, nil
		}
		w, err := p.read(ctx, c, l)
		if err != nil || len(w.rows) > 0 {
			return w, err
		}
	}
}

// next begins the next pass; false when there is none.
func (p *pass) next(f *flow) bool {
	n := pass{kind: p.kind, down: !p.down}
	if p.settled == 0 {
		circles := len(f.circles()) > 0
		switch {
		case p.kind == passAgain && circles:
			n.kind = passBreak
		case p.kind == passFinal:
			n.kind = passLeave
		default:
			return false
		}
	} else if p.kind == passBreak {
		n.kind = passFinal
	}
	*p = n
	return p.kind != passLeave || len(f.circles()) > 0
}

// read reads the next errors of the pass.
func (p *pass) read(ctx context.Context, c *Copy, l *leg) (*stretch, error) {
	source, target, done, err := l.views(ctx, c)
	if err != nil {
		return nil, err
	}
	defer done()
	q := and(byMap(store.HeldTable, c.name), "phase", store.Eq, store.Str(phaseInitial))
	q = in(q, "code", p.codes())
	if p.last != 0 {
		q = and(q, "id", p.beyond(), store.Int(p.last))
	}
	q.Limit, q.Desc = passLimit, p.down
	errors, err := target.Select(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("read errors: %w", err)
	}
	p.ended = len(errors) < passLimit
	w := &stretch{kind: stretchAgain, pass: p.kind, ended: p.ended}
	if len(errors) == 0 {
		return w, nil
	}
	p.last = errors[len(errors)-1][0].Int64()
	if w.rows, err = l.reread(ctx, source, errors); err != nil {
		return nil, err
	}
	return w, l.compare(ctx, target, w.rows)
}

func (p *pass) codes() []store.Value {
	codes := []store.Value{store.Str(string(store.CodeMissingParent)), store.Str(string(store.CodeForeignKey))}
	if p.kind == passAgain || p.kind == passFinal {
		codes = append(codes, store.Str(string(store.CodeUnique)))
	}
	return codes
}

func (p *pass) beyond() store.Comparison {
	if p.down {
		return store.Lt
	}
	return store.Gt
}

// circles are the positions, in the flow's columns, of foreign keys that may be null and that are part of a circle.
func (f *flow) circles() []int {
	var out []int
	key := f.target.Key
	for _, p := range f.def.Parents[f.from.Other()] {
		places := f.placesOf(p.Columns)
		if !p.Circle || len(places) == 0 {
			continue
		}
		for _, n := range places {
			if n >= key && !f.target.Columns[n].NotNull {
				out = append(out, n) // one null among them is enough
				break
			}
		}
	}
	return out
}

// broken is a row without the references that are part of a circle; nil when it has none.
func (f *flow) broken(row store.Row) store.Row {
	out, n := append(store.Row(nil), row...), 0
	for _, i := range f.circles() {
		if i < len(out) && !out[i].IsNull() {
			out[i], n = store.Value{}, n+1
		}
	}
	if n == 0 {
		return nil
	}
	return out
}

// leave turns the error of a row that was written without a reference into a held change, which is retried when the
// map of the missing parent has gone live.
func (b *copyBatch) leave(r *copyRow) {
	f := b.leg.flow
	e := entry{ID: r.heldID, Map: b.copy.name, Kind: kindChange, Seen: b.leg.window.target.position,
		Before: store.EncodeRow(f.broken(r.source)), After: store.EncodeRow(r.source), AtMs: b.copy.engine.nowMs()}
	c := newChange(f, e, f.broken(r.source), r.source)
	h := held{entry: c.entry, Phase: phaseReplay, Code: store.CodeMissingParent, Column: r.column, Message: r.message, Attempts: 1}
	b.held = append(b.held, h.row())
	for _, token := range c.ownTokens() {
		b.tokens = append(b.tokens, store.Row{blob(token), store.Str(c.name), blob(c.entry.Key)})
	}
	b.counts.Failed--
	b.counts.Inserted++
}

// reread reads the rows of errors from the source again.
func (l *leg) reread(ctx context.Context, source store.View, errors []store.Row) ([]copyRow, error) {
	rows := make([]copyRow, len(errors))
	keys := make([]store.Row, len(errors))
	for i, e := range errors {
		h := heldOf(e)
		image, err := store.DecodeRow(h.After)
		if err != nil {
			return nil, err
		}
		rows[i].heldID, rows[i].column, rows[i].message = h.ID, h.Column, h.Message
		keys[i] = l.flow.source.KeyOf(image)
		rows[i].key = store.EncodeRow(keys[i])
	}
	found, err := source.Lookup(ctx, &l.flow.source, keys)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", l.flow.source.Table, err)
	}
	for i := range rows {
		rows[i].source = found[i]
	}
	return rows, nil
}
