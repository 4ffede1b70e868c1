package replication

import (
	"context"
	"fmt"
	"strconv"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// replayLimit bounds the transaction that turns a map live, since the stream waits for it. Those before it are as large as
// those of a copy.
const replayLimit = 1000

// faultRows is how many changes are made one by one where one of them is refused, and how many the transaction after that makes at
// most: each that follows without a fault makes twice as many. A whole page one by one would take minutes, in one transaction.
const faultRows = 100

// ending says what a replay does when the queue is empty.
type ending int

const (
	turnLive  ending = iota // in the transaction that applies the last of it
	keepQueue               // a rerun of an initial sync compares the tables first
)

// Replay plays back the queue of one direction of a map, in order, and turns the direction live.
type Replay struct {
	engine *Engine
	target store.Store
	writer *writer
	flow   *flow
	name   string
	ending ending
	upTo   int64 // with keepQueue: the last entry there was at the beginning
	run    int
	ahead  *page // read beside the last transaction; nil: none was
	most   int   // bounds the page after a fault; 0: nothing does

	progress tablemap.ReplayProgress
	begun    bool // a batch has got through: nobody keeps the table locked
	careful  bool
	then     *settling // when the last entry has been applied; nil until then
}

// NewReplay begins to play back what one side has queued for the other.
func (e *Engine) NewReplay(ctx context.Context, mapName string, from tablemap.Side) (*Replay, error) {
	return e.newReplay(ctx, mapName, from, turnLive)
}

func (e *Engine) newReplay(ctx context.Context, mapName string, from tablemap.Side, end ending) (*Replay, error) {
	r := &Replay{engine: e, target: e.Stores[from.Other()], name: mapName, ending: end}
	view, err := r.target.View(ctx)
	if err != nil {
		return nil, fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = view.Close() }()
	m, def, err := attached(ctx, view, mapName)
	if err != nil {
		return nil, err
	}
	r.run = m.Run
	r.flow = newFlow(def, from, m.Master)
	if r.progress.Left, err = view.Count(ctx, byMap(store.QueueTable, mapName)); err != nil {
		return nil, fmt.Errorf("count queue: %w", err)
	}
	if end == keepQueue {
		q := byMap(store.QueueTable, mapName)
		q.Desc, q.Limit = true, 1
		rows, err := view.Select(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("read queue: %w", err)
		}
		if len(rows) > 0 {
			r.upTo = entryOf(rows[0]).ID
		}
	}
	r.writer, err = fence(ctx, r.target, writerReplay+mapName, e.nowMs)
	return r, err
}

// attached reads the mode and the definition of a map that is not off.
func attached(ctx context.Context, r store.Reader, mapName string) (mode, *Definition, error) {
	found, err := modes(ctx, r, mapName)
	if err != nil {
		return mode{}, nil, err
	}
	m, ok := found[mapName]
	if !ok || m.Mode == modeOff {
		return mode{}, nil, detached(ctx, r, mapName)
	}
	def, err := definition(ctx, r, mapName, m.Run)
	return m, def, err
}

// detached refuses what needs an attached map, and says why it is not, where a stream has taken it off.
func detached(ctx context.Context, r store.Reader, mapName string) error {
	rows, err := r.Select(ctx, byMap(store.AlarmTable, mapName))
	if err != nil {
		return fmt.Errorf("read alarm: %w", err)
	}
	if len(rows) > 0 {
		return &Refusal{Message: "map " + mapName + " was taken off: " + rows[0][2].S, Hint: "run it again"}
	}
	return &Refusal{Message: "map " + mapName + " is not attached", Hint: "run it"}
}

// Progress tells how much has been applied and how much is left.
func (r *Replay) Progress() tablemap.ReplayProgress { return r.progress }

// Step applies one batch of the queue, in one transaction.
func (r *Replay) Step(ctx context.Context) (Outcome, error) {
	if r.then != nil {
		return r.then.Step(ctx)
	}
	next := r.ahead
	if r.ahead = nil; next == nil {
		next = r.next(ctx, 0)
	}
	entries, err := next.entries, next.err
	if err != nil {
		return Moved, err
	}
	if r.ending == keepQueue && len(entries) == 0 {
		return Done, nil
	}
	last := r.ending == turnLive && !next.full && len(entries) < r.lastLimit() && (r.begun || len(entries) == 0)
	outcome, err := r.batch(ctx, entries, last)
	if isRowFault(err) {
		r.careful, r.most, r.ahead = true, faultRows, nil
		outcome, err = r.batch(ctx, entries[:min(len(entries), faultRows)], last)
	} else if r.most *= 2; r.most >= r.target.Limits().CopyRows {
		r.most = 0
	}
	r.careful = false
	if outcome == Done && err == nil && r.ending == turnLive {
		r.then = &settling{engine: r.engine, name: r.name}
		return Moved, nil
	}
	return outcome, err
}

func (r *Replay) lastLimit() int { return min(replayLimit, r.pageLimit()) }

// pageLimit bounds the transactions.
func (r *Replay) pageLimit() int {
	most := r.target.Limits().CopyRows
	if r.most > 0 {
		return min(most, r.most)
	}
	return most
}

// page is what was read of the queue.
type page struct {
	entries []entry
	full    bool // there may be more
	err     error
}

// next reads the next entries after one, without a transaction: the stream only appends.
func (r *Replay) next(ctx context.Context, after int64) *page {
	view, err := r.target.View(ctx)
	if err != nil {
		return &page{err: fmt.Errorf("open view: %w", err)}
	}
	defer func() { _ = view.Close() }()
	limit := r.pageLimit()
	entries, err := r.read(ctx, view, after, limit)
	return &page{entries, len(entries) == limit, err}
}

func (r *Replay) read(ctx context.Context, from store.Reader, after int64, limit int) ([]entry, error) {
	q := byMap(store.QueueTable, r.name)
	if after > 0 {
		q = and(q, "id", store.Gt, store.Int(after))
	}
	if r.ending == keepQueue {
		q = and(q, "id", store.Le, store.Int(r.upTo))
	}
	q.Limit = limit
	rows, err := from.Select(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("read queue: %w", err)
	}
	entries := make([]entry, len(rows))
	for i, row := range rows {
		entries[i] = entryOf(row)
	}
	return entries, nil
}

// batch applies entries; the last one first locks the stream out, drains what it has added, and turns the map live.
func (r *Replay) batch(ctx context.Context, entries []entry, last bool) (Outcome, error) {
	// What a crash of the server takes back is in the queue again.
	at := marker{position: r.writer.cursor.Position, mapName: r.name, lock: last, relaxed: !last}
	if len(entries) > 0 {
		at.position = store.Position(strconv.FormatInt(entries[len(entries)-1].ID, 10))
	}
	tx, err := r.writer.begin(ctx, at)
	if err != nil {
		return Moved, err
	}
	defer func() { _ = tx.Rollback() }()
	if last {
		if entries, err = r.read(ctx, tx, 0, r.lastLimit()); err != nil {
			return Moved, err
		}
		last = len(entries) < r.lastLimit()
	}
	found, err := modes(ctx, tx, r.name)
	if err != nil {
		return Moved, err
	}
	if m := found[r.name]; m.Mode == modeOff || m.Run != r.run {
		return Done, nil
	}
	a := newApplier(r.engine, tx, phaseReplay, found)
	a.careful = r.careful
	if n := len(entries); !last && n >= r.engine.ahead() {
		a.beside = func() { r.ahead = r.next(ctx, entries[n-1].ID) }
	}
	b, err := r.applyEntries(ctx, tx, entries, a)
	if err != nil {
		return Moved, err
	}
	if last && found[r.name].Mode != modeLive {
		m := found[r.name]
		m.Mode = modeLive
		if err := tx.Put(ctx, store.ModeTable, m.row()); err != nil {
			return Moved, fmt.Errorf("write mode: %w", err)
		}
	}
	if err := r.writer.commit(ctx, tx, at, b); err != nil {
		return Moved, err
	}
	r.progress.Applied += a.tally(r.name).applied
	r.progress.Left = max(0, r.progress.Left-int64(len(entries)))
	if last {
		return Done, nil
	}
	r.begun = true
	return Moved, nil
}

func (r *Replay) applyEntries(ctx context.Context, tx store.Tx, entries []entry, a *applier) (body, error) {
	if len(entries) == 0 {
		return body{}, nil
	}
	changes := make([]*change, len(entries))
	for i, e := range entries {
		c, err := changeOf(r.flow, e)
		if err != nil {
			return body{}, err
		}
		changes[i] = c
	}
	applied := coalesce(changes)
	if err := a.quietly(ctx, r.target, applied); err != nil {
		return body{}, err
	}
	if err := a.apply(ctx, applied); err != nil {
		return body{}, err
	}
	if err := writeStats(ctx, tx, a.tallies, r.engine.nowMs()); err != nil {
		return body{}, err
	}
	if err := r.dequeue(ctx, tx, entries); err != nil {
		return body{}, err
	}
	b := body{Effective: entries[len(entries)-1].Position, Keys: writtenKeys(applied)}
	if !r.flow.overwrites() {
		b.Seen = map[string]store.Position{r.name: entries[0].Seen}
	}
	return b, nil
}

// dequeue removes entries, and where echoes will be judged by them, keeps whose keys they were.
func (r *Replay) dequeue(ctx context.Context, tx store.Tx, entries []entry) error {
	q := and(byMap(store.QueueTable, r.name), "id", store.Le, store.Int(entries[len(entries)-1].ID))
	if err := tx.Delete(ctx, q); err != nil {
		return fmt.Errorf("shorten queue: %w", err)
	}
	if !r.flow.overwrites() || !r.flow.def.Map.Flows(r.flow.from.Other()) {
		return nil
	}
	return putReplayed(ctx, tx, r.name, entries)
}

// changeOf makes a change of a queued or held one.
func changeOf(f *flow, e entry) (*change, error) {
	before, err := store.DecodeRow(e.Before)
	if err != nil {
		return nil, err
	}
	after, err := store.DecodeRow(e.After)
	if err != nil {
		return nil, err
	}
	c := newChange(f, e, before, after)
	c.insert = (e.Kind == kindChange && before == nil) || e.Kind == kindRetryInsert
	c.retry = e.Kind == kindRetry || e.Kind == kindRetryInsert
	if before == nil && after == nil { // a resend of an absent row: the key is all there is
		if c.key, err = store.DecodeRow(e.Key); err != nil {
			return nil, err
		}
		c.entry.Key = e.Key
	}
	return c, nil
}
