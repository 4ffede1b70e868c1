package replication_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/memory"
	"github.com/dualwrite/dualwrite/tablemap"
)

// Where too many changes fail the map goes to its queue and says so: more than 1,000 that are held, or more than 5 % of the last
// 1,000. The transaction that finds it is still applied; what comes after is queued.
func TestTheBreaker(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		good, bad, behind int // behind the first that is bad
		trips             bool
	}{
		"1,000 held":            {0, 1, 999, false},
		"1,001 held":            {0, 1, 1000, true},
		"5 % of the last 1,000": {960, 50, 0, false},
		"more than 5 %":         {949, 51, 0, true},
		"more, but of fewer":    {900, 99, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			right := notUnique("b")
			right.Triggers = refusing()
			w := newPairOf(t, keyed(), [2]memory.Table{notUnique("a"), right}, tablemap.Left)
			do := func(n int, one func(u *memory.User, i int) error) {
				require.NoError(t, w.dbs[0].Exec(func(u *memory.User) error {
					for i := range n {
						if err := one(u, i); err != nil {
							return err
						}
					}
					return nil
				}))
				for range 3 {
					_, err := w.stream(tablemap.Left)
					require.NoError(t, err)
				}
			}
			send := func(prefix string, n int, value string) {
				do(n, func(u *memory.User, i int) error {
					return u.Insert("a", memory.Values{"k": store.Str(fmt.Sprintf("%s%04d", prefix, i)), "u": store.Str(value)})
				})
			}
			send("bad", c.bad, "bad")
			do(c.behind, func(u *memory.User, i int) error {
				_, err := u.Update("a", memory.Values{"k": store.Str("bad0000")}, memory.Values{"u": store.Str(fmt.Sprint(i))})
				return err
			})
			send("good", c.good, "good")
			send("x", 1, "x")
			live, err := w.engine.Live(t.Context())
			require.NoError(t, err)
			require.Equal(t, c.trips, live["pair"].Alarm.Kind == tablemap.AlarmBreaker, "%v", live["pair"])
			send("y", 1, "y")
			require.Len(t, w.dbs[1].LedgerRows(store.HeldTable), c.bad+c.behind)
			rows, queued := c.good+2, 0
			if c.trips {
				rows, queued = c.good+1, 1
			}
			require.Len(t, w.dbs[1].Rows("b"), rows)
			require.Len(t, w.dbs[1].LedgerRows(store.QueueTable), queued)
		})
	}
}
