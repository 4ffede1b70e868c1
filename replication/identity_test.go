package replication_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/memory"
	"github.com/dualwrite/dualwrite/tablemap"
)

func attach(w *world) error {
	_, err := w.engine.Attach(w.ctx, tablemap.AttachRequest{MapRun: tablemap.MapRun{Link: w.engine.Link.Name, Map: "pair", Run: 1},
		Definition: w.maps[0].def, Master: tablemap.Left})
	return err
}

// errorsOf are the codes of the errors that check finds.
func (w *world) errorsOf(t *testing.T) []string {
	t.Helper()
	found, err := w.engine.Check(t.Context())
	require.NoError(t, err)
	var codes []string
	for _, f := range found {
		if f.Severity == replication.SeverityError {
			codes = append(codes, f.Code+" "+f.Side)
		}
	}
	return codes
}

// Two links on one database would take each other's cursors for their own.
func TestADatabaseBelongsToOneLink(t *testing.T) {
	t.Parallel()
	first := newPair(t, tablemap.Map{}, [2]memory.Table{table("a"), table("b")})
	second := pairOf(t, tablemap.Map{}, [2]memory.Table{table("c"), table("b")}, tablemap.Left)
	second.engine.Link.Name = "second"
	second.dbs[1], second.engine.Stores[1] = first.dbs[1], first.engine.Stores[1]

	var refused *replication.Refusal
	require.ErrorAs(t, second.engine.Owner(t.Context()), &refused)
	require.Contains(t, refused.Message, "belongs to link pair")
	require.Equal(t, []string{"other_link right"}, second.errorsOf(t))
	require.ErrorAs(t, attach(second), &refused)
	require.Empty(t, first.errorsOf(t))

	require.NoError(t, first.engine.Stop(t.Context(), "pair"))
	require.Empty(t, second.errorsOf(t))
	require.NoError(t, second.engine.Owner(t.Context()))
	require.NoError(t, second.settle())
	second.write(t, tablemap.Left, memory.Values{"k": store.Str("x"), "v": store.Str("of the second")})
	require.Len(t, first.dbs[1].Rows("b"), 1)
	require.Equal(t, []string{"other_link right"}, first.errorsOf(t))
}

func TestALedgerOfALaterVersionIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newPair(t, tablemap.Map{}, [2]memory.Table{table("a"), table("b")})
	tx, err := beginAs(t, w.engine.Stores[0], "ops")
	require.NoError(t, err)
	require.NoError(t, tx.Put(t.Context(), store.LinkTable, store.Row{store.Str("self"), store.Str(`{"version":2,"link":"pair","id":"x"}`)}))
	require.NoError(t, tx.Commit(t.Context(), ""))
	require.Equal(t, []string{"ledger_version left"}, w.errorsOf(t))
	var refused *replication.Refusal
	require.ErrorAs(t, w.engine.Owner(t.Context()), &refused)
	require.Contains(t, refused.Message, "version 2")
}

func beginAs(t *testing.T, s store.Store, writer string) (store.Tx, error) {
	t.Helper()
	c, err := s.Fence(t.Context(), writer)
	require.NoError(t, err)
	return s.Begin(t.Context(), store.Marker{Writer: writer, Epoch: c.Epoch, Seq: c.Seq + 1})
}

// A config that names another database where maps run must not take the positions of one log for those of the other: what
// stands between would be skipped.
func TestAnotherDatabaseOnTheOtherSideIsAGap(t *testing.T) {
	t.Parallel()
	w := newPair(t, tablemap.Map{}, [2]memory.Table{table("a"), table("b")})
	for _, key := range []string{"1", "2", "3"} {
		w.write(t, tablemap.Right, memory.Values{"k": store.Str(key)})
	}
	other := pairOf(t, tablemap.Map{}, [2]memory.Table{table("a"), table("b")}, tablemap.Left)
	other.nowMs = 1000 // ledgers are told from each other by when they were made, too
	require.NoError(t, other.settle())
	for _, key := range []string{"7", "8", "9"} {
		other.write(t, tablemap.Right, memory.Values{"k": store.Str(key)})
	}
	require.NoError(t, other.engine.Stop(t.Context(), "pair"))

	w.dbs[1], w.engine.Stores[1] = other.dbs[1], other.engine.Stores[1]
	w.streams = [2]*replication.Stream{}
	_, err := w.engine.NewStream(t.Context(), tablemap.Right)
	var gap *store.GapError
	require.ErrorAs(t, err, &gap)
	live, err := w.engine.Live(t.Context())
	require.NoError(t, err)
	require.Equal(t, tablemap.AlarmGap, live["pair"].Alarm.Kind)
	require.Contains(t, live["pair"].Alarm.Message, "right is another database")

	// Run anew, everything is carried.
	require.NoError(t, w.engine.Stop(t.Context(), "pair"))
	w.maps[0].state, w.maps[0].run = isOff, 5
	require.NoError(t, w.settle())
	w.write(t, tablemap.Right, memory.Values{"k": store.Str("10")})
	require.Equal(t, w.dbs[0].Rows("a"), w.dbs[1].Rows("b"))
	require.Len(t, w.dbs[0].Rows("a"), 7)
}

// While maps run, another one is not attached to another database.
func TestAMapIsNotAttachedToAnotherDatabaseBesideOthers(t *testing.T) {
	t.Parallel()
	maps := []tablemap.Map{{Name: "pair", Tables: [2]string{"a", "a"}}, {Name: "other", Tables: [2]string{"b", "b"}}}
	w := linkOf(t, maps, [2][]memory.Table{{table("a"), table("b")}, {table("a"), table("b")}}, tablemap.Left)
	w.maps = w.maps[1:]
	require.NoError(t, w.settle())
	fresh := linkOf(t, maps, [2][]memory.Table{{table("a"), table("b")}, {table("a"), table("b")}}, tablemap.Left)
	w.nowMs = 1000
	w.engine.Stores[1] = fresh.engine.Stores[1]
	_, err := w.engine.Attach(w.ctx, tablemap.AttachRequest{MapRun: tablemap.MapRun{Link: "pair", Map: "pair", Run: 1}, Definition: maps[0]})
	var refused *replication.Refusal
	require.ErrorAs(t, err, &refused)
	require.Contains(t, refused.Message, "right is another database than the one that left was kept equal with, and map other is not stopped")
}

// Two maps that are attached at the same time to databases that have never met do not get in each other's way.
func TestMapsThatAreAttachedAtOnce(t *testing.T) {
	t.Parallel()
	maps := []tablemap.Map{{Name: "pair", Tables: [2]string{"a", "a"}}, {Name: "other", Tables: [2]string{"b", "b"}}}
	w := linkOf(t, maps, [2][]memory.Table{{table("a"), table("b")}, {table("a"), table("b")}}, tablemap.Left)
	fences := 0
	w.calls = func(side tablemap.Side, op string) {
		if op != "fence" || side != tablemap.Left {
			return
		}
		if fences++; fences == 2 { // after the first of the ledger's own
			_, err := w.engine.Attach(w.ctx, tablemap.AttachRequest{MapRun: tablemap.MapRun{Link: "pair", Map: "other", Run: 1}, Definition: maps[1]})
			require.NoError(t, err)
			_, err = w.engine.NewStream(w.ctx, tablemap.Right)
			require.NoError(t, err)
		}
	}
	require.NoError(t, attach(w))
	require.Greater(t, fences, 2)
	_, err := w.engine.NewStream(w.ctx, tablemap.Right)
	require.NoError(t, err)
	live, err := w.engine.Live(t.Context())
	require.NoError(t, err)
	for _, name := range []string{"pair", "other"} {
		require.Equal(t, tablemap.AlarmNone, live[name].Alarm.Kind, name)
		require.Equal(t, [2]string{"queue", "queue"}, live[name].Modes, name)
	}
}
