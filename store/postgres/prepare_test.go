package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
)

// A statement that the server does not even prepare, on a connection that has not made it before, is refused as any other: its table
// is at fault, and what was done before it in the transaction stands.
func TestAStatementThatCannotBePrepared(t *testing.T) {
	t.Parallel()
	u := newUsers(t)
	require.NoError(t, u.exec("CREATE TABLE items (id int PRIMARY KEY, n int); CREATE TABLE others (id int PRIMARY KEY, n int)"))
	items, others := u.relation(t, "items"), u.relation(t, "others")
	require.NoError(t, u.store.Capture(t.Context(), *items, *others))
	put := func(rel *store.Relation, id int64) []store.Write {
		return []store.Write{{Relation: rel, Key: store.Row{store.Int(id)}, After: store.Row{store.Int(id), store.Int(1)}}}
	}
	begin := func(writer string) store.Tx {
		t.Helper()
		cursor, err := u.store.Fence(t.Context(), writer)
		require.NoError(t, err)
		tx, err := u.store.Begin(t.Context(), store.Marker{Writer: writer, Epoch: cursor.Epoch, Seq: cursor.Seq + 1, Position: "p"})
		require.NoError(t, err)
		t.Cleanup(func() { _ = tx.Rollback() })
		return tx
	}
	plans := begin("first")
	_, err := plans.Apply(t.Context(), append(put(items, 1), put(others, 1)...))
	require.NoError(t, err)
	require.NoError(t, plans.Commit(t.Context(), ""))
	busy := begin("second") // it has the connection that knows the statements
	require.NoError(t, u.exec("ALTER TABLE items DROP COLUMN n"))

	tx := begin("third")
	_, err = tx.Apply(t.Context(), put(others, 2))
	require.NoError(t, err)
	_, err = tx.Apply(t.Context(), put(items, 2))
	var fault *store.MapError
	require.ErrorAs(t, err, &fault)
	require.Equal(t, items.Table, fault.Table)
	require.NoError(t, busy.Rollback())
}
