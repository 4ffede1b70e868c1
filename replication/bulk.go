package replication

import (
	"context"
	"errors"
	"fmt"

	"github.com/dualwrite/dualwrite/store"
)

// How much of the source shares one pair of notes, about. Where rows flow back too, the other stream holds them all until it
// has met the end of their transaction. The first block is small: nothing is written while it is read.
const (
	bulkBytes       = 4 << 20
	bulkBytesOneWay = 8 << 20
	bulkBytesFirst  = 1 << 20
)

// bulk is the fast way of a leg whose target is empty and whose rows are the same on both sides: blocks of rows pass
// from store to store without being decoded. The order is that of every copy (read, note, wait, leave out what has a
// change in a queue, write); one block is read and noted while the one before it is waited for or written. The first
// row that the target refuses ends it: the leg then scans its table from the start, and meets what was written as equal.
type bulk struct {
	view   store.View
	export store.Export
	first  *bulkBlock
	second *bulkBlock
	ended  bool
}

// bulkBlock is rows that have been read, and the notes that followed.
type bulkBlock struct {
	rows    store.Block
	stretch stretch // its notes
}

// tryBulk begins the fast way, if this leg may take it.
func (l *leg) tryBulk(ctx context.Context, c *Copy) error {
	l.tried = true
	f := l.flow
	source, target := c.engine.Stores[f.from], l.writer.store
	fresh := l.state.After == "" && l.state.Bulk == 0 && l.state.Counts == (copyCounts{})
	if !fresh || source.Limits().Bulk == "" || source.Limits().Bulk != target.Limits().Bulk || !f.alike() {
		return nil
	}
	view, err := target.View(ctx)
	if err != nil {
		return fmt.Errorf("open view: %w", err)
	}
	whole := f.target
	whole.Filter = ""
	rows, err := view.Scan(ctx, &whole, nil, 1)
	if err := errors.Join(err, view.Close()); err != nil || len(rows) > 0 {
		return err
	}
	b := new(bulk)
	if b.view, err = source.View(ctx); err != nil {
		return fmt.Errorf("open view: %w", err)
	}
	if b.export, err = b.view.Export(ctx, &f.source); err != nil || b.export == nil {
		return errors.Join(err, b.view.Close())
	}
	l.bulk = b
	return nil
}

// alike reports whether rows of both sides are the same bytes, and nothing happens to them on the target.
func (f *flow) alike() bool {
	if f.def.Effects[f.from.Other()] || f.target.SkipTriggers || f.target.Filter != "" || len(f.target.Defaults) > 0 {
		return false
	}
	return f.sameTypes()
}

// sameTypes reports whether values are the same on both sides.
func (f *flow) sameTypes() bool {
	for n, i := range f.cols {
		if len(f.def.Columns[i].Values) > 0 || f.source.Columns[n].Type != f.target.Columns[n].Type {
			return false
		}
	}
	return true
}

// bulkStep does the next piece of the fast way.
func (l *leg) bulkStep(ctx context.Context, c *Copy) (Outcome, error) {
	b := l.bulk
	switch {
	case b.first == nil && !b.ended:
		var err error
		b.first, err = l.readBlock(ctx, c)
		return Moved, err
	case b.first == nil:
		l.endBulk()
		l.window = &stretch{ended: true} // to be noted, even if there was no row: what follows reads the queues
		if l.coversTheOther(c) {
			c.legs[1].state.Scanned = true // what its source has is this leg's, or in the queue
		}
		return Moved, nil
	case !l.oneWay() && b.second == nil && !b.ended:
		return Moved, l.readAhead(ctx, c)
	case !b.first.stretch.met:
		return l.meetNotes(ctx, c, &b.first.stretch)
	}
	err := l.writeBlock(ctx, c, b.first)
	if isRowFault(err) {
		l.endBulk()
		return Moved, nil
	}
	if err == nil {
		b.first, b.second = b.second, nil
	}
	return Moved, err
}

// readAhead reads the block after the one that is to be written.
func (l *leg) readAhead(ctx context.Context, c *Copy) error {
	b := l.bulk
	if b.second != nil || b.ended {
		return nil
	}
	var err error
	b.second, err = l.readBlock(ctx, c)
	return err
}

// readBlock reads the next rows and notes where both logs are then; nil at the end.
func (l *leg) readBlock(ctx context.Context, c *Copy) (*bulkBlock, error) {
	size := bulkBytes
	if l.oneWay() {
		size = bulkBytesOneWay
	}
	if l.state.Bulk == 0 {
		size = bulkBytesFirst
	}
	rows, err := l.bulk.export.Next(ctx, size)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", l.flow.source.Table, err)
	}
	if rows == nil {
		l.bulk.ended = true
		return nil, nil
	}
	out := &bulkBlock{rows: rows}
	return out, l.noteIn(ctx, c, &out.stretch)
}

// oneWay reports whether nothing flows back. The stream that reads the target's log then need not see soon what the copy has
// written there, so that need not be durable at once.
func (l *leg) oneWay() bool { return !l.flow.def.Map.Flows(l.flow.from.Other()) }

// writeBlock writes the rows that have no change in a queue. Where nothing flows back, the next block is read and noted
// meanwhile; otherwise it has been: its notes are made on the target too, by the writer of this transaction.
func (l *leg) writeBlock(ctx context.Context, c *Copy, b *bulkBlock) error {
	source, err := c.engine.Stores[l.flow.from].View(ctx)
	if err != nil {
		return fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = source.Close() }()
	next := *l.state
	at := marker{mapName: c.name, position: store.Position(c.name), relaxed: l.oneWay(), ahead: []store.Query{anyQueued(c.name)}}
	err = l.writer.do(ctx, at, func(tx store.Tx) (body, error) {
		next = *l.state
		rows, only, err := l.unqueued(ctx, c, bulkReaders{source: source, target: tx}, b.rows)
		if err != nil {
			return body{}, err
		}
		next.Counts.Skipped += int64(b.rows.Rows() - rows.Rows())
		next.Bulk += int64(rows.Rows())
		if err := l.importRows(ctx, c, tx, rows); err != nil {
			return body{}, err
		}
		if l.oneWay() {
			if err := l.readAhead(ctx, c); err != nil {
				return body{}, err
			}
		}
		if len(only) > 0 {
			if err := tx.Put(ctx, store.BOnlyTable, only...); err != nil {
				return body{}, fmt.Errorf("write %s: %w", store.BOnlyTable, err)
			}
		}
		end := body{Copy: &next, Noted: b.stretch.target.position}
		if !l.flow.overwrites() {
			end.Seen = map[string]store.Position{c.name: b.stretch.target.position}
		}
		return end, nil
	})
	if err == nil {
		*l.state = next
	}
	return err
}

// importRows writes rows, and where they flow back, keeps them out of the log.
func (l *leg) importRows(ctx context.Context, c *Copy, tx store.Tx, rows store.Block) error {
	quiet := false
	if !l.oneWay() {
		var err error
		if quiet, err = hush(ctx, l.writer.store, tx, rows.Rows(), l.flow); err != nil {
			return err
		}
	}
	if err := tx.Import(ctx, &l.flow.target, rows); err != nil || !quiet {
		return err
	}
	keys, err := rows.Keys()
	if err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	return putWrote(ctx, tx, c.name, keys)
}

// bulkReaders are where the two queues are read.
type bulkReaders struct{ source, target store.Reader }

func anyQueued(mapName string) store.Query {
	q := byMap(store.QueueTable, mapName)
	q.Limit = 1
	return q
}

// unqueued leaves out the rows whose keys have a change in either queue. Of those that only the queue of the target has,
// the target had none when they were read: they are returned as rows of the table b_only, where that matters.
func (l *leg) unqueued(ctx context.Context, c *Copy, r bulkReaders, rows store.Block) (store.Block, []store.Row, error) {
	some := false
	for _, reader := range []store.Reader{r.source, r.target} {
		found, err := reader.Select(ctx, anyQueued(c.name))
		if err != nil {
			return nil, nil, fmt.Errorf("read queue: %w", err)
		}
		some = some || len(found) > 0
	}
	if !some {
		return rows, nil, nil
	}
	decoded, err := rows.Keys()
	if err != nil {
		return nil, nil, fmt.Errorf("read keys: %w", err)
	}
	keys := make([]string, len(decoded))
	for i, k := range decoded {
		keys[i] = store.EncodeRow(k)
	}
	far, err := queuedKeys(ctx, r.source, c.name, keys)
	if err != nil {
		return nil, nil, err
	}
	near, err := queuedKeys(ctx, r.target, c.name, keys)
	if err != nil {
		return nil, nil, err
	}
	var out []int
	var only []store.Row
	for i, k := range keys {
		if !near[k] && !far[k] {
			continue
		}
		out = append(out, i)
		if !l.flow.overwrites() && !far[k] {
			only = append(only, store.Row{store.Str(c.name), blob(k)})
		}
	}
	return rows.Without(out), only, nil
}

// endBulk ends the fast way.
func (l *leg) endBulk() {
	_ = l.bulk.export.Close() // it only read
	_ = l.bulk.view.Close()
	l.bulk = nil
}
