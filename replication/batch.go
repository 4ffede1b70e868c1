package replication

import (
	"context"
	"fmt"

	"github.com/dualwrite/dualwrite/store"
)

// copyBatch is one transaction of a copy.
type copyBatch struct {
	leg     *leg
	copy    *Copy
	rows    []copyRow
	careful bool // row by row: the database has refused one of them

	near    map[string]bool // keys with a change in the target's queue; target's form
	counts  copyCounts
	settled int64 // errors of earlier passes that are gone now
	broke   int64 // rows written without what refers in a circle
	lost    []store.Row
	only    []store.Row
	held    []store.Row
	tokens  []store.Row
	gone    []store.Value
	writes  []store.Write
	of      []*copyRow // per write
	made    []*change  // writes that have changed the database, where it may do more
}

// run makes the transaction; next is the leg's state once it is committed.
func (b *copyBatch) run(ctx context.Context, next *copyState) error {
	b.reset()
	l := b.leg
	at := marker{mapName: b.copy.name, position: store.Position(b.copy.name), relaxed: l.oneWay()}
	counts := next.Counts
	return l.writer.do(ctx, at, func(tx store.Tx) (body, error) {
		next.Counts = counts
		if err := b.plan(ctx, tx); err != nil {
			return body{}, err
		}
		if err := b.write(ctx, tx); err != nil {
			return body{}, err
		}
		if err := newApplier(b.copy.engine, tx, phaseInitial, nil).effects(ctx, b.made); err != nil {
			return body{}, err
		}
		if err := b.record(ctx, tx); err != nil {
			return body{}, err
		}
		next.Counts.add(b.counts)
		end := body{Copy: next, Noted: l.window.target.position, Keys: writtenKeys(b.made)}
		if !l.flow.overwrites() {
			end.Seen = map[string]store.Position{b.copy.name: l.window.target.position}
		}
		return end, nil
	})
}

func (b *copyBatch) reset() {
	*b = copyBatch{leg: b.leg, copy: b.copy, rows: b.rows, careful: b.careful}
}

func (n *copyCounts) add(o copyCounts) {
	n.Inserted += o.Inserted
	n.Updated += o.Updated
	n.Equal += o.Equal
	n.Skipped += o.Skipped
	n.Failed += o.Failed
}

// plan decides what to do with each row.
func (b *copyBatch) plan(ctx context.Context, tx store.Tx) error {
	var keys []string
	for i := range b.rows {
		if r := &b.rows[i]; r.meant != nil {
			keys = append(keys, store.EncodeRow(b.leg.flow.target.KeyOf(r.meant)))
		}
	}
	var err error
	if b.near, err = queuedKeys(ctx, tx, b.copy.name, keys); err != nil {
		return err
	}
	for i := range b.rows {
		b.planRow(&b.rows[i])
	}
	return nil
}

func (b *copyBatch) planRow(r *copyRow) {
	f := b.leg.flow
	switch {
	case r.gone != nil:
		if r.target == nil && !b.leg.window.far[r.key] {
			b.only = append(b.only, store.Row{store.Str(b.copy.name), blob(store.EncodeRow(r.gone))})
		}
		return
	case r.source == nil:
		b.counts.Skipped++
		b.settle(r)
		return
	case r.fault != nil:
		b.fail(r, reason{r.fault.code, r.fault.column, r.fault.text})
		return
	}
	if b.leg.window.kind == stretchAgain && b.planBroken(r) {
		return
	}
	near := b.near[store.EncodeRow(f.target.KeyOf(r.meant))]
	far := b.leg.window.far[r.key]
	switch {
	case near || far:
		if !f.overwrites() && r.target == nil && !far {
			b.only = append(b.only, store.Row{store.Str(b.copy.name), blob(store.EncodeRow(f.target.KeyOf(r.meant)))})
		}
		b.counts.Skipped++
		b.settle(r)
	case r.target.Equal(r.meant):
		b.counts.Equal++
		b.settle(r)
	case r.target != nil && !f.overwrites() && !equal(&f.target, r.target, r.meant):
		b.counts.Skipped++ // the master has another value: this side's loses, or has lost already
		b.settle(r)
	default:
		b.writes = append(b.writes, store.Write{Relation: &f.target, Guard: store.Expect, Key: f.target.KeyOf(r.meant),
			Before: r.target, After: r.meant})
		b.of = append(b.of, r)
	}
}

// planBroken deals with rows that refer in a circle, when they are tried again; false leaves the row to the usual way.
func (b *copyBatch) planBroken(r *copyRow) bool {
	f := b.leg.flow
	broken := f.broken(r.meant)
	if broken == nil || b.near[store.EncodeRow(f.target.KeyOf(r.meant))] || b.leg.window.far[r.key] {
		return false
	}
	w := store.Write{Relation: &f.target, Guard: store.Expect, Key: f.target.KeyOf(r.meant), Before: r.target, After: r.meant}
	switch kind := b.leg.window.pass; {
	case kind == passBreak && r.target == nil:
		w.After, r.breaking = broken, true
	case kind == passBreak:
		return true
	case kind == passLeave:
		if broken.Equal(r.target) {
			b.leave(r)
		}
		return true
	case kind != passFinal || !broken.Equal(r.target):
		return false
	}
	b.writes, b.of = append(b.writes, w), append(b.of, r)
	return true
}

// write makes the writes and counts what became of them.
func (b *copyBatch) write(ctx context.Context, tx store.Tx) error {
	if len(b.writes) == 0 {
		return nil
	}
	apply := tx.Apply
	if b.careful {
		apply = tx.ApplyEach
	}
	results, err := apply(ctx, b.writes)
	if err != nil {
		return err
	}
	f := b.leg.flow
	effects := f.def.Effects[f.from.Other()] || f.def.Fills[f.from.Other()]
	for i, result := range results {
		r, w := b.of[i], &b.writes[i]
		if effects && result.Outcome == store.Applied {
			b.made = append(b.made, &change{flow: f, name: b.copy.name, key: w.Key, after: w.After, insert: w.Before == nil})
		}
		if r.breaking {
			if result.Outcome == store.Applied {
				b.broke++
			}
			continue
		}
		switch result.Outcome {
		case store.Failed:
			c := &change{flow: f, name: b.copy.name, after: r.meant}
			b.fail(r, explain(c, result.Err))
			continue
		case store.Refused:
			b.counts.Skipped++ // changed since it was read: the queue has it
		case store.Unchanged:
			b.counts.Equal++
		default:
			if r.target == nil || (b.leg.window.pass == passFinal && f.broken(r.meant).Equal(r.target)) {
				b.counts.Inserted++
				break
			}
			b.counts.Updated++
			if !equal(&f.target, r.target, r.meant) {
				b.lost = append(b.lost, clash{Map: b.copy.name, Key: store.EncodeRow(f.target.KeyOf(r.meant)),
					Winning: store.EncodeRow(r.source), Losing: store.EncodeRow(r.target), AtMs: b.copy.engine.nowMs(),
					Run: b.copy.run, Winner: f.master}.row())
			}
		}
		b.settle(r)
	}
	return nil
}

// fail puts a row on the list of errors, or notes another attempt.
func (b *copyBatch) fail(r *copyRow, why reason) {
	if r.heldID == 0 {
		b.counts.Failed++
	}
	f := b.leg.flow
	key := store.EncodeRow(f.source.KeyOf(r.source))
	if r.meant != nil {
		key = store.EncodeRow(f.target.KeyOf(r.meant))
	}
	attempts := int64(1)
	if r.heldID != 0 {
		attempts = 2
	}
	h := held{entry: entry{ID: r.heldID, Map: b.copy.name, Kind: kindResend, Key: key, After: store.EncodeRow(r.source),
		AtMs: b.copy.engine.nowMs()}, Phase: phaseInitial, Code: why.code, Column: why.column, Message: why.message,
		Attempts: attempts}
	b.held = append(b.held, h.row())
}

// settle takes a row of a second try off the list of errors. Its new outcome has just been counted.
func (b *copyBatch) settle(r *copyRow) {
	if r.heldID != 0 {
		b.settled++
		b.counts.Failed--
		b.gone = append(b.gone, store.Int(r.heldID))
	}
}

// record writes what the transaction leaves in the ledger.
func (b *copyBatch) record(ctx context.Context, tx store.Tx) error {
	for _, p := range []struct {
		table string
		rows  []store.Row
	}{{store.ConflictTable, b.lost}, {store.BOnlyTable, b.only}, {store.HeldTable, b.held}, {store.TokenTable, b.tokens}} {
		if len(p.rows) == 0 {
			continue
		}
		if err := tx.Put(ctx, p.table, p.rows...); err != nil {
			return fmt.Errorf("write %s: %w", p.table, err)
		}
	}
	if len(b.gone) == 0 {
		return nil
	}
	if err := tx.Delete(ctx, in(store.Query{Table: store.HeldTable}, "id", b.gone)); err != nil {
		return fmt.Errorf("shorten list of errors: %w", err)
	}
	return nil
}
