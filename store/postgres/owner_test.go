package postgres_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/storetest"
)

// What the owner of a table has prepared is used, and left as it is when the table is released.
func TestReleaseLeavesWhatTheOwnerMade(t *testing.T) {
	t.Parallel()
	u := newUsers(t)
	require.NoError(t, u.create(storetest.Table{Name: "theirs", Key: []string{"id"}, Columns: []storetest.Column{
		{Name: "id", Kind: store.Integer, NotNull: true}}}))
	require.NoError(t, u.store.Capture(t.Context()))
	require.NoError(t, u.exec("ALTER TABLE theirs REPLICA IDENTITY FULL; ALTER PUBLICATION dualwrite_tables ADD TABLE theirs"))
	found, err := u.store.Describe(t.Context(), "theirs")
	require.NoError(t, err)
	rel := store.Relation{Table: found["theirs"].Name, Columns: found["theirs"].Columns, Key: 1}
	require.NoError(t, u.store.Capture(t.Context(), rel))
	require.NoError(t, u.store.Release(t.Context(), rel.Table))
	require.Equal(t, "f", u.text(t, "SELECT relreplident FROM pg_class WHERE relname = 'theirs'"))
	require.Equal(t, "1", u.text(t, "SELECT count(*) FROM pg_publication_tables WHERE pubname = 'dualwrite_tables'"))
	require.Equal(t, "0", u.text(t, "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"))
	require.Equal(t, "dualwrite_tables", u.text(t, "SELECT string_agg(pubname, ', ') FROM pg_publication"), "our own goes")
}

// An owner's entry with the filter that is asked for is used, however it is written; one with another filter is refused, with
// what the owner has to run.
func TestAnOwnersEntryWithAFilter(t *testing.T) {
	t.Parallel()
	u := newUsersWithRoles(t)
	require.NoError(t, u.exec(fmt.Sprintf(`CREATE TABLE theirs (id int PRIMARY KEY, area text); ALTER TABLE theirs REPLICA IDENTITY FULL;
		GRANT SELECT, INSERT, UPDATE, DELETE ON theirs TO %s;
		CREATE PUBLICATION dualwrite_tables WITH (publish = 'insert, update, delete, truncate', publish_via_partition_root = true);
		ALTER PUBLICATION dualwrite_tables ADD TABLE theirs WHERE (area = 'usmf')`, u.apply)))
	rel := u.relation(t, "theirs")
	for _, filter := range []string{"", "area = 'demf'", "area = 'usmf' OR id = 1", "nothing = 1"} {
		other := *rel
		other.Filter = filter
		err := u.store.Capture(t.Context(), other)
		var refused *store.MapError
		require.ErrorAs(t, err, &refused, filter)
		require.Contains(t, refused.Reason, filter)
		require.Contains(t, refused.Reason, "ADD TABLE")
	}
	same := *rel
	same.Filter = "(area)='usmf'::text -- as the owner has it"
	require.NoError(t, u.store.Capture(t.Context(), same))
	require.Equal(t, "0", u.text(t, "SELECT count(*) FROM pg_publication WHERE pubname = 'dualwrite_filter'"))
}

// What Capture made goes with Release: the table's replica identity is what it was.
func TestReleasePutsBackTheReplicaIdentity(t *testing.T) {
	t.Parallel()
	u := newUsers(t)
	require.NoError(t, u.exec("CREATE TABLE plain (id int PRIMARY KEY, n int NOT NULL); CREATE UNIQUE INDEX plain_n ON plain (n); "+
		"ALTER TABLE plain REPLICA IDENTITY USING INDEX plain_n"))
	found, err := u.store.Describe(t.Context(), "plain")
	require.NoError(t, err)
	rel := store.Relation{Table: found["plain"].Name, Columns: found["plain"].Columns, Key: 1}
	require.NoError(t, u.store.Capture(t.Context(), rel))
	require.Equal(t, "f", u.text(t, "SELECT relreplident FROM pg_class WHERE relname = 'plain'"))
	require.NoError(t, u.store.Release(t.Context(), rel.Table))
	require.Equal(t, "i", u.text(t, "SELECT relreplident FROM pg_class WHERE relname = 'plain'"))
	require.Equal(t, "plain_n", u.text(t, "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indisreplident"))
	require.Equal(t, "0", u.text(t, "SELECT count(*) FROM pg_publication_tables WHERE pubname = 'dualwrite_tables'"))
}

// text is the one value of a query.
func (u *users) text(t *testing.T, sql string) string {
	t.Helper()
	c, err := u.connect()
	require.NoError(t, err)
	defer func() { _ = c.Close(t.Context()) }()
	result := c.ExecParams(t.Context(), sql, nil, nil, nil, nil).Read()
	require.NoError(t, result.Err)
	return string(result.Rows[0][0])
}
