package replication

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// reader turns the log of one side into items for the other. It holds what the log has told so far.
type reader struct {
	engine *Engine
	from   tablemap.Side
	cursor store.Position // items up to here have been applied by an earlier attempt
	read   store.Position // end of the last change that stands outside brackets

	maps       map[string]*mapState
	tables     map[string]*mapState // by the source's table
	seqs       map[string]int64     // last sequence number met, per writer
	dirtySeqs  map[string]bool
	seenStream store.Position // target position in the last marker of the opposite stream: what this side has seen of it
	echoes     *echoBook
	open       *bracket
	out        []item
	gathered   int                  // how many of out have been gathered …
	gatheredOf int                  // … and of how many they are what is left
	moved      bool                 // a horizon has
	pending    map[echoKey]struct{} // keys of users' changes in out whose direction compares and sets
}

// bracket is one transaction of ours, from its begin row to its end row.
type bracket struct {
	writer   string
	seq      int64
	mapName  string
	position store.Position // the begin row's: of the other side's log, for a stream
	restart  store.Position
	end      store.Position // of the end row
	changes  []store.Change
}

func newReader(e *Engine, from tablemap.Side) *reader {
	return &reader{engine: e, from: from, maps: make(map[string]*mapState), tables: make(map[string]*mapState),
		seqs: make(map[string]int64), dirtySeqs: make(map[string]bool), echoes: newEchoBook(), pending: make(map[echoKey]struct{})}
}

// take reads changes; items appear in r.out. It stops early, before a change that must not be read until the items are
// applied, and returns how many it has read.
func (r *reader) take(ctx context.Context, changes []store.Change) (int, error) {
	for i := range changes {
		c := &changes[i]
		if len(r.out) > 0 && r.empties(c) != (r.out[0].kind == itemTruncate) {
			return i, nil
		}
		if c.Ledger && c.Table == store.MarkerTable && c.After[2].S == store.MarkerEnd && r.mustApply() {
			return i, nil
		}
		if err := r.change(ctx, c); err != nil {
			return i, err
		}
	}
	return len(changes), nil
}

// applied lets go of the items.
func (r *reader) applied() {
	clear(r.out)
	r.out, r.gathered, r.gatheredOf = r.out[:0], 0, 0
	clear(r.pending)
	if r.moved {
		for _, m := range r.maps {
			m.decided = m.horizon
		}
		r.moved = false
	}
}

// mustApply reports whether the items have to be applied before the open bracket is read: because it changes a map's
// mode, or because a row of it touches a key of which a user's change is among the items. What follows such a row has
// seen more than that change, so the two must not share a stamp.
func (r *reader) mustApply() bool {
	if r.open == nil || len(r.out) == 0 {
		return false
	}
	for i := range r.open.changes {
		c := &r.open.changes[i]
		if c.Ledger {
			if c.Table == store.ModeTable || c.Table == store.WroteTable && r.crossesQuietly(c) {
				return true
			}
			continue
		}
		m := r.tables[c.Table]
		if m == nil || !m.attached() || len(r.pending) == 0 {
			continue
		}
		_, _, _ = c.Images() // once, for all copies of it; what is wrong is found below
		if it := (item{state: m, change: *c}); r.images(&it) && r.crosses(&it) {
			return true
		}
	}
	return false
}

func (r *reader) change(ctx context.Context, c *store.Change) error {
	if c.Ledger && c.Table == store.MarkerTable {
		return r.marker(ctx, c)
	}
	if r.open != nil {
		r.open.changes = append(r.open.changes, *c)
		return nil
	}
	if !c.Ledger {
		r.user(c, r.read)
	}
	r.read = c.Position
	return nil
}

// marker opens or closes a bracket.
func (r *reader) marker(ctx context.Context, c *store.Change) error {
	writer, seq, what := c.After[0].S, c.After[1].Int64(), c.After[2].S
	if what == store.MarkerBegin {
		if r.open != nil {
			return &store.GapError{Reason: fmt.Sprintf("transaction %d of writer %s has no end", r.open.seq, r.open.writer), Next: c.Position}
		}
		r.open = &bracket{writer: writer, seq: seq, position: store.Position(c.After[3].S), mapName: c.After[4].S, restart: r.read}
		return nil
	}
	b := r.open
	if b == nil || b.writer != writer || b.seq != seq {
		return &store.GapError{Reason: fmt.Sprintf("transaction %d of writer %s has no beginning", seq, writer), Next: c.Position}
	}
	r.open = nil
	end, err := parseBody(c.After[5].S)
	if err != nil {
		return err
	}
	if err := r.sequence(b, c.Position); err != nil {
		return err
	}
	b.end = c.Position
	err = r.bracket(ctx, b, end)
	r.read = c.Position
	return err
}

// sequence checks that no transaction of the writer is missing before this one.
func (r *reader) sequence(b *bracket, end store.Position) error {
	if end <= r.cursor {
		return nil
	}
	if last, known := r.seqs[b.writer]; known && b.seq != last+1 {
		return &store.GapError{Next: end,
			Reason: fmt.Sprintf("transaction %d of writer %s follows on %d", b.seq, b.writer, last)}
	}
	r.seqs[b.writer] = b.seq
	r.dirtySeqs[b.writer] = true
	return nil
}

// bracket reads one transaction of ours.
func (r *reader) bracket(ctx context.Context, b *bracket, end body) error {
	past := b.end <= r.cursor // its effects on maps' states are known already
	r.stamp(b, end, past)
	if end.Note && !past {
		r.out = append(r.out, item{kind: itemNote, writer: b.writer, seq: b.seq, position: b.end, restart: b.restart})
	}
	for i := range b.changes {
		c := &b.changes[i]
		var err error
		switch {
		case !c.Ledger:
			r.own(c, b, end)
		case c.Table == store.ModeTable && !past:
			err = r.mode(ctx, modeOf(c.After), c.Position)
		case c.Table == store.ResendTable:
			err = r.resend(c, b)
		case c.Table == store.EffectTable:
			err = r.effect(c, b)
		case c.Table == store.WroteTable:
			err = r.wrote(c, b, end)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// stamp takes over what a bracket says about what each side has seen of the other.
func (r *reader) stamp(b *bracket, end body, past bool) {
	if b.writer == writerStream || strings.HasPrefix(b.writer, writerReplay) {
		for name, seen := range end.Seen {
			if m := r.maps[name]; m != nil && seen > m.horizon {
				m.horizon, r.moved = seen, true
			}
		}
	}
	if past {
		return
	}
	if b.writer == writerStream {
		r.seenStream = b.position
	}
	if m := r.maps[b.mapName]; m != nil && strings.HasPrefix(b.writer, writerReplay) && end.Effective > m.Seen {
		m.Seen, m.dirty = end.Effective, true
	}
}

// mode follows a map's mode on this side.
func (r *reader) mode(ctx context.Context, row mode, at store.Position) error {
	m := r.maps[row.Map]
	if m == nil {
		m = &mapState{name: row.Map}
		r.maps[row.Map] = m
	}
	if row.Mode == modeQueue && m.Source == modeLive {
		m.Seen = r.seenStream
	}
	if row.Run != m.Run {
		m.Since, m.Seen, m.Floor, m.Pruned, m.horizon, m.decided = at, "", "", "", "", ""
		r.echoes.forget(row.Map)
	}
	fresh := row.Run != m.Run || m.def == nil
	m.Source, m.Run, m.Master, m.dirty = row.Mode, row.Run, int(row.Master), true
	if row.Mode == modeOff || !fresh {
		return nil
	}
	return r.define(ctx, m)
}

// define loads a map's definition.
func (r *reader) define(ctx context.Context, m *mapState) error {
	view, err := r.engine.Stores[r.from].View(ctx)
	if err != nil {
		return fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = view.Close() }()
	def, err := definition(ctx, view, m.name, m.Run)
	if err != nil {
		return err
	}
	m.def, m.flow = def, newFlow(def, r.from, tablemap.Side(m.Master))
	m.layout, m.places = nil, nil
	r.tables[def.Relations[r.from].Table] = m
	return nil
}

// user reads a user's change.
func (r *reader) user(c *store.Change, restart store.Position) {
	m := r.tables[c.Table]
	if m == nil || !m.attached() {
		return
	}
	it := item{kind: itemChange, state: m, change: *c, position: c.Position, restart: restart, atMs: c.AtMs, seen: r.seen(m)}
	if r.empties(c) {
		it.kind = itemTruncate
		r.out = append(r.out, it)
		return
	}
	if c.Op == store.Truncate || !r.images(&it) {
		it.kind = itemLost
		r.out = append(r.out, it)
		return
	}
	if it.before != nil && it.before.Equal(it.after) {
		return
	}
	r.emit(it)
}

// emit adds a user's change.
func (r *reader) emit(it item) {
	if !it.state.flow.overwrites() {
		for _, k := range it.keys() {
			r.pending[echoKey{it.state.name, k}] = struct{}{}
		}
	}
	r.out = append(r.out, it)
}

// seen is what this side has seen of the other's changes of a map, at this place of its log.
func (r *reader) seen(m *mapState) store.Position {
	if m.Source == modeLive {
		return r.seenStream
	}
	return m.Seen
}

// images fills in the item's images in the columns of its flow; false when the log lacks one of them.
func (r *reader) images(it *item) bool {
	m, c := it.state, &it.change
	if m.places == nil || !sameSlice(m.layout, c.Columns) {
		places := make([]int, len(m.flow.source.Columns))
		for n, col := range m.flow.source.Columns {
			if places[n] = slices.Index(c.Columns, col.Name); places[n] < 0 {
				return false
			}
		}
		m.layout, m.places = c.Columns, places
		m.inOrder = len(places) == len(c.Columns) && slices.IsSorted(places)
	}
	before, after, err := c.Images()
	if err != nil {
		return false
	}
	if it.before, it.after = before, after; !m.inOrder {
		it.before, it.after = arrange(before, m.places), arrange(after, m.places)
	}
	return true
}

func sameSlice(a, b []string) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

func arrange(row store.Row, places []int) store.Row {
	if row == nil {
		return nil
	}
	out := make(store.Row, len(places))
	for n, i := range places {
		out[n] = row[i]
	}
	return out
}
