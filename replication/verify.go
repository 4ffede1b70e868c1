package replication

import (
	"context"
	"fmt"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// The sizes of a comparison.
const (
	verifyChunk  = 2000 // rows of one read
	verifyRounds = 20   // times that a difference is looked at again while users keep changing the row
)

// Verify compares both sides of a map, while it is live. What differs is looked at again once both streams have read
// past a note, so that changes under way are not reported.
type Verify struct {
	engine *Engine
	name   string
	mode   VerifyMode
	live   bool
	flows  [2]*flow // by the side that changes come from
	side   tablemap.Side
	after  store.Row
	ended  bool // of the scan of side
	doubts []doubt
	notes  [2]int64 // sequence numbers of the notes waited for; 0: none
	used   [2][]store.Value
	whole  int64
	read   int64
	left   int64 // differences that a repair could not mend
	result VerifyResult
}

// doubt is a key at which the sides seem to differ.
type doubt struct {
	keys [2]store.Row
	rows [2]store.Row
	what difference

	rounds int  // looked at, since it was sent
	sent   bool // for a repair
}

type difference int

const (
	same difference = iota
	onlyLeft
	onlyRight
	different
)

// NewVerify begins a comparison. Of a map that is not live in both directions it compares what is there at once.
func (e *Engine) NewVerify(ctx context.Context, mapName string, mode VerifyMode) (*Verify, error) {
	v := &Verify{engine: e, name: mapName, mode: mode, live: true, result: VerifyResult{Map: mapName}}
	for side, s := range e.Stores {
		view, err := s.View(ctx)
		if err != nil {
			return nil, fmt.Errorf("open view: %w", err)
		}
		defer func() { _ = view.Close() }()
		m, def, err := lastRun(ctx, view, mapName)
		if err != nil {
			return nil, err
		}
		v.live = v.live && m.Mode == modeLive
		if v.flows[side] == nil {
			v.flows = [2]*flow{newFlow(def, tablemap.Left, m.Master), newFlow(def, tablemap.Right, m.Master)}
		}
		n, err := view.Size(ctx, &def.Relations[side])
		if err != nil {
			return nil, fmt.Errorf("estimate size: %w", err)
		}
		v.whole += n
	}
	if mode == Repair && !v.live {
		return nil, &Refusal{Message: "map " + mapName + " is not live: differences are repaired only while it is Running",
			Hint: "run or resume it first, or verify without --repair"}
	}
	return v, nil
}

// Progress tells how many rows have been read, of about how many.
func (v *Verify) Progress() (done, total int64) { return v.read, max(v.whole, v.read) }

// Result counts the rows so far. OK says that nothing differs, or that everything that did has been repaired.
func (v *Verify) Result() VerifyResult {
	r := v.result
	r.OK = r.OnlyLeft+r.OnlyRight+r.Different == 0 || (v.mode == Repair && v.left == 0)
	return r
}

// Step reads one chunk, or looks again at what seemed to differ.
func (v *Verify) Step(ctx context.Context) (Outcome, error) {
	switch {
	case len(v.doubts) > 0:
		return v.settle(ctx)
	case !v.ended:
		return Moved, v.scan(ctx)
	case v.side == tablemap.Left:
		v.side, v.after, v.ended = tablemap.Right, nil, false
		return Moved, nil
	}
	return Done, v.forgetNotes(ctx)
}

// scan compares the next chunk of one side with what the other has at its keys. The second side looks only for rows
// that the first lacks.
func (v *Verify) scan(ctx context.Context) error {
	views, done, err := v.views(ctx)
	if err != nil {
		return err
	}
	defer done()
	whole := v.relation(v.side)
	rows, err := views[v.side].Scan(ctx, whole, v.after, verifyChunk)
	if err != nil {
		return fmt.Errorf("read %s: %w", whole.Table, err)
	}
	v.read += int64(len(rows))
	v.ended = len(rows) < verifyChunk
	if len(rows) == 0 {
		return nil
	}
	v.after = whole.KeyOf(rows[len(rows)-1])
	part := make([]doubt, len(rows))
	for i, row := range rows {
		part[i].keys[v.side] = whole.KeyOf(row)
		part[i].keys[v.side.Other()] = v.flows[v.side].translateKey(row)
		part[i].rows[v.side] = row
	}
	if err := v.look(ctx, views[v.side.Other()], v.side.Other(), part); err != nil {
		return err
	}
	for _, d := range part {
		d.what = v.compare(d)
		switch {
		case d.what == same && v.side == tablemap.Left:
			v.result.Equal++
		case d.what == same, v.side == tablemap.Right && d.what == different:
		default:
			v.doubts = append(v.doubts, d)
		}
	}
	if !v.live {
		for _, d := range v.doubts {
			v.tally(d)
		}
		v.doubts = nil
	}
	return nil
}

func (v *Verify) relation(side tablemap.Side) *store.Relation { return &v.flows[0].def.Relations[side] }

func (v *Verify) views(ctx context.Context) (views [2]store.View, done func(), err error) {
	done = func() {
		for _, view := range views {
			if view != nil {
				_ = view.Close()
			}
		}
	}
	for side, s := range v.engine.Stores {
		if views[side], err = s.View(ctx); err != nil {
			done()
			return views, nil, fmt.Errorf("open view: %w", err)
		}
	}
	return views, done, nil
}

// translateKey makes the target's key of a source row; nil when a value has no counterpart there.
func (f *flow) translateKey(row store.Row) store.Row {
	key := make(store.Row, f.source.Key)
	for i := range key {
		v, bad := f.cell(i, row[i])
		if bad != nil {
			return nil
		}
		key[i] = v
	}
	return key
}

// look fills in what one side has at the keys of the doubts.
func (v *Verify) look(ctx context.Context, view store.View, side tablemap.Side, part []doubt) error {
	var keys []store.Row
	var places []int
	for i := range part {
		part[i].rows[side] = nil
		if k := part[i].keys[side]; k != nil {
			keys, places = append(keys, k), append(places, i)
		}
	}
	found, err := view.Lookup(ctx, v.relation(side), keys)
	if err != nil {
		return fmt.Errorf("read %s: %w", v.relation(side).Table, err)
	}
	for n, i := range places {
		part[i].rows[side] = found[n]
	}
	return nil
}

// compare says in what the two rows of a key differ.
func (v *Verify) compare(d doubt) difference {
	left, right := d.rows[tablemap.Left], d.rows[tablemap.Right]
	switch {
	case left == nil && right == nil:
		return same
	case right == nil:
		return onlyLeft
	case left == nil:
		return onlyRight
	}
	for side, f := range v.flows {
		if !f.flows() {
			continue
		}
		meant, bad := f.translate(f.pick(d.rows[side]))
		if bad != nil || !meant.Equal(f.pick(d.rows[1-side])) {
			return different
		}
	}
	return same
}

// settle looks again at what seemed to differ, once both streams have read past a note.
func (v *Verify) settle(ctx context.Context) (Outcome, error) {
	if v.notes == [2]int64{} {
		return Moved, v.note(ctx)
	}
	views, done, err := v.views(ctx)
	if err != nil {
		return Moved, err
	}
	defer done()
	for side := range views {
		if v.notes[side] == 0 {
			continue
		}
		at, err := metAt(ctx, views[1-side], writerOps, v.notes[side])
		if err != nil {
			return Moved, err
		}
		if at == "" {
			return Idle, nil
		}
	}
	v.notes = [2]int64{}
	now := append([]doubt(nil), v.doubts...)
	for side := range views {
		if err := v.look(ctx, views[side], tablemap.Side(side), now); err != nil {
			return Moved, err
		}
	}
	var kept, wrong []doubt
	for i, d := range now {
		d.what = v.compare(d)
		d.rounds++
		switch {
		case d.what == same:
			v.clear(d, v.doubts[i])
		case d.rounds < verifyRounds && !d.like(v.doubts[i]):
			kept = append(kept, d)
		case v.mode == Repair && !d.sent:
			d.sent, d.rounds = true, 0
			kept, wrong = append(kept, d), append(wrong, d)
		default:
			v.tally(d)
			v.left++
		}
	}
	v.doubts = kept
	return Moved, v.repair(ctx, wrong)
}

// like reports whether the rows are as they were when they were last looked at.
func (d doubt) like(before doubt) bool {
	return d.rows[0].Equal(before.rows[0]) && d.rows[1].Equal(before.rows[1])
}

// clear counts a key that no longer differs.
func (v *Verify) clear(now, before doubt) {
	switch {
	case before.sent:
		v.tally(before)
	case v.side == tablemap.Left && now.rows[tablemap.Left] != nil:
		v.result.Equal++
	}
}

func (v *Verify) tally(d doubt) {
	switch d.what {
	case onlyLeft:
		v.result.OnlyLeft++
	case onlyRight:
		v.result.OnlyRight++
	case different:
		v.result.Different++
	}
}

// note writes a marker on each side from which something flows, of which the stream that reads it tells the other side.
func (v *Verify) note(ctx context.Context) error {
	for side := range v.engine.Stores {
		if !v.flows[side].flows() {
			continue
		}
		seq, err := v.engine.note(ctx, tablemap.Side(side), v.name)
		if err != nil {
			return err
		}
		v.notes[side] = seq
		v.used[1-side] = append(v.used[1-side], store.Int(seq))
	}
	return nil
}

// repair asks the side whose changes win to send the rows as they are. A row that it lacks is brought there, if it
// may flow there at all: a repair deletes nothing that the other side could have.
func (v *Verify) repair(ctx context.Context, wrong []doubt) error {
	if len(wrong) == 0 {
		return nil
	}
	from := v.winner()
	var rows []store.Row
	var missing []store.Row
	for _, d := range wrong {
		switch key := d.keys[from]; {
		case d.rows[from] == nil && v.flows[from.Other()].flows():
			missing = append(missing, d.keys[from.Other()])
		case key != nil:
			rows = append(rows, resendRow(v.name, store.EncodeRow(key), retryRow, ""))
		}
	}
	if err := v.bring(ctx, from, missing); err != nil || len(rows) == 0 {
		return err
	}
	return v.engine.ops(ctx, from, marker{mapName: v.name}, func(tx store.Tx) (body, error) {
		return body{}, tx.Put(ctx, store.ResendTable, rows...)
	})
}

// bring copies rows that only the other side has to the winner. What its database refuses stays different.
func (v *Verify) bring(ctx context.Context, to tablemap.Side, keys []store.Row) error {
	if len(keys) == 0 {
		return nil
	}
	view, err := v.engine.Stores[to.Other()].View(ctx)
	if err != nil {
		return fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = view.Close() }()
	return v.engine.ops(ctx, to, marker{mapName: v.name, lock: true}, func(tx store.Tx) (body, error) {
		_, _, err := v.flows[to.Other()].bring(ctx, tx, view, keys)
		return body{User: true}, err
	})
}

// winner is the side whose values a repair keeps: the master, or, where nothing flows from it, the other.
func (v *Verify) winner() tablemap.Side {
	if v.flows[tablemap.Left].flows() && v.flows[tablemap.Left].overwrites() {
		return tablemap.Left
	}
	return tablemap.Right
}

// forgetNotes removes what the streams have told of the notes.
func (v *Verify) forgetNotes(ctx context.Context) error {
	for side, seqs := range v.used {
		if len(seqs) == 0 {
			continue
		}
		if err := v.engine.forgetNotes(ctx, tablemap.Side(side), v.name, seqs...); err != nil {
			return err
		}
		v.used[side] = nil
	}
	return nil
}
