package postgres

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/dualwrite/dualwrite/store"
)

// writeKind is what a write is, as far as one statement can make many of them.
type writeKind uint8

const (
	kindRemove       writeKind = iota // delete, whatever is there
	kindRemoveExpect                  // delete what is expected
	kindUpdateExpect
	kindUpdate // of a row that should be there; where it is not, upsert
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
	case w.Guard == store.Overwrite && p.put != "":
		return kindUpdate
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
		done, err := a.hopefully(ctx, w.groups)
		if err != nil {
			return err
		}
		if done {
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
