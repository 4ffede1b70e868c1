package replication_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/memory"
	"github.com/dualwrite/dualwrite/tablemap"
)

// quietly runs a test with transactions of ours whose rows are in the log, and with such that are not.
func quietly(t *testing.T, test func(t *testing.T, options memory.Options)) {
	t.Helper()
	for name, rows := range map[string]int{"loud": 0, "quiet": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, memory.Options{QuietRows: rows})
		})
	}
}

// TestUsersMakeAndTakeBackWhatACopyIsWriting is about a row that users of the side that loses wrote, the same as it is being
// copied, and deleted before the copy came by. To the other side that is a delete of its row; so what the copy has written
// has to go again.
func TestUsersMakeAndTakeBackWhatACopyIsWriting(t *testing.T) {
	t.Parallel()
	quietly(t, func(t *testing.T, options memory.Options) {
		w := linkWith(t, options, []tablemap.Map{{Name: "pair", Tables: [2]string{"a", "b"}}},
			[2][]memory.Table{{table("a")}, {table("b")}}, tablemap.Left)
		values := memory.Values{"k": store.Str("x"), "v": store.Str("hello"), "n": store.Int(7)}
		require.NoError(t, w.dbs[0].Exec(func(u *memory.User) error { return u.Insert("a", values) }))
		times, before := 0, ""
		w.calls = func(side tablemap.Side, op string) {
			last := before
			before = fmt.Sprint(side, " ", op)
			if last != "0 view" || before != "1 begin" { // a block is about to be written
				return
			}
			times++
			require.NoError(t, w.dbs[1].Exec(func(u *memory.User) error { return u.Insert("b", values) }))
			require.NoError(t, w.dbs[1].Exec(func(u *memory.User) error {
				_, err := u.Delete("b", memory.Values{"k": store.Str("x")})
				return err
			}))
		}
		require.NoError(t, w.settle())
		require.Positive(t, times)
		both := w.both()
		require.Equal(t, both[0], both[1])
	})
}

// TestARowThatIsWrittenQuietlyOverAnUnseenChange is about a change of the side that loses which was applied after the side
// that wins had changed the row twice, to another value and back, and the other had not seen it: it gets the row back.
func TestARowThatIsWrittenQuietlyOverAnUnseenChange(t *testing.T) {
	t.Parallel()
	quietly(t, func(t *testing.T, options memory.Options) {
		w := linkWith(t, options, []tablemap.Map{{Name: "pair", Tables: [2]string{"a", "b"}}},
			[2][]memory.Table{{table("a")}, {table("b")}}, tablemap.Left)
		require.NoError(t, w.settle())
		w.write(t, tablemap.Left, memory.Values{"k": store.Str("x"), "v": store.Str("old")})
		set := func(side tablemap.Side, text string) {
			require.NoError(t, w.dbs[side].Exec(func(u *memory.User) error {
				_, err := u.Update(w.maps[0].def.Tables[side], memory.Values{"k": store.Str("x")}, memory.Values{"v": store.Str(text)})
				return err
			}))
		}
		set(tablemap.Left, "new")
		set(tablemap.Left, "old")
		set(tablemap.Right, "other")
		for range 3 { // what the right side wrote comes to the left before what the left side wrote comes to the right
			_, err := w.stream(tablemap.Right)
			require.NoError(t, err)
		}
		require.Equal(t, "other", w.both()[0][0][1].S)
		require.NoError(t, w.settle())
		both := w.both()
		require.Equal(t, both[0], both[1])
	})
}
