package replication

import (
	"context"
	"fmt"
	"strconv"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// The sizes of a copy: rows of one read, and reads that share one pair of notes.
const (
	copyChunk  = 10_000
	copyChunks = 4
)

// Copy is the initial write of a map, both ways: first from the master to the other side, then back. The map is in mode
// queue meanwhile. docs/protocol.md tells why it reads, notes, waits and writes under guards in this order.
type Copy struct {
	engine *Engine
	name   string
	run    int
	def    *Definition
	legs   []*leg    // one or two; the master's first
	at     int       // the leg being worked on
	before []Stepper // what a rerun does first
	total  int64
	failed int64 // held changes of replays, when all is done
	done   bool
}

// leg is one direction of a copy.
type leg struct {
	flow   *flow
	writer *writer // on the target
	back   *writer // on the source, for notes
	state  *copyState
	other  *copyState // the state of the leg that writes to this one's source: its notes carry it along
	window *stretch
	again  *pass
	tried  bool  // whether the fast way may be taken has been decided
	bulk   *bulk // nil: the fast way is not taken, or has ended
	sums   *sums // nil: not begun
}

// copyState is what a copy's end rows keep of the leg that writes to their side.
type copyState struct {
	After   string `json:"after,omitempty"` // the last key of the source that has been dealt with; EncodeRow
	Scanned bool   `json:"scanned,omitempty"`
	// GoneTo is the last entry of the queue that was searched for rows that are gone; GoneDone says that all are.
	GoneTo   int64 `json:"goneTo,omitempty"`
	GoneDone bool  `json:"goneDone,omitempty"`
	Done     bool  `json:"done,omitempty"` // the whole copy
	// Bulk counts rows written the fast way. A scan that follows meets them as equal.
	Bulk   int64      `json:"bulk,omitempty"`
	Counts copyCounts `json:"counts"`
}

// copyCounts counts rows of the source.
type copyCounts struct {
	Inserted int64 `json:"inserted,omitempty"`
	Updated  int64 `json:"updated,omitempty"`
	Equal    int64 `json:"equal,omitempty"`
	Skipped  int64 `json:"skipped,omitempty"`
	Failed   int64 `json:"failed,omitempty"`
}

func writerOfCopy(mapName string, run int) string {
	return writerInitial + mapName + "/" + strconv.Itoa(run)
}

// NewCopy begins the initial write of an attached map, or takes it up where an earlier attempt ended. After one that
// has ended with failed rows it is a rerun: kept queues are played back first, then everything is compared again.
func (e *Engine) NewCopy(ctx context.Context, mapName string, run int) (*Copy, error) {
	c := &Copy{engine: e, name: mapName, run: run}
	var writers [2]*writer
	var states [2]*copyState
	rerun := false
	for side, s := range e.Stores {
		w, err := fence(ctx, s, writerOfCopy(mapName, run), e.nowMs)
		if err != nil {
			return nil, err
		}
		b, err := parseBody(w.cursor.Body)
		if err != nil {
			return nil, err
		}
		if b.Copy == nil {
			b.Copy = new(copyState)
		}
		writers[side], states[side] = w, b.Copy
		rerun = rerun || b.Copy.Done
	}
	master, err := c.load(ctx)
	if err != nil {
		return nil, err
	}
	for _, from := range []tablemap.Side{master, master.Other()} {
		f := newFlow(c.def, from, master)
		if !f.flows() {
			continue
		}
		to := from.Other()
		c.legs = append(c.legs, &leg{flow: f, writer: writers[to], back: writers[from], state: states[to], other: states[from]})
	}
	if rerun {
		err = c.again(ctx)
	}
	return c, err
}

// load reads the definition and the sizes of the tables; it returns the master.
func (c *Copy) load(ctx context.Context) (tablemap.Side, error) {
	var m mode
	for side, s := range c.engine.Stores {
		view, err := s.View(ctx)
		if err != nil {
			return 0, fmt.Errorf("open view: %w", err)
		}
		defer func() { _ = view.Close() }()
		if m, c.def, err = attached(ctx, view, c.name); err != nil {
			return 0, err
		}
		n, err := view.Size(ctx, &c.def.Relations[side])
		if err != nil {
			return 0, fmt.Errorf("estimate size: %w", err)
		}
		c.total += n
	}
	return m.Master, nil
}

// again prepares a rerun: what was queued since the first run is played back, held changes are tried again, and the
// list of errors begins anew.
func (c *Copy) again(ctx context.Context) error {
	for _, l := range c.legs {
		*l.state, l.tried = copyState{}, true
		err := l.commit(ctx, func(tx store.Tx) (body, error) {
			q := and(byMap(store.HeldTable, c.name), "phase", store.Eq, store.Str(phaseInitial))
			return body{}, tx.Delete(ctx, q)
		})
		if err != nil {
			return fmt.Errorf("clear errors: %w", err)
		}
	}
	for _, l := range c.legs {
		if l.flow.overwrites() {
			c.before = append(c.before, &rerunRetry{resendRetry: resendRetry{engine: c.engine, flow: l.flow}})
		}
	}
	for _, l := range c.legs {
		c.before = append(c.before, &rerun{engine: c.engine, flow: l.flow})
	}
	return nil
}

// Progress tells how far the copy has come.
func (c *Copy) Progress() tablemap.CopyProgress {
	return tablemap.CopyProgress{Legs: c.report(), Total: c.total}
}

// Result tells what the copy did, once it is done.
func (c *Copy) Result() tablemap.CopyResult {
	r := tablemap.CopyResult{Legs: c.report(), Failed: c.failed}
	for _, l := range r.Legs {
		r.Failed += l.Failed
	}
	return r
}

func (c *Copy) report() []tablemap.Leg {
	var states [2]*copyState
	for _, l := range c.legs {
		states[l.flow.from.Other()] = l.state
	}
	return legs(c.engine.Link.Sides, c.legs[0].flow.from, states)
}

// legs makes the report of a copy's states (by the side written to), left to right first. The second leg meets what the
// first has written: that is taken out again, so that each leg counts the rows that were there before the run.
func legs(sides [2]string, master tablemap.Side, states [2]*copyState) []tablemap.Leg {
	var out []tablemap.Leg
	for _, from := range []tablemap.Side{tablemap.Left, tablemap.Right} {
		s := states[from.Other()]
		if s == nil {
			continue
		}
		n := s.Counts
		n.Inserted, n.Equal = n.Inserted+s.Bulk, max(0, n.Equal-s.Bulk)
		if first := states[from]; from != master && first != nil {
			n.Equal = max(0, n.Equal-first.Counts.Inserted-first.Bulk)
			lost := min(n.Equal, first.Counts.Updated)
			n.Equal, n.Skipped = n.Equal-lost, n.Skipped+lost
		}
		out = append(out, tablemap.Leg{From: sides[from], To: sides[from.Other()], Inserted: n.Inserted, Updated: n.Updated,
			Equal: n.Equal, Skipped: n.Skipped, Failed: n.Failed,
			Read: n.Inserted + n.Updated + n.Equal + n.Skipped + n.Failed})
	}
	return out
}

// Step does the next piece: reads a window, notes it, or writes one transaction of it.
func (c *Copy) Step(ctx context.Context) (Outcome, error) {
	if len(c.before) > 0 {
		outcome, err := c.before[0].Step(ctx)
		if err != nil || outcome != Done {
			return outcome, err
		}
		c.before = c.before[1:]
		return Moved, nil
	}
	if c.at < len(c.legs) {
		outcome, err := c.legs[c.at].step(ctx, c)
		if outcome == Done && err == nil {
			c.at++
			return Moved, nil
		}
		return outcome, err
	}
	if c.done {
		return Done, nil
	}
	if err := c.finish(ctx); err != nil {
		return Moved, err
	}
	c.done = true
	return Done, nil
}

// finish marks the copy as done, and when nothing has failed, both sides as compared.
func (c *Copy) finish(ctx context.Context) error {
	c.failed = 0
	for _, l := range c.legs {
		n, err := c.heldElsewhere(ctx, l)
		if err != nil {
			return err
		}
		c.failed += n
	}
	synced := c.Result().Failed == 0
	l := c.legs[0]
	for i, w := range []*writer{l.writer, l.back} {
		state := []*copyState{l.state, l.other}[i]
		rel := []*store.Relation{&l.flow.target, &l.flow.source}[i]
		state.Done = true
		err := w.do(ctx, marker{mapName: c.name}, func(tx store.Tx) (body, error) {
			if err := tx.Renumber(ctx, rel); err != nil {
				return body{}, fmt.Errorf("number rows of %s: %w", rel.Table, err)
			}
			return body{Copy: state}, c.finishSide(ctx, tx, w.cursor.Writer, synced)
		})
		if err != nil {
			return fmt.Errorf("finish copy: %w", err)
		}
	}
	return nil
}

func (c *Copy) finishSide(ctx context.Context, tx store.Tx, writerName string, synced bool) error {
	q := store.Query{Table: store.MetTable, Where: []store.Cond{store.Where("writer", store.Eq, store.Str(writerName))}}
	if err := tx.Delete(ctx, q); err != nil {
		return err
	}
	found, err := modes(ctx, tx, c.name)
	if err != nil || !synced {
		return err
	}
	m := found[c.name]
	m.Synced = true
	return tx.Put(ctx, store.ModeTable, m.row())
}

// Close ends what the copy still reads.
func (c *Copy) Close() error {
	for _, l := range c.legs {
		if l.bulk != nil {
			l.endBulk()
		}
	}
	return nil
}

// heldElsewhere counts the changes that a rerun's replay could not apply: they are errors of the sync too. What waits
// for a map that refers to this one in a circle is not.
func (c *Copy) heldElsewhere(ctx context.Context, l *leg) (int64, error) {
	view, err := l.writer.store.View(ctx)
	if err != nil {
		return 0, fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = view.Close() }()
	q := and(byMap(store.HeldTable, c.name), "phase", store.Eq, store.Str(phaseReplay))
	n, err := view.Count(ctx, q)
	if err != nil || len(l.flow.circles()) == 0 {
		return n, err
	}
	waiting, err := view.Count(ctx, and(q, "code", store.Eq, store.Str(string(store.CodeMissingParent))))
	return n - waiting, err
}
