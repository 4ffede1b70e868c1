package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

// writeKind is what a write is, as far as one statement can make many of them.
type writeKind uint8

const (
	kindRemove       writeKind = iota // delete, whatever is there
	kindRemoveExpect                  // delete what is expected
	kindUpdateExpect
	kindUpsert
	kindCopy // insert, or where the row is there, upsert
	kindAdd  // insert where nothing is expected
	kindSingle
)

// Bounds of one statement.
const (
	groupRows   = 2000
	windowRows  = 20_000
	windowBytes = 4 << 20
)

// kindOf tells how a write can be made. What needs a look at the row first is single.
func (a *applier) kindOf(w *store.Write) writeKind {
	p := a.plans[w.Relation]
	switch {
	case w.Relation.SkipTriggers:
		return kindSingle
	case w.After != nil && !sameKey(w.Key, w.After[:p.key]):
		return kindSingle
	case w.Guard == store.Overwrite && w.After == nil:
		return kindRemove
	case w.Guard == store.Overwrite && w.Before == nil:
		return kindCopy
	case w.Guard == store.Overwrite:
		return kindUpsert
	case w.Before == nil && w.After != nil:
		return kindAdd
	case w.Before == nil:
		return kindSingle
	case w.After == nil:
		return kindRemoveExpect
	case p.update == "" || !p.differs(w):
		return kindSingle
	}
	return kindUpdateExpect
}

func sameKey(x, y store.Row) bool {
	for i := range x {
		if x[i] != y[i] {
			return false
		}
	}
	return true
}

// differs reports whether an update changes a column that a guard compares; others have to be looked at.
func (p *plan) differs(w *store.Write) bool {
	for _, i := range p.compared {
		if w.Before[i] != w.After[i] {
			return true
		}
	}
	return false
}

// group is writes that one statement makes.
type group struct {
	p      *plan
	kind   writeKind
	round  int
	rank   int
	writes []*store.Write
	at     []int // their places in the call
}

// looks reports whether a write of the group that changes nothing has to be looked at, before its key is written again.
func (g *group) looks() bool {
	return g.kind != kindRemove && g.kind != kindUpsert && g.kind != kindCopy
}

// window is writes in rounds: the first of each key, then the second, and so on. Those of one round may be made in any
// order that the constraints allow.
type window struct {
	from, to int
	groups   []*group
	single   bool // it is one write that has to be looked at
}

// windows makes the writes, window by window.
func (a *applier) windows(ctx context.Context) error {
	for from := 0; from < len(a.writes); {
		w := a.window(from)
		from = w.to
		if w.single {
			if err := a.single(ctx, w.from); err != nil {
				return err
			}
			continue
		}
		for groups := w.groups; len(groups) > 0; {
			n := together(groups)
			if err := a.make(ctx, groups[:n]); err != nil {
				return err
			}
			groups = groups[n:]
		}
	}
	return nil
}

// make makes the writes of groups; what can be copied in by itself, in its place among the others.
func (a *applier) make(ctx context.Context, groups []*group) error {
	for n, g := range groups {
		if g.kind != kindCopy {
			continue
		}
		if len(g.writes) >= copyLeast {
			if err := a.flush(ctx, groups[:n]); err != nil {
				return err
			}
			done, err := a.copyIn(ctx, g)
			if err != nil {
				return err
			}
			if done {
				return a.make(ctx, groups[n+1:])
			}
			groups = groups[n:]
			g.kind = kindUpsert
			return a.make(ctx, groups)
		}
		g.kind = kindUpsert
	}
	return a.flush(ctx, groups)
}

// together is how many groups may be made in one go: those of one round, or of several where nothing has to be looked at.
func together(groups []*group) int {
	looks := false
	for n, g := range groups {
		if n > 0 && g.round != groups[n-1].round && (looks || lookedAt(groups[n:])) {
			return n
		}
		looks = looks || g.looks()
	}
	return len(groups)
}

// lookedAt reports whether some group of the round that begins here has to be looked at.
func lookedAt(groups []*group) bool {
	for _, g := range groups {
		if g.round != groups[0].round {
			break
		}
		if g.looks() {
			return true
		}
	}
	return false
}

// window takes the writes from a place on up to one that has to be made by itself.
func (a *applier) window(from int) *window {
	w := &window{from: from, to: from}
	seen := make(map[string]int)
	groups := make(map[groupKey]*group)
	size := 0
	var buf []byte
	for ; w.to < len(a.writes) && w.to-from < windowRows && size < windowBytes; w.to++ {
		write := &a.writes[w.to]
		kind := a.kindOf(write)
		if kind == kindSingle {
			if w.to == from {
				w.single = true
				w.to++
			}
			break
		}
		p := a.plans[write.Relation]
		buf = append(append(buf[:0], p.info.oid...), 0)
		for _, v := range write.Key {
			buf = append(strconv.AppendInt(buf, int64(len(v.S)), 10), ':')
			buf = append(buf, v.S...)
		}
		round := seen[string(buf)]
		seen[string(buf)] = round + 1
		k := groupKey{p, kind, round}
		g := groups[k]
		if g == nil {
			g = &group{p: p, kind: kind, round: round}
			groups[k] = g
			w.groups = append(w.groups, g)
		}
		g.writes, g.at = append(g.writes, write), append(g.at, w.to)
		for _, v := range write.After {
			size += len(v.S)
		}
	}
	w.order()
	return w
}

type groupKey struct {
	p     *plan
	kind  writeKind
	round int
}

// order puts, in each round, deletes first, children before their parents, then all others, parents before their children.
func (w *window) order() {
	tables := make(map[string]*plan)
	for _, g := range w.groups {
		tables[g.p.info.Name] = g.p
	}
	for _, g := range w.groups {
		if g.rank = depth(tables, g.p, 0); g.kind == kindRemove || g.kind == kindRemoveExpect {
			g.rank = -g.rank - 1
		}
	}
	slices.SortStableFunc(w.groups, func(x, y *group) int { return cmp.Or(x.round-y.round, x.rank-y.rank) })
}

// depth is how many of the tables stand above one.
func depth(tables map[string]*plan, p *plan, below int) int {
	deepest := 0
	if below > len(tables) { // a circle
		return 0
	}
	for _, k := range p.info.ForeignKeys {
		if parent := tables[k.Table]; parent != nil && parent.info.oid != p.info.oid {
			deepest = max(deepest, 1+depth(tables, parent, below+1))
		}
	}
	return deepest
}

// flush makes the writes of groups in one round trip. Where a row is refused, it makes them one by one, in the order
// given: that may be what they need, and otherwise tells which one it is.
func (a *applier) flush(ctx context.Context, groups []*group) error {
	if len(groups) == 0 {
		return nil
	}
	statements := []statement{{sql: sqlSavepoint}}
	var of []part
	for _, g := range groups {
		for start := 0; start < len(g.writes); start += groupRows {
			n := min(start+groupRows, len(g.writes))
			of = append(of, part{g, start, n})
			statements = append(statements, g.statement(g.writes[start:n]))
		}
	}
	statements = append(statements, statement{sql: sqlRelease})
	var places []int
	for _, g := range groups {
		places = append(places, g.at...)
	}
	for _, i := range places {
		a.out[i] = store.Result{Outcome: store.Unchanged}
	}
	marks := make([]int, len(of))
	_, err := a.tx.c.run(ctx, func(i int, values [][]byte) error {
		if i == 0 || i > len(of) {
			return nil
		}
		return a.mark(of[i-1], &marks[i-1], values)
	}, statements...)
	if err == nil {
		return a.look(ctx, of)
	}
	e := pgError(err)
	if e == nil || errors.Is(fault(err), store.ErrTransient) {
		return fault(err)
	}
	if state(err) == stateLockTimeout {
		return fault(err)
	}
	if undo := a.tx.c.exec(ctx, sqlRollbackTo+"; "+sqlRelease); undo != nil {
		return fault(undo)
	}
	slices.Sort(places)
	for _, i := range places {
		if err := a.single(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// part is what one statement makes of a group.
type part struct {
	g        *group
	from, to int
}

// mark notes which write a returned row is of: by its number, or, since rows are inserted and returned in order, by its
// key.
func (a *applier) mark(p part, next *int, values [][]byte) error {
	switch p.g.kind {
	case kindUpsert, kindAdd:
		for n := p.from + *next; n < p.to; n++ {
			if p.g.isKey(p.g.writes[n].After, values) {
				a.out[p.g.at[n]].Outcome = store.Applied
				*next = n - p.from + 1
				return nil
			}
		}
		return nil
	default:
		ord, err := strconv.Atoi(string(values[0]))
		if err != nil || ord < 1 || p.from+ord > p.to {
			return fmt.Errorf("read number of a row")
		}
		a.out[p.g.at[p.from+ord-1]].Outcome = store.Applied
	}
	return nil
}

func (g *group) isKey(row store.Row, values [][]byte) bool {
	for i := range g.p.key {
		if row[i].S == string(values[i]) {
			continue
		}
		v, err := g.p.types[i].read(string(values[i]))
		if err != nil || v != g.p.types[i].stored(row[i]) {
			return false
		}
	}
	return true
}

// look finds out what is there instead where a guard was not met. What meets it after all is written.
func (a *applier) look(ctx context.Context, parts []part) error {
	for _, p := range parts {
		if p.g.kind == kindRemove || p.g.kind == kindUpsert {
			continue
		}
		var missed []int
		for n := p.from; n < p.to; n++ {
			if a.out[p.g.at[n]].Outcome != store.Applied {
				missed = append(missed, n)
			}
		}
		if len(missed) == 0 {
			continue
		}
		if err := a.lookAt(ctx, p.g, missed); err != nil {
			return err
		}
	}
	return nil
}

// lookAt locks and reads the rows of writes of a group.
func (a *applier) lookAt(ctx context.Context, g *group, missed []int) error {
	params := make([]param, g.p.key)
	for i := range params {
		params[i] = arrayParam(len(missed), func(n int) store.Value { return g.writes[missed[n]].Key[i] })
	}
	found := make([]store.Row, len(missed))
	err := a.tx.c.query(ctx, g.p.locked, params, func(values [][]byte) error {
		at, err := strconv.Atoi(string(values[0]))
		if err != nil {
			return fmt.Errorf("read row: %w", err)
		}
		found[at-1], err = readRow(g.p.types, values[1:])
		return err
	})
	if err != nil {
		return tableFault(g.p.info.Name, err)
	}
	for n, m := range missed {
		w := g.writes[m]
		if !g.p.meets(found[n], w.Before) {
			a.out[g.at[m]] = store.Result{Outcome: store.Refused, Current: found[n]}
			continue
		}
		if err := a.single(ctx, g.at[m]); err != nil {
			return err
		}
	}
	return nil
}

// statement makes some writes of a group.
func (g *group) statement(writes []*store.Write) statement {
	p := g.p
	array := func(at func(w *store.Write) store.Value) param {
		return arrayParam(len(writes), func(n int) store.Value { return at(writes[n]) })
	}
	if g.kind == kindUpsert {
		return statement{p.upsert, p.insertParams(writes)}
	}
	if g.kind == kindAdd {
		return statement{p.add, p.insertParams(writes)}
	}
	params := make([]param, 0, 2*len(p.names))
	for i := range p.key {
		params = append(params, array(func(w *store.Write) store.Value { return w.Key[i] }))
	}
	if g.kind == kindRemove {
		return statement{p.remove, params}
	}
	for _, i := range p.compared {
		params = append(params, array(func(w *store.Write) store.Value { return w.Before[i] }))
	}
	if g.kind == kindRemoveExpect {
		return statement{p.removeX, params}
	}
	for i := p.key; i < len(p.names); i++ {
		params = append(params, array(func(w *store.Write) store.Value { return w.After[i] }))
	}
	return statement{p.update, params}
}

// joined is names for people.
func joined(names []string) string { return strings.Join(names, ", ") }
