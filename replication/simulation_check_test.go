package replication_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// check looks at the end of a simulation: what is held is tried again, then both sides have to be equal.
func (w *world) check() error {
	var paused error
	for range 4 {
		if w.held() == 0 {
			break
		}
		var refused *replication.Refusal
		if paused = w.retry(); paused != nil && !errors.As(paused, &refused) { // so many are held that the map is paused; it is resumed
			return paused
		}
		if err := w.settle(); err != nil {
			return err
		}
	}
	if paused != nil {
		return paused
	}
	for side, db := range w.dbs {
		if n := len(db.LedgerRows(store.QueueTable)); n > 0 {
			return fmt.Errorf("%d changes are left in the queue of %s", n, w.engine.Link.Sides[side])
		}
		if tokens, held := len(db.LedgerRows(store.TokenTable)), len(db.LedgerRows(store.HeldTable)); held == 0 && tokens > 0 {
			return fmt.Errorf("%s: nothing is held, yet %d tokens block", w.engine.Link.Sides[side], tokens)
		}
	}
	if err := w.compare(); err != nil {
		return err
	}
	judge := w.judge
	if w.judged {
		judge = w.checker
	}
	if err := judge(); err != nil {
		return err
	}
	return w.verify()
}

// judge looks at the last change of each key that both sides write. One by the side that wins stays: changes before it
// were seen by it, or lost to it. One by the other side stays if its user saw the last one, and both sides had it. And the
// image of a change that lost is kept as a conflict. Where a value of the winning side equals what the other side's user
// had before his change, that user may well have seen it: either may win. A map that has never had an initial sync cannot
// tell a row that was deleted from one that was never there.
func (w *world) judge() error {
	if !w.solo() || w.oneWay || w.moves || w.repeats || w.held() > 0 {
		return nil
	}
	final := w.rows(w.master)
	for _, key := range sortedKeys(w.users.deeds) {
		deeds := append([]deed{{}}, w.users.deeds[key]...)
		last, before := deeds[len(deeds)-1], deeds[len(deeds)-2]
		back := slices.ContainsFunc(deeds, func(d deed) bool { return d.side != last.side && d.before == last.row })
		switch {
		case back || last.row == "" && !w.withSync || last.side != w.master && !last.informed(before) || final[key] == last.row:
		default:
			return fmt.Errorf("key %s: side %d wrote %q last, having seen %q, yet it is %q", key, last.side, last.row, last.far, final[key])
		}
		if last.side == w.master && !back && final[key] == last.row {
			if err := w.lost(key, before, last); err != nil {
				return err
			}
		}
	}
	return nil
}

// lost looks for the image of a change that lost to a later one of the side that wins, of which it did not know.
func (w *world) lost(key string, d, winner deed) error {
	if d.side == w.master || d.row == winner.before || d.row == winner.row || d.row == d.before {
		return nil
	}
	for _, r := range w.dbs[w.master].LedgerRows(store.ConflictTable) {
		losing, err := store.DecodeRow(r[4].S)
		if err != nil {
			return err
		}
		of, err := store.DecodeRow(r[2].S)
		if err != nil {
			return err
		}
		if of[0].S == key && (losing == nil && d.row == "" || losing != nil && show([]store.Row{losing}) == d.row) {
			return nil
		}
	}
	return fmt.Errorf("key %s: %q of side %d lost to %q, and is kept nowhere", key, d.row, d.side, winner.row)
}

func (w *world) held() int {
	return len(w.dbs[0].LedgerRows(store.HeldTable)) + len(w.dbs[1].LedgerRows(store.HeldTable))
}

func (w *world) retry() error {
	for _, c := range w.maps {
		r, err := w.engine.NewRetry(w.ctx, c.def.Name, nil)
		if err != nil {
			return err
		}
		if err := w.drive(r); err != nil {
			return fmt.Errorf("retry %s: %w", c.def.Name, err)
		}
	}
	return nil
}

// beginRetry begins to try again what is held, and leaves it at some point, as a person does who interrupts it.
func (w *world) beginRetry() error {
	for _, c := range w.maps {
		if c.state != isLive {
			continue
		}
		r, err := w.engine.NewRetry(w.ctx, c.def.Name, nil)
		for range w.latest.IntN(4) {
			if err == nil {
				_, err = r.Step(w.ctx)
			}
		}
		var refused *replication.Refusal
		if errors.As(err, &refused) { // it catches up
			continue
		}
		if err := mendable(err); err != nil {
			return fmt.Errorf("retry %s: %w", c.def.Name, err)
		}
	}
	return nil
}

// drive steps something that needs the streams.
func (w *world) drive(s replication.Stepper) error {
	for range 5000 {
		outcome, err := s.Step(w.ctx)
		if err != nil || outcome == replication.Done {
			return err
		}
		for side := range w.dbs {
			if _, err := w.stream(tablemap.Side(side)); err != nil {
				return err
			}
		}
	}
	return errors.New("does not end")
}

// compare finds differences that nothing is held for.
func (w *world) compare() error {
	excused := make(map[string]bool)
	for _, db := range w.dbs {
		for _, row := range db.LedgerRows(store.HeldTable) {
			for _, cell := range []int{6, 7} {
				if key, err := store.DecodeRow(row[cell].S); err == nil && len(key) > 0 {
					excused[key[0].S] = true
				}
			}
		}
	}
	left, right := w.rows(0), w.rows(1)
	for _, key := range sortedKeys(both(left, right)) {
		l, r := left[key], right[key]
		if l != r && !excused[key] && (!w.oneWay || withoutNumber(l) != withoutNumber(r)) {
			return fmt.Errorf("key %s: %q on the left, %q on the right", key, l, r)
		}
		for side, row := range []string{l, r} {
			if row != "" && !w.oneWay && !w.users.written[row] {
				return fmt.Errorf("key %s: nobody wrote %q, found on side %d", key, row, side)
			}
		}
	}
	return nil
}

func both(a, b map[string]string) map[string]bool {
	out := make(map[string]bool)
	for k := range a {
		out[k] = true
	}
	for k := range b {
		out[k] = true
	}
	return out
}

// verify asks the engine's own comparison, which must agree.
func (w *world) verify() error {
	if w.held() > 0 || w.oneWay {
		return nil
	}
	for _, c := range w.maps {
		v, err := w.engine.NewVerify(w.ctx, c.def.Name, replication.Compare)
		if err != nil {
			return err
		}
		if err := w.drive(v); err != nil {
			return fmt.Errorf("verify %s: %w", c.def.Name, err)
		}
		if got := v.Result(); !got.OK {
			return fmt.Errorf("verify %s: %+v", c.def.Name, got)
		}
	}
	return nil
}
