package postgres_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/postgres/postgrestest"
)

// TestTypes: a value of every type is the same read by a query and from the log, in sessions of users with other formats,
// and written by us it is stored as it was: compared by the database, and found equal by a guard.
func TestTypes(t *testing.T) {
	t.Parallel()
	u := newUsers(t)
	require.NoError(t, u.exec(postgrestest.OwnTypes))
	u.settings(t, "datestyle = 'SQL, DMY'", "timezone = 'Asia/Kolkata'", "intervalstyle = 'iso_8601'", "bytea_output = 'escape'", "extra_float_digits = 0")
	columns, names := "id int PRIMARY KEY", []string{"id"}
	for i, s := range postgrestest.SampleTypes() {
		columns += fmt.Sprintf(", c%d %s", i, s.Name)
		names = append(names, fmt.Sprintf("c%d", i))
	}
	require.NoError(t, u.exec("CREATE TABLE source ("+columns+"); CREATE TABLE target ("+columns+")"))
	found, err := u.store.Describe(t.Context(), "source", "target")
	require.NoError(t, err)
	source := &store.Relation{Table: found["source"].Name, Columns: found["source"].Columns, Key: 1}
	target := &store.Relation{Table: found["target"].Name, Columns: found["target"].Columns, Key: 1}
	require.NoError(t, u.store.Capture(t.Context(), *source, *target))
	rows := 0
	for i, s := range postgrestest.SampleTypes() {
		for n, v := range s.Values {
			require.NoError(t, u.exec(fmt.Sprintf("INSERT INTO source (id, c%d) VALUES (%d, %s) ON CONFLICT (id) DO UPDATE SET c%d = excluded.c%d",
				i, n, v, i, i)), "%s %s", s.Name, v)
			rows = max(rows, n+1)
		}
	}
	u.settings(t, "xmloption = document", "array_nulls = off", "quote_all_identifiers = on", "default_transaction_isolation = serializable")
	scanned := u.scan(t, source)
	require.Len(t, scanned, rows)
	last := make(map[store.Value]store.Row)
	for _, c := range u.logged(t, "source") {
		require.Equal(t, names, c.Columns)
		last[c.After[0]] = c.After
	}
	var writes []store.Write
	for _, row := range scanned {
		require.Equal(t, row, last[row[0]], "by a query and from the log")
		writes = append(writes, store.Write{Relation: target, Guard: store.Expect, Key: target.KeyOf(row), After: row})
	}
	for _, o := range u.write(t, writes) {
		require.Equal(t, store.Applied, o.Outcome)
	}
	require.Equal(t, scanned, u.scan(t, target))
	for i, s := range postgrestest.SampleTypes() {
		form := "::text"
		if s.Name == "numeric" || s.Name == "real" || s.Name == "double precision" { // zeros at the end, the sign of zero: docs/postgresql.md
			form = ""
		}
		different := fmt.Sprintf("SELECT count(*) FROM source s JOIN target t USING (id) WHERE s.c%[1]d%[2]s IS DISTINCT FROM t.c%[1]d%[2]s", i, form)
		require.Equal(t, "0", u.text(t, different), s.Name)
	}
	var again []store.Write
	for _, row := range scanned {
		again = append(again, store.Write{Relation: target, Key: target.KeyOf(row), After: row},
			store.Write{Relation: target, Guard: store.Expect, Key: target.KeyOf(row), Before: row})
	}
	for i, o := range u.write(t, again) {
		require.Equal(t, []store.Outcome{store.Unchanged, store.Applied}[i%2], o.Outcome, "write %d", i)
	}
	require.Empty(t, u.scan(t, target))
}

// settings gives the database settings for new sessions, and has the store begin new ones.
func (u *users) settings(t *testing.T, all ...string) {
	t.Helper()
	for _, s := range all {
		require.NoError(t, u.exec("ALTER DATABASE "+u.name()+" SET "+s))
	}
	_, err := u.reopen()
	require.NoError(t, err)
}

func (u *users) scan(t *testing.T, rel *store.Relation) []store.Row {
	t.Helper()
	v, err := u.store.View(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, v.Close()) }()
	rows, err := v.Scan(t.Context(), rel, nil, 1000)
	require.NoError(t, err)
	return rows
}

// write makes writes in one transaction of the writer `stream`.
func (u *users) write(t *testing.T, writes []store.Write) []store.Result {
	t.Helper()
	cursor, err := u.store.Fence(t.Context(), "stream")
	require.NoError(t, err)
	tx, err := u.store.Begin(t.Context(), store.Marker{Writer: "stream", Epoch: cursor.Epoch, Seq: cursor.Seq + 1, Position: "p"})
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback()) }()
	out, err := tx.Apply(t.Context(), writes)
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context(), ""))
	return out
}

// logged reads the changes of a table up to now.
func (u *users) logged(t *testing.T, table string) []store.Change {
	t.Helper()
	u.write(t, nil)
	log, err := u.store.Open(t.Context(), "")
	require.NoError(t, err)
	defer func() { require.NoError(t, log.Close()) }()
	var out []store.Change
	for {
		batch, err := log.Next(t.Context(), 1000)
		require.NoError(t, err)
		for _, c := range batch.Changes {
			_, _, err := c.Images()
			require.NoError(t, err)
			if c.Table == "public."+table {
				out = append(out, c)
			}
			if c.Ledger && c.Table == store.MarkerTable && c.After[2].S == store.MarkerEnd {
				return out
			}
		}
		if len(batch.Changes) == 0 {
			require.NoError(t, log.Wait(t.Context()))
		}
	}
}
