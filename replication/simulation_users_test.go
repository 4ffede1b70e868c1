package replication_test

import (
	"fmt"
	"strings"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/memory"
	"github.com/dualwrite/dualwrite/tablemap"
)

func number64() store.Type { return store.Type{Name: "integer", Kind: store.Integer, Strict: true} }
func words() store.Type    { return store.Type{Name: "text", Kind: store.Text, Strict: true} }

// names are those of tables and columns on each side: nothing is called the same.
type names struct{ rows, groups, k, v, n, u, g string }

func namesOf(side tablemap.Side) names {
	if side == tablemap.Left {
		return names{"cust", "grp", "k", "v", "n", "u", "g"}
	}
	return names{"account", "msgroup", "key", "val", "num", "uni", "grp"}
}

func tables(p plan, side tablemap.Side) []memory.Table {
	n := namesOf(side)
	rows := memory.Table{Name: n.rows, Key: []string{n.k}, Columns: []memory.Column{{Name: n.k, Type: words(), NotNull: true},
		{Name: n.v, Type: words()}, {Name: n.n, Type: number64()}, {Name: n.u, Type: words()}, {Name: n.g, Type: words()}}}
	if p.triggers {
		rows.Triggers = []memory.Trigger{{Name: "audit", After: func(*memory.User, store.Op, store.Row, store.Row) error { return nil }}}
	}
	if p.unique {
		rows.Unique = [][]string{{n.u}}
	}
	if !p.tree {
		return []memory.Table{rows}
	}
	rows.ForeignKeys = []memory.ForeignKey{{Columns: []string{n.g}, Table: n.groups, References: []string{n.k}}}
	groups := memory.Table{Name: n.groups, Key: []string{n.k}, Columns: []memory.Column{
		{Name: n.k, Type: words(), NotNull: true}, {Name: n.v, Type: words()}}}
	return []memory.Table{groups, rows}
}

func mapsOf(p plan) []tablemap.Map {
	l, r := namesOf(tablemap.Left), namesOf(tablemap.Right)
	pair := func(a, b string) tablemap.Column {
		c := tablemap.Column{Names: [2]string{a, b}}
		if p.down {
			c.Direction = tablemap.LeftToRight
		}
		return c
	}
	num := pair(l.n, r.n)
	if p.oneWay {
		num.Direction = tablemap.LeftToRight
	}
	rows := tablemap.Map{Name: "rows", Truncate: tablemap.TruncateApply, Coalesce: p.merges, Tables: [2]string{l.rows, r.rows}, Key: []tablemap.Column{pair(l.k, r.k)},
		Columns: []tablemap.Column{pair(l.v, r.v), num, pair(l.u, r.u), pair(l.g, r.g)}}
	if !p.tree {
		return []tablemap.Map{rows}
	}
	groups := tablemap.Map{Name: "groups", Tables: [2]string{l.groups, r.groups}, Key: []tablemap.Column{pair(l.k, r.k)},
		Columns: []tablemap.Column{pair(l.v, r.v)}}
	return []tablemap.Map{groups, rows}
}

// users write on both sides and remember what they wrote.
type users struct {
	count   int
	live    int                    // writes that were made when the map first was live
	written map[string]bool        // rows as users left them, all columns
	mine    [2]map[string]string   // keys that only this side writes: their rows
	story   [2]map[string][]string // the rows that such a key has had, in order
	told    [2]map[string]int      // how far the other side has come in it
	wholes  [2][]whole             // transactions that the other side must see whole
	deeds   map[string][]deed      // of keys that both sides write, since the maps were first run, in order
}

// deed is one change of a row by a user.
type deed struct {
	side        tablemap.Side
	before, row string // on its side; "": none
	far         string // what the other side had then
}

// informed reports whether the user saw the row that was written last before, which had come to the other side.
func (d deed) informed(last deed) bool {
	return d.before != "" && d.before == d.far && d.before == last.row
}

func newUsers(w *world) *users {
	u := &users{written: make(map[string]bool), deeds: make(map[string][]deed)}
	for side := range u.mine {
		u.mine[side], u.story[side], u.told[side] = make(map[string]string), make(map[string][]string), make(map[string]int)
	}
	return u
}

// solo reports whether what is known of keys with one writer must hold: not where rows come back from a stopped map,
// and not where constraints between keys hold changes up.
func (w *world) solo() bool { return !w.stops && !w.unique && !w.tree && !w.empties }

// ordered reports whether keys with one writer take their values in order: also where some are held up, but not where they
// are tried again, since then a row is sent as it is, ahead of its time.
func (w *world) ordered() bool {
	return !w.stops && !w.empties && (w.solo() || !w.retries && !w.waited)
}

// begin writes rows that are there before the first run.
func (u *users) begin(w *world) {
	if !w.withSync {
		return
	}
	w.hooked = true
	for range 10 {
		side := tablemap.Side(w.rand.IntN(2))
		if w.oneSided {
			side = tablemap.Left
		}
		u.act(w, side)
	}
	w.hooked = false
}

// act makes one transaction of a user. What a constraint or another transaction refuses is not done.
func (u *users) act(w *world, side tablemap.Side) {
	if w.down {
		side = tablemap.Left
	}
	if !w.withSync && !w.attached() {
		return // without an initial write, what is there before would not be carried
	}
	was := w.hooked
	w.hooked = true
	defer func() { w.hooked = was }()
	var notes []func()
	before := u.extents(side)
	err := w.dbs[side].Exec(func(tx *memory.User) error {
		if w.mayEmpty(side) && w.rand.IntN(8) == 0 {
			w.story.tell("user on %d: truncates", side)
			return tx.Truncate(namesOf(side).rows)
		}
		for range 1 + w.rand.IntN(2)*w.rand.IntN(3) {
			note, err := u.write(w, side, tx)
			if err != nil {
				return err
			}
			notes = append(notes, note)
		}
		return nil
	})
	if err == nil {
		for _, note := range notes {
			note()
		}
		u.expectWhole(w, side, before)
	}
}

// mayEmpty reports whether a TRUNCATE on a side is carried across: where the side wins, and no initial write runs.
func (w *world) mayEmpty(side tablemap.Side) bool {
	if !w.empties || side != w.master && !w.down {
		return false
	}
	for _, c := range w.maps {
		if c.state == isOff || c.state == isCopying || c.state == isStopping {
			return false
		}
	}
	return true
}

func (w *world) attached() bool {
	for _, c := range w.maps {
		if c.run == 0 {
			return false
		}
	}
	return true
}

func (u *users) write(w *world, side tablemap.Side, tx *memory.User) (func(), error) {
	n := namesOf(side)
	if w.tree && w.rand.IntN(3) == 0 {
		return u.writeGroup(w, n, tx)
	}
	key := fmt.Sprintf("c%d", w.rand.IntN(3))
	owned := w.rand.IntN(3) == 0
	if owned {
		key = fmt.Sprintf("%s%d", [2]string{"l", "r"}[side], w.rand.IntN(2))
	}
	where := memory.Values{n.k: store.Str(key)}
	was, err := tx.Get(n.rows, where)
	if err != nil {
		return nil, err
	}
	if !owned && w.moves && len(was) > 0 && w.latest.IntN(4) == 0 {
		return u.move(w, side, tx, where)
	}
	parting, err := u.change(w, side, tx, where)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Get(n.rows, where)
	if err != nil {
		return nil, err
	}
	row := show(rows)
	done := deed{side: side, before: show(was), row: row, far: w.rows(side.Other())[key]}
	return func() {
		if !owned && done.before != done.row {
			u.deeds[key] = append(u.deeds[key], done)
		}
		w.story.tell("user on %d: %s = %q", side, key, row)
		u.written[row] = true
		if owned {
			u.mine[side][key] = row
			if parting != "" {
				u.story[side][key] = append(u.story[side][key], parting)
			}
			u.story[side][key] = append(u.story[side][key], row)
		}
	}, nil
}

// move changes a row's key, if the new one is free.
func (u *users) move(w *world, side tablemap.Side, tx *memory.User, where memory.Values) (func(), error) {
	n := namesOf(side)
	to := memory.Values{n.k: store.Str(fmt.Sprintf("c%d", w.latest.IntN(3)))}
	taken, err := tx.Get(n.rows, to)
	if err != nil || len(taken) > 0 {
		return func() {}, err
	}
	u.count++
	to[n.v] = store.Str(fmt.Sprintf("v%d", u.count))
	if _, err := tx.Update(n.rows, where, to); err != nil {
		return nil, err
	}
	rows, err := tx.Get(n.rows, memory.Values{n.k: to[n.k]})
	if err != nil {
		return nil, err
	}
	row := show(rows)
	return func() {
		w.story.tell("user on %d: %s moves to %q", side, where[n.k].S, row)
		u.written[row] = true
	}, nil
}

// change writes or deletes a row. parting is the row as it was just before it was deleted, if it was changed for that.
func (u *users) change(w *world, side tablemap.Side, tx *memory.User, where memory.Values) (parting string, err error) {
	n := namesOf(side)
	u.count++
	set := memory.Values{n.v: store.Str(fmt.Sprintf("v%d", u.count)), n.n: store.Int(int64(u.count)),
		n.u: store.Str(fmt.Sprintf("u%d", w.rand.IntN(6)))}
	if !w.unique {
		set[n.u] = store.Str("u")
	}
	if w.repeats {
		value := w.latest.IntN(2)
		set[n.v], set[n.n] = store.Str(fmt.Sprintf("v%d", value)), store.Int(int64(value))
	}
	if w.judged {
		set[n.v] = store.Str(u.token(side))
	}
	if w.tree && w.rand.IntN(4) > 0 {
		set[n.g] = store.Str(fmt.Sprintf("g%d", w.rand.IntN(2)))
	}
	if w.rand.IntN(4) == 0 {
		if w.judged {
			parting, err = u.part(side, tx, where)
		}
		if err == nil {
			_, err = tx.Delete(n.rows, where)
		}
		return parting, err
	}
	changed, err := tx.Update(n.rows, where, set)
	if err != nil || changed > 0 {
		return "", err
	}
	set[n.k] = where[n.k]
	return "", tx.Insert(n.rows, set)
}

func (u *users) writeGroup(w *world, n names, tx *memory.User) (func(), error) {
	u.count++
	where := memory.Values{n.k: store.Str(fmt.Sprintf("g%d", w.rand.IntN(2)))}
	if w.rand.IntN(5) == 0 {
		_, err := tx.Delete(n.groups, where)
		return func() {}, err
	}
	set := memory.Values{n.v: store.Str(fmt.Sprintf("v%d", u.count))}
	changed, err := tx.Update(n.groups, where, set)
	if err == nil && changed == 0 {
		set[n.k] = where[n.k]
		err = tx.Insert(n.groups, set)
	}
	return func() {}, err
}

func show(rows []store.Row) string {
	if len(rows) == 0 {
		return ""
	}
	cells := make([]string, len(rows[0]))
	for i, v := range rows[0] {
		cells[i] = v.S
	}
	return strings.Join(cells, "|")
}

// waits reports whether users keep a write of ours waiting for longer than a database does.
func (w *world) waits(side tablemap.Side) bool {
	if w.locked[side] == 0 && w.newest.IntN(60) == 0 {
		w.locked[side] = 1 + w.newest.IntN(8)
	}
	if w.locked[side] == 0 {
		return false
	}
	w.locked[side]--
	return true
}

// observe looks at a side after a commit of ours.
func (u *users) observe(w *world, side tablemap.Side) error {
	for _, row := range w.dbs[side].LedgerRows(store.HeldTable) {
		code := store.Code(row[10].S)
		w.waited = w.waited || code == store.CodeMissingParent || code == store.CodeForeignKey
	}
	if !w.ordered() {
		return nil
	}
	now := w.rows(side)
	for _, key := range sortedKeys(u.mine[side]) {
		if !w.solo() {
			break
		}
		got, want := now[key], u.mine[side][key]
		if w.oneWay {
			got, want = withoutNumber(got), withoutNumber(want)
		}
		if got != want {
			return fmt.Errorf("%s: only this side writes key %s, yet %q became %q", w.engine.Link.Sides[side], key, want, got)
		}
	}
	other := side.Other()
	for _, key := range sortedKeys(u.story[other]) {
		if err := u.follow(w, other, key, now[key]); err != nil {
			return err
		}
	}
	return u.checkWhole(w, other, now)
}

// forget takes into account that a side may have gone back to what it had of the other's rows before.
func (u *users) forget(side tablemap.Side) { clear(u.told[side.Other()]) }

// follow checks that the row of a key with one writer is the one it had last on the other side, or a later one.
func (u *users) follow(w *world, owner tablemap.Side, key, got string) error {
	story, at := u.story[owner][key], u.told[owner][key]
	if w.oneWay {
		got = withoutNumber(got)
	}
	if at == 0 && got == "" {
		return nil
	}
	for i := max(0, at-1); i < len(story); i++ {
		want := story[i]
		if w.oneWay {
			want = withoutNumber(want)
		}
		if want == got {
			u.told[owner][key] = i + 1
			return nil
		}
	}
	return fmt.Errorf("key %s of %s: %q on the other side is out of order after %d of %q", key, w.engine.Link.Sides[owner], got, at, story)
}

// withoutNumber leaves out the column that flows one way.
func withoutNumber(row string) string {
	cells := strings.Split(row, "|")
	if len(cells) < 3 {
		return row
	}
	cells[2] = ""
	return strings.Join(cells, "|")
}

func (w *world) rows(side tablemap.Side) map[string]string {
	out := make(map[string]string)
	for _, row := range w.dbs[side].Rows(namesOf(side).rows) {
		out[row[0].S] = show([]store.Row{row})
	}
	return out
}
