package replication_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/memory"
	"github.com/dualwrite/dualwrite/tablemap"
)

// notUnique is a table of keys and values, unique one whose values are unique.
func notUnique(name string) memory.Table {
	return memory.Table{Name: name, Key: []string{"k"}, Columns: []memory.Column{{Name: "k", Type: words(), NotNull: true}, {Name: "u", Type: words()}}}
}

func unique(name string) memory.Table {
	t := notUnique(name)
	t.Unique = [][]string{{"u"}}
	return t
}

// keyed maps both columns, both ways.
func keyed() tablemap.Map {
	column := func(name string) tablemap.Column { return tablemap.Column{Names: [2]string{name, name}} }
	return tablemap.Map{Key: []tablemap.Column{column("k")}, Columns: []tablemap.Column{column("u")}}
}

// holding is a link whose right side wins, and refuses a value of column u that another row of it has.
func holding(t *testing.T) *world {
	t.Helper()
	return newPairOf(t, keyed(), [2]memory.Table{notUnique("a"), unique("b")}, tablemap.Right)
}

// change is a write of a user.
type change struct{ op, key, value string }

func (w *world) does(t *testing.T, side tablemap.Side, all ...change) {
	t.Helper()
	name := w.maps[0].def.Tables[side]
	for _, c := range all {
		require.NoError(t, w.dbs[side].Exec(func(u *memory.User) error {
			where := memory.Values{"k": store.Str(c.key)}
			switch c.op {
			case "insert":
				return u.Insert(name, memory.Values{"k": store.Str(c.key), "u": store.Str(c.value)})
			case "delete":
				_, err := u.Delete(name, where)
				return err
			case "move":
				_, err := u.Update(name, where, memory.Values{"k": store.Str(c.value)})
				return err
			}
			_, err := u.Update(name, where, memory.Values{"u": store.Str(c.value)})
			return err
		}))
	}
	require.NoError(t, w.settle())
}

// heldNow are the keys of what is held on the right, in order, each with its code.
func (w *world) heldNow(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, r := range w.dbs[1].LedgerRows(store.HeldTable) {
		key, err := store.DecodeRow(r[6].S)
		require.NoError(t, err)
		out = append(out, key[0].S+" "+r[10].S)
	}
	return out
}

// rightRows are the right side's rows, less those that are only there to be in the way.
func (w *world) rightRows() map[string]string {
	out := make(map[string]string)
	for _, r := range w.dbs[1].Rows("b") {
		if r[0].S[0] != '!' {
			out[r[0].S] = r[1].S
		}
	}
	return out
}

// refusing is a trigger that lets no row with the value "bad" in.
func refusing() []memory.Trigger {
	return []memory.Trigger{{Name: "refuse", Before: func(_ store.Op, _, row store.Row) (store.Row, error) {
		if row != nil && row[1].S == "bad" {
			return nil, &store.RowError{Code: store.CodeCheck, Detail: "bad"}
		}
		return row, nil
	}}}
}

// Behind a held change waits what touches its old key or its new one. All of it comes, once it can.
func TestWhatWaitsBehindAKey(t *testing.T) {
	t.Parallel()
	right := notUnique("b")
	right.Triggers = refusing()
	w := newPairOf(t, keyed(), [2]memory.Table{notUnique("a"), right}, tablemap.Right)
	w.does(t, 0, change{"insert", "p", "bad"})
	w.does(t, 0, change{"move", "p", "q"})
	w.does(t, 0, change{"update", "q", "good"}, change{"insert", "p", "good too"}, change{"insert", "z", "good"})
	require.Equal(t, []string{"p check", "p waiting", "q waiting", "p waiting"}, w.heldNow(t))
	require.Equal(t, map[string]string{"z": "good"}, w.rightRows())
	require.NoError(t, w.retry())
	require.Empty(t, w.heldNow(t))
	require.Equal(t, map[string]string{"p": "good too", "q": "good", "z": "good"}, w.rightRows())
}

// A child waits behind a held change of its parent, whose key it refers to.
func TestChildrenWaitBehindTheirParents(t *testing.T) {
	t.Parallel()
	p := plan{tree: true}
	both := [2][]memory.Table{tables(p, 0), tables(p, 1)}
	both[1][0].Triggers = refusing()
	w := linkOf(t, mapsOf(p), both, tablemap.Right)
	require.NoError(t, w.settle())
	left := namesOf(0)
	require.NoError(t, w.dbs[0].Exec(func(u *memory.User) error {
		if err := u.Insert(left.groups, memory.Values{left.k: store.Str("g"), left.v: store.Str("bad")}); err != nil {
			return err
		}
		return u.Insert(left.rows, memory.Values{left.k: store.Str("c"), left.g: store.Str("g")})
	}))
	require.NoError(t, w.settle())
	require.Equal(t, []string{"g check", "c waiting"}, w.heldNow(t))
}

// A change that would take a unique value which a held change has yet to free waits, and is not an error of its own.
func TestWhatWaitsBehindAUniqueValue(t *testing.T) {
	t.Parallel()
	w := holding(t)
	w.does(t, 1, change{"insert", "!1", "u1"})
	w.does(t, 0, change{"insert", "p", "u2"})
	w.does(t, 0, change{"update", "p", "u1"})
	w.does(t, 0, change{"insert", "q", "u2"})
	require.Equal(t, []string{"p unique", "q waiting"}, w.heldNow(t))
	w.does(t, 1, change{"delete", "!1", ""})
	require.NoError(t, w.retry())
	require.Equal(t, map[string]string{"p": "u1", "q": "u2"}, w.rightRows())
}

// What still is held of a key goes on blocking it when something else that was held of it has been settled.
func TestWhatStaysHeldGoesOnBlocking(t *testing.T) {
	t.Parallel()
	w := holding(t)
	w.does(t, 1, change{"insert", "!1", "u1"}, change{"insert", "!2", "u2"})
	w.does(t, 0, change{"insert", "p", "u1"})
	w.does(t, 0, change{"move", "p", "q"})
	w.does(t, 0, change{"insert", "p", "u2"})
	w.does(t, 1, change{"delete", "!1", ""})
	require.NoError(t, w.retry())
	require.Equal(t, []string{"p unique"}, w.heldNow(t))
	w.does(t, 0, change{"update", "p", "u5"})
	require.Equal(t, []string{"p unique", "p waiting"}, w.heldNow(t))
	require.Equal(t, map[string]string{"q": "u1"}, w.rightRows())
}

// Where a row of the side that wins could not be copied, the other side's row at that key does not win instead.
func TestACopyDoesNotOverwriteTheMaster(t *testing.T) {
	t.Parallel()
	w := pairOf(t, keyed(), [2]memory.Table{unique("a"), unique("b")}, tablemap.Right)
	require.NoError(t, w.dbs[1].Exec(func(u *memory.User) error {
		return u.Insert("b", memory.Values{"k": store.Str("p"), "u": store.Str("the master's")})
	}))
	require.NoError(t, w.dbs[0].Exec(func(u *memory.User) error {
		if err := u.Insert("a", memory.Values{"k": store.Str("p"), "u": store.Str("the other's")}); err != nil {
			return err
		}
		return u.Insert("a", memory.Values{"k": store.Str("in the way"), "u": store.Str("the master's")})
	}))
	require.NoError(t, w.settle())
	require.Equal(t, "the master's", w.rightRows()["p"])
	require.NotEmpty(t, w.dbs[0].LedgerRows(store.HeldTable))
}

// A change of a key that comes to be held while a retry of the old key is on its way is not settled with that: the row at the
// new key is still to come.
func TestARetryDoesNotSettleAChangeOfKeyThatCameLater(t *testing.T) {
	t.Parallel()
	w := newPairOf(t, keyed(), [2]memory.Table{notUnique("a"), unique("b")}, tablemap.Left)
	w.does(t, 1, change{"insert", "!1", "u1"})
	w.does(t, 0, change{"insert", "p", "u1"})
	moved := false
	w.calls = func(side tablemap.Side, op string) { // the retry has seen what is held, and is about to ask for it
		if side == tablemap.Left && op == "begin" && !moved {
			moved = true
			require.NoError(t, w.dbs[0].Exec(func(u *memory.User) error {
				_, err := u.Update("a", memory.Values{"k": store.Str("p")}, memory.Values{"k": store.Str("q")})
				return err
			}))
		}
	}
	require.NoError(t, w.retry())
	require.True(t, moved)
	require.Equal(t, []string{"q waiting"}, w.heldNow(t))
	w.does(t, 1, change{"delete", "!1", ""})
	require.NoError(t, w.retry())
	require.Empty(t, w.heldNow(t))
	require.Equal(t, map[string]string{"q": "u1"}, w.rightRows())
}

// A held change that stands for several has seen what the last of them had seen: what the other side has there by then did not
// win over it.
func TestAHeldChangeHasSeenWhatTheLastOfThemHad(t *testing.T) {
	t.Parallel()
	m := keyed()
	m.Coalesce = true
	right := notUnique("b")
	right.Triggers = refusing()
	w := newPairOf(t, m, [2]memory.Table{notUnique("a"), right}, tablemap.Right)
	w.does(t, 0, change{"insert", "p", "good"})
	update := func(value string) {
		require.NoError(t, w.dbs[0].Exec(func(u *memory.User) error {
			_, err := u.Update("a", memory.Values{"k": store.Str("p")}, memory.Values{"u": store.Str(value)})
			return err
		}))
	}
	update("better")
	require.NoError(t, w.dbs[1].Exec(func(u *memory.User) error {
		return u.Insert("b", memory.Values{"k": store.Str("z"), "u": store.Str("good")})
	}))
	for range 3 {
		_, err := w.stream(tablemap.Right)
		require.NoError(t, err)
	}
	require.Len(t, w.dbs[0].Rows("a"), 2)
	update("bad")
	require.NoError(t, w.settle())
	require.Equal(t, []string{"p check"}, w.heldNow(t))
	last := ""
	for _, r := range w.dbs[0].LedgerRows(store.MarkerTable) {
		if r[0].S == "stream" {
			last = max(last, r[3].S)
		}
	}
	require.NotEmpty(t, last)
	require.Equal(t, last, w.dbs[1].LedgerRows(store.HeldTable)[0][4].S)
}

// So does one that comes in the same transaction as the change that is held.
func TestWhatWaitsBehindAKeyInOneTransaction(t *testing.T) {
	t.Parallel()
	right := notUnique("b")
	right.Triggers = refusing()
	w := newPairOf(t, keyed(), [2]memory.Table{notUnique("a"), right}, tablemap.Right)
	w.does(t, 0, change{"insert", "p", "bad"}, change{"update", "p", "good"}, change{"insert", "z", "good"})
	require.Equal(t, []string{"p check", "p waiting"}, w.heldNow(t))
	require.Equal(t, map[string]string{"z": "good"}, w.rightRows())
	require.NoError(t, w.retry())
	require.Empty(t, w.heldNow(t))
	require.Equal(t, map[string]string{"p": "good", "z": "good"}, w.rightRows())
}

// Who has played back some of what a TRUNCATE does has not seen all of it: the deletes have the position before it.
func TestSomeRowsOfATruncateAreNotAllOfIt(t *testing.T) {
	t.Parallel()
	m := keyed()
	m.Truncate = tablemap.TruncateApply
	w := newPairOf(t, m, [2]memory.Table{notUnique("a"), notUnique("b")}, tablemap.Left)
	w.does(t, 0, change{"insert", "p", "one"}, change{"insert", "q", "two"})
	w.maps[0].want = wantPaused
	require.NoError(t, w.settle())
	require.NoError(t, w.dbs[0].Exec(func(u *memory.User) error { return u.Truncate("a") }))
	require.NoError(t, w.settle())
	queue := w.dbs[1].LedgerRows(store.QueueTable)
	require.Len(t, queue, 2)
	var flow struct{ Floor string }
	for _, r := range w.dbs[1].LedgerRows(store.FlowTable) {
		if r[0].S == "map/pair" {
			require.NoError(t, json.Unmarshal([]byte(r[1].S), &flow))
		}
	}
	require.NotEmpty(t, flow.Floor, "of the TRUNCATE")
	for _, r := range queue {
		require.Less(t, r[2].S, flow.Floor)
	}
	w.maps[0].want = wantLive
	require.NoError(t, w.settle())
	require.Empty(t, w.dbs[1].Rows("b"))
}

// TestARetryThatFailsAgainIsNoEffect: where writes have effects of their own, a row that is not as a change meant it counts as
// changed by the database, and flows back. That of a retry that was refused again is none: it would delete the other side's row.
func TestARetryThatFailsAgainIsNoEffect(t *testing.T) {
	t.Parallel()
	tables := [2]memory.Table{notUnique("a"), unique("b")}
	tables[1].Triggers = []memory.Trigger{{Name: "looks", Before: func(_ store.Op, _, row store.Row) (store.Row, error) { return row, nil }}}
	w := newPairOf(t, keyed(), tables, tablemap.Left)
	w.does(t, tablemap.Right, change{"insert", "!1", "taken"})
	w.does(t, tablemap.Left, change{"insert", "x", "taken"})
	require.Equal(t, []string{"x unique"}, w.heldNow(t))
	require.NoError(t, w.retry())
	require.Equal(t, []string{"x unique"}, w.heldNow(t))
	var keys []string
	for _, row := range w.dbs[0].Rows("a") {
		keys = append(keys, row[0].S)
	}
	require.ElementsMatch(t, []string{"!1", "x"}, keys, "nobody has deleted the row")
}

// A held row had another key in between, at which the master wrote a row of its own meanwhile: the retry, which goes from the first
// key to the last, has that row sent.
func TestARetryAsksForRowsAtKeysInBetween(t *testing.T) {
	t.Parallel()
	w := holding(t)
	w.does(t, 1, change{"insert", "!1", "u1"})
	w.does(t, 0, change{"insert", "p", "u1"})
	w.does(t, 0, change{"move", "p", "q"})
	w.does(t, 1, change{"insert", "q", "master"})
	w.does(t, 0, change{"move", "q", "r"})
	w.does(t, 0, change{"update", "r", "mine"})
	w.does(t, 1, change{"delete", "!1", ""})
	require.NoError(t, w.retry())
	require.NoError(t, w.settle())
	require.Empty(t, w.heldNow(t))
	require.ElementsMatch(t, w.dbs[1].Rows("b"), w.dbs[0].Rows("a"))
	require.Contains(t, w.rightRows(), "q")
}

// Two rows that the databases have numbered by themselves are not the same for having the same number: neither is written over
// the other.
func TestRowsUnderTheSameGeneratedNumber(t *testing.T) {
	t.Parallel()
	numbered := func(name string) memory.Table {
		return memory.Table{Name: name, Key: []string{"k"}, Columns: []memory.Column{{Name: "k", Type: number64(), NotNull: true, Auto: true}, {Name: "u", Type: words()}}}
	}
	for _, master := range []tablemap.Side{tablemap.Left, tablemap.Right} {
		w := newPairOf(t, keyed(), [2]memory.Table{numbered("a"), numbered("b")}, master)
		for side, name := range []string{"a", "b"} {
			require.NoError(t, w.dbs[side].Exec(func(u *memory.User) error {
				return u.Insert(name, memory.Values{"k": store.Int(1), "u": store.Str("of " + name)})
			}))
		}
		require.NoError(t, w.settle())
		for side, name := range []string{"a", "b"} {
			require.Equal(t, []store.Row{{store.Int(1), store.Str("of " + name)}}, w.dbs[side].Rows(name))
			held := w.dbs[side].LedgerRows(store.HeldTable)
			require.Len(t, held, 1)
			require.Equal(t, string(store.CodeGeneratedKey), held[0][10].S)
		}

		// One of them gets another number: both are then on both sides.
		require.NoError(t, w.dbs[1].Exec(func(u *memory.User) error {
			_, err := u.Update("b", memory.Values{"k": store.Int(1)}, memory.Values{"k": store.Int(2)})
			return err
		}))
		require.NoError(t, w.settle())
		require.NoError(t, w.retry())
		want := []store.Row{{store.Int(1), store.Str("of a")}, {store.Int(2), store.Str("of b")}}
		require.Equal(t, [2][]store.Row{want, want}, w.both())
		require.Zero(t, w.held())
	}
}
