package replication

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// flush applies a unit of items in one target transaction, if they ask for any, and moves the cursor to reached. Where it
// says that a note was met it waits for the disk: whoever reads that goes by what is in the queue then, even when the server
// has crashed meanwhile. known is what has been decided about the unit already.
func (s *Stream) flush(ctx context.Context, unit []item, reached store.Position, known prepared) error {
	changes, sent, err := known.changes, known.sent, error(nil)
	if len(changes) == 0 {
		if changes, sent, err = s.decide(ctx, unit); err != nil {
			return err
		}
	}
	errands := errandsOf(unit, s.reader.cursor)
	if len(changes) == 0 && len(errands) == 0 {
		s.skippedUser = s.skippedUser || len(unit) > 0
		if s.long != nil && !s.cut { // its end asks for nothing; what follows may never end
			return s.finish(ctx)
		}
		return nil
	}
	f := &flushing{Stream: s, cut: s.cut, changes: changes, errands: errands, at: marker{position: max(reached, s.reached),
		relaxed: s.target.Limits().Relaxed && !s.cut && s.long == nil && !slices.ContainsFunc(errands, func(it *item) bool { return it.kind == itemNote })}}
	if err := f.patiently(ctx); err != nil {
		return err
	}
	s.committed()
	s.relaxed = f.at.relaxed
	for _, e := range sent {
		switch {
		case !e.noted && !f.queued[e.mapName] && !f.kept[e.mapName]:
			e.unit = f.at.position
			s.reader.echoes.sent(e)
		case s.long != nil:
			s.long.tell(e)
		}
	}
	return nil
}

// errandsOf are the items that are not changes but need a transaction.
func errandsOf(unit []item, cursor store.Position) []*item {
	var out []*item
	for i := range unit {
		it := &unit[i]
		if it.position <= cursor {
			continue
		}
		if it.kind == itemNote || it.kind == itemCheck || it.kind == itemLost {
			out = append(out, it)
		}
	}
	return out
}

// flushing is one attempt to apply a unit.
type flushing struct {
	*Stream
	cut     bool // the unit ends inside a transaction of the source …
	begun   bool // … of which this part has been begun
	changes []*change
	errands []*item
	at      marker
	careful bool

	waited bool // the last run ended at a lock that somebody else holds on a table of users

	names  []string // of the maps concerned
	modes  map[string]mode
	live   []*change
	queued map[string]bool // maps whose changes went to the queue
	kept   map[string]bool // maps of which what was sent has been written down
	trips  []string
}

func (f *flushing) run(ctx context.Context) error {
	f.waited = false
	if f.names = f.concerned(); len(f.changes) > 0 {
		f.at.ahead = []store.Query{modesOf(f.names...), someToken, statsOf(f.names)}
	}
	tx, err := f.begin(ctx)
	if err != nil {
		return err
	}
	defer f.leave(tx)
	b, a, err := f.fill(ctx, tx)
	if err != nil {
		return err
	}
	if f.cut {
		f.prune(f.engine.nowMs()) // the book does not grow with the transaction
	}
	if b, err = f.end(ctx, tx, b); err != nil {
		return err
	}
	if err := f.done(ctx, tx, b); err != nil {
		return err
	}
	f.count(a)
	return nil
}

// fill makes the transaction's effects.
func (f *flushing) fill(ctx context.Context, tx store.Tx) (body, *applier, error) {
	var err error
	if len(f.names) > 0 {
		if f.modes, err = modes(ctx, tx, f.names...); err != nil {
			return body{}, nil, err
		}
	}
	if err := f.route(ctx, tx); err != nil {
		return body{}, nil, err
	}
	if err := f.breakers(ctx, tx); err != nil {
		return body{}, nil, err
	}
	a := newApplier(f.engine, tx, phaseLive, f.modes)
	a.careful = f.careful
	if f.mayReadAhead() {
		a.beside = func() { f.readAhead(ctx) }
	}
	if !f.cut && f.long == nil {
		if err := a.quietly(ctx, f.target, f.live); err != nil {
			return body{}, nil, err
		}
	}
	if len(f.live) > 0 {
		if err := a.apply(ctx, f.live); err != nil {
			f.waited = errors.Is(err, store.ErrBusy)
			return body{}, nil, err
		}
	}
	if err := writeStats(ctx, tx, a.tallies, f.engine.nowMs()); err != nil {
		return body{}, nil, err
	}
	if err := f.noteSent(ctx, tx); err != nil {
		return body{}, nil, err
	}
	if err := f.runErrands(ctx, tx); err != nil {
		return body{}, nil, err
	}
	if err := f.forgetSent(ctx, tx); err != nil {
		return body{}, nil, err
	}
	return body{Seen: f.stamps(), Keys: writtenKeys(f.live)}, a, nil
}

// concerned are the maps of the unit.
func (f *flushing) concerned() []string {
	names := make(map[string]bool)
	for _, c := range f.changes {
		names[c.name] = true
	}
	for _, it := range f.errands {
		if it.state != nil {
			names[it.state.name] = true
		}
	}
	return sortedKeys(names)
}

// route sends each change where its map's mode on the target says: to the table, to the queue, or nowhere.
func (f *flushing) route(ctx context.Context, tx store.Tx) error {
	f.live, f.queued = nil, make(map[string]bool)
	var rows []store.Row
	for _, c := range f.changes {
		m := f.modes[c.name]
		switch {
		case m.Run != c.state.Run || m.Mode == modeOff || m.Mode == "":
		case m.Mode == modeLive:
			f.live = append(f.live, c)
		default:
			f.queued[c.name] = true
			rows = append(rows, c.full().row())
		}
	}
	if f.live = coalesce(f.live); len(rows) == 0 {
		return nil
	}
	if err := tx.Put(ctx, store.QueueTable, rows...); err != nil {
		return fmt.Errorf("write queue: %w", err)
	}
	return nil
}

// breakers turns maps of which too many changes fail to their queue, from the next transaction on.
func (f *flushing) breakers(ctx context.Context, tx store.Tx) error {
	f.trips = nil
	done := make(map[string]bool)
	for _, c := range f.live {
		if done[c.name] {
			continue
		}
		done[c.name] = true
		over := c.state.recent.tripped()
		if !over && (c.state.recent.count > 0 || c.state.holds) {
			n, err := tx.Count(ctx, byMap(store.HeldTable, c.name))
			if err != nil {
				return fmt.Errorf("count held changes: %w", err)
			}
			over = n > heldLimit
		}
		if over {
			f.trips = append(f.trips, c.name)
			if err := trip(ctx, tx, f.modes[c.name], f.engine.nowMs()); err != nil {
				return err
			}
		}
	}
	return nil
}

// stamps tells, per map whose changes were compared and set, what their side had seen: that of the first change,
// since too little is safe and too much is not.
func (f *flushing) stamps() map[string]store.Position {
	var out map[string]store.Position
	for _, c := range f.live {
		if c.flow.overwrites() {
			continue
		}
		if _, ok := out[c.name]; !ok {
			if out == nil {
				out = make(map[string]store.Position)
			}
			out[c.name] = c.entry.Seen
		}
	}
	return out
}

// runErrands does what is not a change.
func (f *flushing) runErrands(ctx context.Context, tx store.Tx) error {
	for _, it := range f.errands {
		var err error
		switch it.kind {
		case itemNote:
			err = tx.Put(ctx, store.MetTable, store.Row{store.Str(it.writer), store.Int(it.seq), store.Str(string(it.position))})
		case itemCheck:
			err = f.check(ctx, tx, it)
		case itemLost:
			alarm := tablemap.Alarm{Kind: tablemap.AlarmFault, Message: it.lost()}
			err = f.takeOff(ctx, tx, f.modes[it.state.name], alarm)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// check asks the master to send rows that a copy wrote on this side, if users changed them there between the copy's
// note and its write.
func (f *flushing) check(ctx context.Context, tx store.Tx, it *item) error {
	q := and(byMap(store.QueueTable, it.state.name), "position", store.Gt, store.Str(string(it.seen)))
	q = and(q, "position", store.Lt, store.Str(string(it.position)))
	some := q
	some.Limit = 1
	found, err := tx.Select(ctx, some)
	if err != nil {
		return fmt.Errorf("read queue: %w", err)
	}
	if len(found) == 0 {
		return nil
	}
	keys := f.written(it)
	changed := make(map[string]bool)
	if err := queuedIn(ctx, tx, q, keys, changed); err != nil {
		return err
	}
	var resends []store.Row
	for _, k := range keys {
		if changed[k] {
			resends = append(resends, resendRow(it.state.name, k, retryNone, ""))
		}
	}
	if len(resends) == 0 {
		return nil
	}
	if err := tx.Put(ctx, store.ResendTable, resends...); err != nil {
		return fmt.Errorf("write resend: %w", err)
	}
	return nil
}

// written are the keys of the rows that a check is about, in the target's form.
func (f *flushing) written(it *item) []string {
	var keys []string
	translate := change{flow: it.state.flow}
	for _, c := range it.rows {
		var found []store.Row
		if row := (item{state: it.state, change: *c}); c.Ledger {
			found, _ = wroteOf(c.After) // has been read before
		} else if f.reader.images(&row) {
			found = []store.Row{row.key(), row.newKey()}
		}
		for _, key := range found {
			if key != nil {
				target, _ := translate.targetKeys(key, nil)
				keys = append(keys, store.EncodeRow(target))
			}
		}
	}
	return keys
}

// count takes over what a committed transaction has told.
func (f *flushing) count(a *applier) {
	for name, t := range a.tallies {
		f.progress.Applied += t.applied
		if t.applied > 0 {
			f.progress.LagMs = t.lagMs
		}
		m := f.reader.maps[name]
		m.holds = t.held > 0
		for _, failed := range t.failed {
			m.recent.add(failed)
		}
	}
	for _, name := range f.trips {
		f.reader.maps[name].recent = window{}
	}
	for name := range f.queued {
		f.backlog[name] = true
	}
	for name := range f.kept {
		f.backlog[name] = true
	}
	for _, c := range f.live {
		if c.noted {
			f.backlog[c.name] = true
		}
	}
	for _, it := range f.errands {
		if it.kind == itemLost {
			it.state.Source, it.state.dirty = modeOff, true
		}
	}
}

// writeStats adds to the counters of the maps concerned.
func writeStats(ctx context.Context, tx store.Tx, tallies map[string]*tally, nowMs int64) error {
	names := sortedKeys(tallies)
	if len(names) == 0 {
		return nil
	}
	found, err := tx.Select(ctx, statsOf(names))
	if err != nil {
		return fmt.Errorf("read counters: %w", err)
	}
	old := make(map[string]stat)
	for _, row := range found {
		old[row[0].S] = statOf(row)
	}
	var rows []store.Row
	for _, n := range names {
		t, sum := tallies[n], old[n]
		sum.Map, sum.AtMs = n, nowMs
		sum.Applied += t.applied
		sum.Conflicts += t.conflicts
		if t.applied > 0 {
			sum.LagMs = t.lagMs
		}
		rows = append(rows, sum.row())
	}
	if err := tx.Put(ctx, store.StatTable, rows...); err != nil {
		return fmt.Errorf("write counters: %w", err)
	}
	return nil
}

func statsOf(names []string) store.Query {
	return in(store.Query{Table: store.StatTable}, "map", strs(names))
}

// sortedKeys lists a map's keys in order, so that nothing depends on Go's order of maps.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
