package replication

import (
	"slices"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

// own reads a row that we wrote to a table of users.
func (r *reader) own(c *store.Change, b *bracket, end body) {
	m := r.tables[c.Table]
	if m == nil || !m.attached() {
		return
	}
	copied := b.copies() && !m.flow.overwrites()
	if plain := !end.User && !m.def.Effects[r.from]; plain && copied {
		r.check(c, m, b, end)
		return
	} else if plain && !m.flow.overwrites() {
		return // the other side's word, on the side that it overwrites
	}
	it := item{kind: itemEcho, state: m, change: *c, position: c.Position, restart: b.restart, atMs: c.AtMs, writer: b.writer}
	if _, _, err := it.change.Images(); err != nil {
		it.kind = itemLost
		r.out = append(r.out, it)
		return
	}
	if !r.images(&it) {
		return
	}
	switch {
	case end.User || r.foreign(&it, end):
		it.kind, it.seen, it.effect = itemChange, r.seen(m), !end.User
		if it.before == nil || !it.before.Equal(it.after) {
			r.emit(it)
		}
	case copied:
		r.check(c, m, b, end)
	case m.flow.overwrites():
		it.seen = end.Seen[m.name]
		r.out = append(r.out, it)
	}
}

// copies reports whether the transaction is one of a copy.
func (b *bracket) copies() bool { return strings.HasPrefix(b.writer, writerInitial) }

// check asks whether users changed a row that a copy has written, meanwhile: one item for all rows of the transaction.
func (r *reader) check(c *store.Change, m *mapState, b *bracket, end body) {
	if n := len(r.out) - 1; n >= 0 && r.out[n].kind == itemCheck && r.out[n].state == m && r.out[n].position == b.end {
		r.out[n].rows = append(r.out[n].rows, c)
		return
	}
	r.out = append(r.out, item{kind: itemCheck, state: m, rows: []*store.Change{c}, position: b.end, restart: b.restart,
		seen: end.Noted, atMs: c.AtMs})
}

// crosses reports whether a row of ours touches a key of which a user's change is waiting to be applied.
func (r *reader) crosses(it *item) bool {
	for _, k := range it.keys() {
		if _, ok := r.pending[echoKey{it.state.name, k}]; ok {
			return true
		}
	}
	return false
}

// foreign reports whether the database made the row, not we: in a table where writes have effects, every key that the
// end row does not list.
func (r *reader) foreign(it *item, end body) bool {
	if !it.state.def.Effects[r.from] {
		return false
	}
	keys := end.Keys[it.state.name]
	if slices.Contains(keys, keyHash(it.key())) {
		return false
	}
	k := it.newKey()
	return k == nil || !slices.Contains(keys, keyHash(k))
}

// resend reads a request to send a row.
func (r *reader) resend(c *store.Change, b *bracket) error {
	m := r.maps[c.After[1].S]
	if m == nil || !m.attached() {
		return nil
	}
	key, err := store.DecodeRow(c.After[2].S)
	if err != nil {
		return err
	}
	r.out = append(r.out, item{kind: itemResend, state: m, before: key, position: c.Position, restart: b.restart,
		seen: store.Position(c.After[4].S), retry: retryKind(c.After[3].Int64()), atMs: c.AtMs})
	return nil
}

// effect reads what the database made of a write of ours.
func (r *reader) effect(c *store.Change, b *bracket) error {
	m := r.maps[c.After[1].S]
	if m == nil || !m.attached() {
		return nil
	}
	before, err := store.DecodeRow(c.After[3].S)
	if err != nil {
		return err
	}
	after, err := store.DecodeRow(c.After[4].S)
	if err != nil {
		return err
	}
	it := item{kind: itemChange, state: m, before: m.flow.pick(before), after: m.flow.pick(after), position: c.Position,
		restart: b.restart, atMs: c.AtMs, seen: r.seen(m), effect: true}
	if !it.before.Equal(it.after) {
		r.emit(it)
	}
	return nil
}
