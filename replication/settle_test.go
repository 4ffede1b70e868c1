package replication_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/memory"
	"github.com/dualwrite/dualwrite/tablemap"
)

// family is a link of groups and rows that refer to them; the left side writes a group and its row.
func family(t *testing.T, master tablemap.Side) (*world, names) {
	t.Helper()
	p := plan{tree: true}
	w := linkOf(t, mapsOf(p), [2][]memory.Table{tables(p, 0), tables(p, 1)}, master)
	require.NoError(t, w.settle())
	left := namesOf(0)
	require.NoError(t, w.dbs[0].Exec(func(u *memory.User) error {
		if err := u.Insert(left.groups, memory.Values{left.k: store.Str("g")}); err != nil {
			return err
		}
		return u.Insert(left.rows, memory.Values{left.k: store.Str("c"), left.g: store.Str("g")})
	}))
	require.NoError(t, w.settle())
	return w, left
}

// What failed because a row of another map had not gone yet is tried again when that map has caught up: nobody has to ask.
func TestWhatIsHeldForReferencesIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, master := range []tablemap.Side{tablemap.Left, tablemap.Right} {
		w, left := family(t, master)
		w.maps[1].want = wantPaused
		require.NoError(t, w.settle())
		require.NoError(t, w.dbs[0].Exec(func(u *memory.User) error {
			if _, err := u.Delete(left.rows, memory.Values{left.k: store.Str("c")}); err != nil {
				return err
			}
			_, err := u.Delete(left.groups, memory.Values{left.k: store.Str("g")})
			return err
		}))
		require.NoError(t, w.settle())
		require.Equal(t, []string{"g foreign_key"}, w.heldNow(t))
		w.maps[1].want = wantLive
		require.NoError(t, w.settle())
		require.Empty(t, w.heldNow(t))
		require.Empty(t, w.dbs[1].Rows(namesOf(1).groups))
	}
}

// So is what failed of the map itself: here the new row of the other map came before the deletion of the group that it does not
// refer to.
func TestWhatAMapHasHeldItselfIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, master := range []tablemap.Side{tablemap.Left, tablemap.Right} {
		w, left := family(t, master)
		w.maps[0].want, w.maps[1].want = wantPaused, wantPaused
		require.NoError(t, w.settle())
		require.NoError(t, w.dbs[0].Exec(func(u *memory.User) error {
			if _, err := u.Delete(left.rows, memory.Values{left.k: store.Str("c")}); err != nil {
				return err
			}
			if _, err := u.Delete(left.groups, memory.Values{left.k: store.Str("g")}); err != nil {
				return err
			}
			if err := u.Insert(left.groups, memory.Values{left.k: store.Str("g"), left.v: store.Str("new")}); err != nil {
				return err
			}
			return u.Insert(left.rows, memory.Values{left.k: store.Str("c2"), left.g: store.Str("g")})
		}))
		require.NoError(t, w.settle())
		w.maps[1].want = wantLive
		require.NoError(t, w.settle())
		w.maps[0].want = wantLive
		require.NoError(t, w.settle())
		require.Empty(t, w.heldNow(t))
		require.Equal(t, []store.Row{{store.Str("g"), store.Str("new")}}, w.dbs[1].Rows(namesOf(1).groups))
	}
}

// NewAgain is nothing where what is held waits for a person, and tries all of a map where something waits for a reference.
func TestNewAgain(t *testing.T) {
	t.Parallel()
	w := holding(t)
	w.does(t, 1, change{"insert", "!1", "u1"})
	w.does(t, 0, change{"insert", "p", "u1"})
	require.Equal(t, []string{"p unique"}, w.heldNow(t))
	again, err := w.engine.NewAgain(t.Context(), "pair")
	require.NoError(t, err)
	require.Nil(t, again)

	w, left := family(t, tablemap.Right)
	right := namesOf(1)
	require.NoError(t, w.dbs[1].Exec(func(u *memory.User) error {
		return u.Insert(right.rows, memory.Values{right.k: store.Str("d"), right.g: store.Str("g")})
	}))
	w.maps[1].want = wantPaused
	require.NoError(t, w.settle())
	require.NoError(t, w.dbs[0].Exec(func(u *memory.User) error {
		if _, err := u.Update(left.rows, memory.Values{left.k: store.Str("c")}, memory.Values{left.g: store.Value{}}); err != nil {
			return err
		}
		_, err := u.Update(left.rows, memory.Values{left.k: store.Str("d")}, memory.Values{left.g: store.Value{}})
		return err
	}))
	require.NoError(t, w.dbs[0].Exec(func(u *memory.User) error {
		_, err := u.Delete(left.groups, memory.Values{left.k: store.Str("g")})
		return err
	}))
	require.NoError(t, w.settle())
	require.Equal(t, []string{"g foreign_key"}, w.heldNow(t))
	again, err = w.engine.NewAgain(t.Context(), "groups")
	require.NoError(t, err)
	require.NoError(t, w.drive(again))
	require.Equal(t, []string{"g foreign_key"}, w.heldNow(t), "the rows are in their queue")
}

// A retry waits for rows that come by the stream: not for those of a map that was paused meanwhile.
func TestARetryEndsWhereItsMapIsLiveNoMore(t *testing.T) {
	t.Parallel()
	w := newPairOf(t, keyed(), [2]memory.Table{notUnique("a"), unique("b")}, tablemap.Left)
	w.does(t, 1, change{"insert", "!1", "u1"})
	w.does(t, 0, change{"insert", "p", "u1"})
	require.Equal(t, []string{"p unique"}, w.heldNow(t))
	retry, err := w.engine.NewRetry(t.Context(), "pair", nil)
	require.NoError(t, err)
	outcome := replication.Moved
	for range 10 {
		outcome, err = retry.Step(t.Context())
		require.NoError(t, err)
	}
	require.Equal(t, replication.Idle, outcome)
	require.NoError(t, w.engine.Pause(t.Context(), "pair"))
	_, err = retry.Step(t.Context())
	var refused *replication.Refusal
	require.ErrorAs(t, err, &refused)
	require.Contains(t, refused.Message, "not live")
}

// What waited behind a row of another map that a person has seen to is tried again: nothing is in front of it any more.
func TestWhatWaitsBehindNothingIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, master := range []tablemap.Side{tablemap.Left, tablemap.Right} {
		p := plan{tree: true}
		right := tables(p, 1)
		right[0].Triggers = refusing()
		w := linkOf(t, mapsOf(p), [2][]memory.Table{tables(p, 0), right}, master)
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
		again, err := w.engine.NewAgain(t.Context(), "rows")
		require.NoError(t, err)
		require.Nil(t, again, "a person has to see to the group")

		require.NoError(t, w.dbs[0].Exec(func(u *memory.User) error {
			_, err := u.Update(left.groups, memory.Values{left.k: store.Str("g")}, memory.Values{left.v: store.Str("good")})
			return err
		}))
		require.NoError(t, w.settle())
		retry, err := w.engine.NewRetry(t.Context(), "groups", nil)
		require.NoError(t, err)
		require.NoError(t, w.drive(retry))
		require.Equal(t, []string{"c waiting"}, w.heldNow(t))
		again, err = w.engine.NewAgain(t.Context(), "rows")
		require.NoError(t, err)
		require.NoError(t, w.drive(again))
		require.Empty(t, w.heldNow(t))
		require.Len(t, w.dbs[1].Rows(namesOf(1).rows), 1)
	}
}
