package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
)

// Where somebody's event trigger does not let us change the publication, transactions are in the log as any other.
func TestAnEventTriggerAgainstBeingQuiet(t *testing.T) {
	t.Parallel()
	u := newUsers(t)
	require.NoError(t, u.exec("CREATE TABLE items (id int PRIMARY KEY)"))
	rel := u.relation(t, "items")
	require.NoError(t, u.store.Capture(t.Context(), *rel))
	cursor, err := u.store.Fence(t.Context(), "stream")
	require.NoError(t, err)
	tx, err := u.store.Begin(t.Context(), store.Marker{Writer: "stream", Epoch: cursor.Epoch, Seq: 1, Position: "p"})
	require.NoError(t, err)
	quiet, err := tx.Quiet(t.Context(), rel)
	require.NoError(t, err)
	require.True(t, quiet, "without it")
	require.NoError(t, tx.Rollback())
	require.NoError(t, u.exec(`CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
		CREATE EVENT TRIGGER refuse ON ddl_command_end WHEN TAG IN ('ALTER PUBLICATION') EXECUTE FUNCTION refuse()`))
	for seq := range int64(2) {
		tx, err := u.store.Begin(t.Context(), store.Marker{Writer: "stream", Epoch: cursor.Epoch, Seq: seq + 1, Position: "p"})
		require.NoError(t, err)
		quiet, err := tx.Quiet(t.Context(), rel)
		require.NoError(t, err)
		require.False(t, quiet)
		id := store.Row{store.Int(seq)}
		_, err = tx.Apply(t.Context(), []store.Write{{Relation: rel, Key: id, After: id}})
		require.NoError(t, err)
		require.NoError(t, tx.Commit(t.Context(), ""))
	}
	require.Equal(t, "2", u.text(t, "SELECT count(*) FROM items"))
	require.Equal(t, "true", u.text(t, "SELECT (pubinsert AND pubupdate AND pubdelete AND pubtruncate)::text FROM pg_publication WHERE pubname = 'dualwrite_tables'"))
}
