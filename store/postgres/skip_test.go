package postgres_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
)

// A row that is refused, or a part that is made again, takes back with it that triggers are skipped: those of the rows that
// follow do not fire all the same.
func TestTriggersAreSkippedAfterARowsFault(t *testing.T) {
	t.Parallel()
	u := newUsers(t)
	require.NoError(t, u.exec(`CREATE TABLE items (id int PRIMARY KEY, n int CHECK (n > 0)); CREATE TABLE noted (id int);
		CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.noted VALUES (NEW.id); RETURN NULL; END';
		CREATE TRIGGER note AFTER INSERT ON items FOR EACH ROW EXECUTE FUNCTION note()`))
	found, err := u.store.Describe(t.Context(), "items")
	require.NoError(t, err)
	rel := &store.Relation{Table: found["items"].Name, Columns: found["items"].Columns, Key: 1, SkipTriggers: true}
	require.NoError(t, u.store.Capture(t.Context(), *rel))
	cursor, err := u.store.Fence(t.Context(), "stream")
	require.NoError(t, err)
	m := store.Marker{Writer: "stream", Epoch: cursor.Epoch, Seq: cursor.Seq + 1, Position: "p"}
	tx, err := u.store.Begin(t.Context(), m)
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback()) }()
	put := func(id, n int64) store.Write {
		return store.Write{Relation: rel, Key: store.Row{store.Int(id)}, After: store.Row{store.Int(id), store.Int(n)}}
	}

	results, err := tx.ApplyEach(t.Context(), []store.Write{put(1, -1), put(2, 1)})
	require.NoError(t, err)
	require.Equal(t, []store.Outcome{store.Failed, store.Applied}, []store.Outcome{results[0].Outcome, results[1].Outcome})
	m.Seq++
	require.NoError(t, tx.Continue(t.Context(), "", m))
	usual := *rel
	usual.SkipTriggers = false
	_, err = tx.Apply(t.Context(), []store.Write{{Relation: &usual, Key: store.Row{store.Int(3)}, After: store.Row{store.Int(3), store.Int(1)}}, put(4, -1)})
	var fault *store.RowError
	require.True(t, errors.As(err, &fault), err)
	require.NoError(t, tx.Again(t.Context()))
	_, err = tx.Apply(t.Context(), []store.Write{put(5, 1)})
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context(), ""))
	require.Equal(t, "2,5", u.text(t, "SELECT string_agg(id::text, ',' ORDER BY id) FROM items"))
	require.Equal(t, "0", u.text(t, "SELECT count(*) FROM noted"), "what triggers have noted")
}
