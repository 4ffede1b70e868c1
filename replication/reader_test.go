package replication

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// TestFirstBracketAfterTheCursor: a log that was confirmed up to the cursor, or that begins there, begins with what comes
// after it. A change of a map's mode is heeded there as anywhere, or users' changes would be dropped as those of a map
// that is not attached. What was read before is not heeded again.
func TestFirstBracketAfterTheCursor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cursor store.Position
		want   string
	}{"after": {"5", modeQueue}, "before": {"8", ""}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReader(&Engine{}, tablemap.Left)
			r.cursor = c.cursor
			known := &mapState{name: "customers", Run: 1, def: &Definition{}}
			r.maps["customers"] = known
			row := mode{Map: "customers", Mode: modeQueue, Run: 1}.row()
			n, err := r.take(t.Context(), []store.Change{
				ledgerRow("6", store.MarkerTable, store.Str("ops"), store.Int(1), store.Str(store.MarkerBegin), store.Str(""), store.Str(""), store.Str("")),
				ledgerRow("7", store.ModeTable, row...),
				ledgerRow("8", store.MarkerTable, store.Str("ops"), store.Int(1), store.Str(store.MarkerEnd), store.Str(""), store.Str(""), store.Str("{}")),
			})
			require.NoError(t, err)
			require.Equal(t, 3, n)
			require.Equal(t, c.want, known.Source)
		})
	}
}

func ledgerRow(at store.Position, table string, values ...store.Value) store.Change {
	return store.Change{Position: at, Op: store.Insert, Table: table, Ledger: true, After: values}
}

// TestMissingTransaction: a hole in the numbers of a writer's transactions is a gap; the next number is not.
func TestMissingTransaction(t *testing.T) {
	t.Parallel()
	r := newReader(&Engine{}, tablemap.Left)
	r.cursor = "1"
	bracket := func(seq int64, at store.Position) []store.Change {
		row := func(what, body string) store.Change {
			return ledgerRow(at, store.MarkerTable, store.Str("stream"), store.Int(seq), store.Str(what), store.Str(""), store.Str(""), store.Str(body))
		}
		return []store.Change{row(store.MarkerBegin, ""), row(store.MarkerEnd, "{}")}
	}
	_, err := r.take(t.Context(), append(bracket(4, "2"), bracket(5, "3")...))
	require.NoError(t, err)
	_, err = r.take(t.Context(), bracket(7, "4"))
	var gap *store.GapError
	require.ErrorAs(t, err, &gap)
	require.Contains(t, gap.Reason, "7")
}
