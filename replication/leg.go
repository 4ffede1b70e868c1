package replication

import (
	"context"
	"fmt"

	"github.com/dualwrite/dualwrite/store"
)

// stretch is a part of the source that shares one pair of notes: rows read on both sides, waiting to be written.
type stretch struct {
	kind   stretchKind
	pass   passKind // of stretchAgain
	rows   []copyRow
	last   int64 // of stretchGone: the last entry of the queue that it looked at
	ended  bool  // the table has no more rows
	noted  bool
	source note // in the source's log
	target note
	met    bool
	far    map[string]bool // keys with a change in the source's queue; source's form
}

type stretchKind int

const (
	stretchScan  stretchKind = iota // rows of the table
	stretchGone                     // keys of queued changes
	stretchAgain                    // errors that a second try may settle
)

// note is a marker that the stream of that log has to meet before the rows may be judged by the queues.
type note struct {
	seq      int64
	position store.Position // in its log, once met
}

// copyRow is one row of the source and what the target has at its key.
type copyRow struct {
	source store.Row // nil: the row is gone
	gone   store.Row // of stretchGone: the target's key
	target store.Row // as the target has it; nil: absent
	meant  store.Row // the source's, translated
	key    string    // the source's
	fault  *fault

	heldID  int64 // of a second try: the error that it may settle
	column  string
	message string

	breaking bool // is being written without what refers in a circle
}

// step does the next piece of a leg.
func (l *leg) step(ctx context.Context, c *Copy) (Outcome, error) {
	switch {
	case l.bulk != nil:
		return l.bulkStep(ctx, c)
	case !l.tried:
		return Moved, l.tryBulk(ctx, c)
	case l.window == nil:
		return l.open(ctx, c)
	case !l.window.noted:
		return Moved, l.noteIn(ctx, c, l.window)
	case !l.window.met:
		return l.meet(ctx, c)
	case len(l.window.rows) > 0 || l.window.kind == stretchGone || (l.window.ended && !l.state.Scanned):
		return Moved, l.write(ctx, c)
	}
	l.window = nil
	return Moved, nil
}

// open reads the next stretch: of the table, then of the errors that a second try may settle.
func (l *leg) open(ctx context.Context, c *Copy) (Outcome, error) {
	var err error
	if !l.state.Scanned {
		if passed, err := l.sumUp(ctx, c); passed || err != nil {
			return Moved, err
		}
		l.window, err = l.scan(ctx, c)
		return Moved, err
	}
	if !l.flow.overwrites() && !l.state.GoneDone {
		l.window, err = l.gone(ctx, c)
		return Moved, err
	}
	if l.again == nil {
		l.again = new(pass)
	}
	l.window, err = l.again.open(ctx, c, l)
	if err == nil && l.window == nil {
		return Done, nil
	}
	return Moved, err
}

// scan reads the next rows of the source, and what the target has at their keys.
func (l *leg) scan(ctx context.Context, c *Copy) (*stretch, error) {
	source, target, done, err := l.views(ctx, c)
	if err != nil {
		return nil, err
	}
	defer done()
	w := new(stretch)
	after, err := store.DecodeRow(l.state.After)
	if err != nil {
		return nil, err
	}
	for range copyChunks {
		rows, err := source.Scan(ctx, &l.flow.source, after, copyChunk)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", l.flow.source.Table, err)
		}
		part := make([]copyRow, len(rows))
		for i, row := range rows {
			part[i].source = row
		}
		if err := l.compare(ctx, target, part); err != nil {
			return nil, err
		}
		w.rows = append(w.rows, part...)
		if len(rows) < copyChunk {
			w.ended = true
			return w, nil
		}
		after = l.flow.source.KeyOf(rows[len(rows)-1])
	}
	return w, nil
}

// views opens both sides for reading.
func (l *leg) views(ctx context.Context, c *Copy) (source, target store.View, done func(), err error) {
	source, err = c.engine.Stores[l.flow.from].View(ctx)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("open view: %w", err)
	}
	target, err = l.writer.store.View(ctx)
	if err != nil {
		_ = source.Close()
		return nil, nil, nil, fmt.Errorf("open view: %w", err)
	}
	return source, target, func() { _ = source.Close(); _ = target.Close() }, nil
}

// compare translates the rows and looks their keys up on the target.
func (l *leg) compare(ctx context.Context, target store.View, rows []copyRow) error {
	var keys []store.Row
	var places []int
	for i := range rows {
		r := &rows[i]
		if r.source == nil {
			continue
		}
		r.key = store.EncodeRow(l.flow.source.KeyOf(r.source))
		if r.meant, r.fault = l.flow.translate(r.source); r.fault == nil {
			keys, places = append(keys, l.flow.target.KeyOf(r.meant)), append(places, i)
		}
	}
	whole := l.flow.target
	whole.Filter = ""
	found, err := target.Lookup(ctx, &whole, keys)
	if err != nil {
		return fmt.Errorf("read %s: %w", l.flow.target.Table, err)
	}
	for n, i := range places {
		rows[i].target = found[n]
	}
	return nil
}

// noteIn commits a marker on each side from which something flows: nobody reads the log of the other.
func (l *leg) noteIn(ctx context.Context, c *Copy, w *stretch) error {
	if !l.oneWay() {
		if err := l.commit(ctx, func(store.Tx) (body, error) { return body{Note: true}, nil }); err != nil {
			return fmt.Errorf("note position: %w", err)
		}
		w.target.seq = l.writer.cursor.Seq
	}
	err := l.back.do(ctx, marker{mapName: c.name}, func(store.Tx) (body, error) {
		return body{Note: true, Copy: l.other}, nil
	})
	if err != nil {
		return fmt.Errorf("note position: %w", err)
	}
	w.source.seq = l.back.cursor.Seq
	w.noted = true
	return nil
}

// commit makes a transaction on the target that carries the leg's state.
func (l *leg) commit(ctx context.Context, work func(store.Tx) (body, error)) error {
	return l.writer.do(ctx, marker{mapName: l.flow.def.Map.Name}, func(tx store.Tx) (body, error) {
		b, err := work(tx)
		b.Copy = l.state
		return b, err
	})
}

// meet looks whether both streams have met the notes. Then the queues hold every change made before them.
func (l *leg) meet(ctx context.Context, c *Copy) (Outcome, error) {
	w := l.window
	outcome, err := l.meetNotes(ctx, c, w)
	if err != nil || !w.met {
		return outcome, err
	}
	w.met = false
	source, err := c.engine.Stores[l.flow.from].View(ctx)
	if err != nil {
		return Moved, fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = source.Close() }()
	keys := make([]string, 0, len(w.rows))
	for i := range w.rows {
		keys = append(keys, w.rows[i].key)
	}
	if w.far, err = queuedKeys(ctx, source, c.name, keys); err != nil {
		return Moved, err
	}
	w.met = true
	return Moved, nil
}

// meetNotes looks whether both streams have met the notes.
func (l *leg) meetNotes(ctx context.Context, c *Copy, w *stretch) (Outcome, error) {
	var err error
	if w.source.position, err = l.metIn(ctx, l.writer.store, w.source); err != nil || w.source.position == "" {
		return Idle, err
	}
	if w.target.seq != 0 {
		w.target.position, err = l.metIn(ctx, c.engine.Stores[l.flow.from], w.target)
		if err != nil || w.target.position == "" {
			return Idle, err
		}
	}
	w.met = true
	return Moved, nil
}

// metIn is where a note of this leg stands in its log, which the other side tells; "" if it has not been met.
func (l *leg) metIn(ctx context.Context, s store.Store, n note) (store.Position, error) {
	view, err := s.View(ctx)
	if err != nil {
		return "", fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = view.Close() }()
	return metAt(ctx, view, l.writer.cursor.Writer, n.seq)
}

// metAt is where a note stands in its log, as the stream that met it has said on the other side; "" if not yet.
func metAt(ctx context.Context, r store.Reader, writerName string, seq int64) (store.Position, error) {
	rows, err := r.Select(ctx, store.Query{Table: store.MetTable, Where: []store.Cond{
		store.Where("writer", store.Eq, store.Str(writerName)), store.Where("seq", store.Eq, store.Int(seq))}})
	if err != nil {
		return "", fmt.Errorf("read notes: %w", err)
	}
	if len(rows) == 0 {
		return "", nil
	}
	return store.Position(rows[0][2].S), nil
}

// queuedKeys tells which of the keys have a change in a side's queue, or one that is held there.
func queuedKeys(ctx context.Context, r store.Reader, mapName string, keys []string) (map[string]bool, error) {
	out := make(map[string]bool)
	for _, table := range []string{store.QueueTable, store.HeldTable} {
		q := byMap(table, mapName)
		if table == store.HeldTable {
			q = and(q, "phase", store.Gt, store.Str(phaseInitial)) // live, replay
		}
		some := q
		some.Limit = 1
		rows, err := r.Select(ctx, some)
		if err != nil {
			return nil, fmt.Errorf("read queue: %w", err)
		}
		if len(rows) == 0 {
			continue
		}
		if err := queuedIn(ctx, r, q, keys, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func queuedIn(ctx context.Context, r store.Reader, q store.Query, keys []string, out map[string]bool) error {
	const chunk = 500
	for start := 0; start < len(keys); start += chunk {
		var values []store.Value
		for _, k := range keys[start:min(start+chunk, len(keys))] {
			values = append(values, blob(k))
		}
		for _, column := range []string{"key", "new_key"} {
			rows, err := r.Select(ctx, in(q, column, values))
			if err != nil {
				return fmt.Errorf("read queue: %w", err)
			}
			for _, row := range rows {
				e := entryOf(row)
				if q.Table == store.HeldTable {
					e = heldOf(row).entry
				}
				out[e.Key], out[e.NewKey] = true, true
			}
		}
	}
	return nil
}

// write writes one transaction of the stretch.
func (l *leg) write(ctx context.Context, c *Copy) error {
	w := l.window
	n := min(len(w.rows), l.writer.store.Limits().CopyRows)
	part := w.rows[:n]
	next := *l.state
	whole := n == len(w.rows)
	switch {
	case w.kind == stretchScan && n > 0:
		next.After = store.EncodeRow(l.flow.source.KeyOf(part[n-1].source))
	case w.kind == stretchGone && whole:
		next.GoneTo, next.GoneDone = w.last, w.ended
	}
	next.Scanned = next.Scanned || (w.ended && whole)
	batch := &copyBatch{leg: l, copy: c, rows: part}
	err := batch.run(ctx, &next)
	if isRowFault(err) {
		batch.careful = true
		err = batch.run(ctx, &next)
	}
	if err != nil {
		return err
	}
	*l.state = next
	w.rows = w.rows[n:]
	if w.kind == stretchGone && whole {
		l.window = nil
	}
	if l.again != nil {
		l.again.settled += batch.settled + batch.broke
	}
	return nil
}
