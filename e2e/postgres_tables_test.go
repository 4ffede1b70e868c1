package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// postgresLink is a link between two PostgreSQL databases whose maps run.
func postgresLink(t *testing.T, left, right, maps string, names ...string) *harness.Link {
	t.Helper()
	l := harness.New(t, harness.Setup{Pair: harness.Postgres, Left: left, Right: right, Maps: maps, Master: "finops"})
	l.Work()
	for _, name := range names {
		l.Do("run", name, "--yes")
	}
	return l
}

const (
	families = `CREATE TABLE family (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE member (id int PRIMARY KEY, family int NOT NULL REFERENCES family, name text, live boolean NOT NULL DEFAULT true);`
	familyMaps = `family: {truncate: apply}
member:
  filter: {finops: live, dataverse: live}
  truncate: apply
`
	fill = `INSERT INTO family SELECT value, 'family ' || value FROM generate_series(1, 3000);
INSERT INTO member (id, family, name) SELECT value, value, 'member ' || value FROM generate_series(1, 3000)`
)

// familyLink is a link with families and members that have come across.
func familyLink(t *testing.T, maps string) *harness.Link {
	t.Helper()
	l := postgresLink(t, families, families, maps, "family", "member")
	l.Left.Exec(fill)
	l.Right.Becomes("SELECT count(*) FROM member", "3000")
	return l
}

// A TRUNCATE of the master deletes the mapped rows on the other side, children first, also those that wait in the queue,
// and no others.
func TestTruncateIsCarriedAcross(t *testing.T) {
	t.Parallel()
	l := familyLink(t, familyMaps)
	l.Left.Exec("TRUNCATE member")
	l.Right.Becomes("SELECT count(*) FROM member", "0")

	l.Left.Exec("TRUNCATE family CASCADE", fill)
	l.Right.Becomes("SELECT count(*) FROM member", "3000")
	l.Right.Exec("INSERT INTO family VALUES (5000, 'theirs')", "INSERT INTO member VALUES (5000, 5000, 'outside the filter', false)")
	l.Left.Becomes("SELECT count(*) FROM family WHERE id = 5000", "1")
	l.Left.Exec("TRUNCATE member")
	l.Right.Becomes("SELECT string_agg(name, ', ') FROM member", "outside the filter")

	l.Do("pause", "member")
	l.Left.Exec("INSERT INTO member SELECT value, value, 'again ' || value FROM generate_series(1, 20)", "TRUNCATE member",
		"INSERT INTO member VALUES (7, 7, 'the last')")
	l.Do("resume", "member")
	l.Right.Becomes("SELECT string_agg(name, ', ' ORDER BY name) FROM member", "outside the filter, the last")
	l.Right.Exec("UPDATE member SET name = 'theirs' WHERE id = 7", "INSERT INTO member VALUES (8, 8, 'new')")
	l.Left.Becomes("SELECT string_agg(name, ', ' ORDER BY name) FROM member", "new, theirs")
	l.Equal("family")
	l.Equal("member")
	require.Empty(t, l.Failures("member"))
}

// One on the other side stops the map, since nobody can tell whether it had seen what the master holds; so does one that
// is not to be carried across.
func TestTruncateStopsTheMap(t *testing.T) {
	t.Parallel()
	l := familyLink(t, familyMaps)
	l.Right.Exec("TRUNCATE member")
	r := l.Await("member", harness.NotRunning)
	require.Contains(t, r.Reason, "member was truncated")
	require.Equal(t, 3000, l.Left.Int("SELECT count(*) FROM member"))
	l.Do("run", "member", "--yes")
	require.Equal(t, 3000, l.Right.Int("SELECT count(*) FROM member"), "the master's rows have come back")

	l = familyLink(t, strings.ReplaceAll(familyMaps, "truncate: apply", "truncate: refuse"))
	l.Left.Exec("TRUNCATE member")
	require.Contains(t, l.Await("member", harness.NotRunning).Reason, "member was truncated")
	require.Equal(t, 3000, l.Right.Int("SELECT count(*) FROM member"))
}

// A partitioned table is one table to its map: rows that move between partitions, partitions that come, and those that are
// filled before they come.
func TestPartitionedTable(t *testing.T) {
	t.Parallel()
	const partitioned = `CREATE TABLE sale (id int NOT NULL, at date NOT NULL, amount numeric(10,2), PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE sale_2025 PARTITION OF sale FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE sale_2026 PARTITION OF sale FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');`
	// A partition that joins is the owner's to prepare.
	l := harness.New(t, harness.Setup{Pair: harness.Postgres, Superuser: true, Master: "finops", Maps: "sale: {}", Left: partitioned,
		Right: "CREATE TABLE sale (id int NOT NULL, at date NOT NULL, amount numeric(10,2), PRIMARY KEY (id, at))"})
	l.Work()
	l.Left.Exec("INSERT INTO sale SELECT value, date '2025-06-01' + value, value FROM generate_series(1, 400)")
	l.Right.Exec("INSERT INTO sale VALUES (1000, '2026-03-01', 1)")
	l.Do("run", "sale", "--yes")
	require.Equal(t, 401, l.Equal("sale"))
	l.Left.Exec("UPDATE sale SET at = at + interval '1 year' WHERE id < 100 AND at < '2026-01-01'", // to another partition
		"DELETE FROM sale_2025 WHERE id = 150",
		"CREATE TABLE sale_2027 PARTITION OF sale FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')",
		"INSERT INTO sale VALUES (2000, '2027-05-01', 2)")
	l.Right.Exec("UPDATE sale SET at = '2026-09-01' WHERE id = 300", "INSERT INTO sale VALUES (1001, '2027-03-01', 3)")
	l.Right.Becomes("SELECT amount FROM sale WHERE id = 2000", "2.00")
	l.Left.Becomes("SELECT tableoid::regclass FROM sale WHERE id = 1001", "sale_2027")
	l.Left.Becomes("SELECT at FROM sale WHERE id = 300", "2026-09-01")
	require.Equal(t, 402, l.Equal("sale"))
	l.Left.Becomes("SELECT relreplident FROM pg_class WHERE relname = 'sale_2027'", "f") // its old rows are complete from now on
	l.Left.Exec("UPDATE sale SET amount = 7 WHERE at >= '2027-01-01'")
	l.Right.Becomes("SELECT string_agg(amount::text, ' ') FROM sale WHERE at >= '2027-01-01'", "7.00 7.00")
	require.Equal(t, 402, l.Equal("sale"))

	// What the log does not tell of a partition stops the map, which can be run again.
	for _, c := range []struct{ statement, reason, right string }{
		{"CREATE TABLE old AS SELECT 3000 AS id, date '2024-01-01' AS at, 1.5::numeric(10,2) AS amount; ALTER TABLE old ALTER id SET NOT NULL, ALTER at SET NOT NULL; " +
			"ALTER TABLE sale ATTACH PARTITION old FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')", "came with rows in it", "SELECT amount FROM sale WHERE id = 3000"},
		{"TRUNCATE sale_2027; INSERT INTO sale VALUES (2000, '2027-05-01', 1.5)", "truncated by itself", "SELECT amount FROM sale WHERE id = 2000"},
		{"ALTER TABLE sale DETACH PARTITION old; CREATE TABLE new PARTITION OF sale FOR VALUES FROM ('2024-01-01') TO ('2025-01-01'); " +
			"INSERT INTO sale VALUES (3001, '2024-01-02', 1.5)", "dropped or detached", "SELECT amount FROM sale WHERE id = 3001"},
	} {
		l.Left.Exec(c.statement)
		require.Contains(t, l.Await("sale", harness.NotRunning).Reason, c.reason)
		l.Do("run", "sale", "--yes")
		require.Equal(t, "1.50", l.Right.Text(c.right))
		l.Equal("sale")
	}
	l.Do("stop", "sale")
	l.Left.Becomes("SELECT string_agg(DISTINCT relreplident::text, '') FROM pg_class WHERE relname LIKE 'sale%' AND relkind IN ('r', 'p')", "d")
}

// A long value that an update leaves alone is not in the log, and arrives all the same, in both directions and through the
// queue.
func TestUnchangedLongValues(t *testing.T) {
	t.Parallel()
	const document = `CREATE TABLE document (id int PRIMARY KEY, title text, body text);
ALTER TABLE document ALTER body SET STORAGE EXTERNAL;`
	l := postgresLink(t, document, document, "document: {}", "document")
	l.Left.Exec("INSERT INTO document SELECT value, 'one', repeat(md5(value::text), 3000) FROM generate_series(1, 5)")
	l.Right.Becomes("SELECT count(*) FROM document WHERE length(body) = 96000", "5")
	l.Left.Exec("UPDATE document SET title = 'two' WHERE id = 1", "UPDATE document SET id = 20 WHERE id = 2")
	l.Right.Exec("UPDATE document SET title = 'three' WHERE id = 3", "UPDATE document SET id = 40, title = 'four' WHERE id = 4")
	const all = "SELECT string_agg(id || title || length(body), ' ' ORDER BY id) FROM document"
	const want = "1two96000 3three96000 5one96000 20one96000 40four96000"
	l.Left.Becomes(all, want)
	l.Right.Becomes(all, want)
	l.Do("pause", "document")
	l.Left.Exec("UPDATE document SET title = 'queued' WHERE id = 5")
	l.Right.Exec("UPDATE document SET title = 'queued, too' WHERE id = 1")
	l.Do("resume", "document")
	l.Left.Becomes("SELECT title || length(body) FROM document WHERE id = 1", "queued, too96000")
	l.Right.Becomes("SELECT title || length(body) FROM document WHERE id = 5", "queued96000")
	require.Equal(t, 5, l.Equal("document"))
}

// A transaction that is longer than the worker may hold passes through it, whole and once, while others wait behind it.
func TestHugeTransaction(t *testing.T) {
	t.Parallel()
	const wide = "CREATE TABLE item (id int PRIMARY KEY, name text, note text)"
	l := harness.New(t, harness.Setup{Pair: harness.Postgres, Left: wide, Right: wide, Maps: "item: {}"})
	p := l.Work()
	l.Do("run", "item", "--yes")
	rows := harness.Scale(300_000, 3_000_000)
	l.Left.Exec(fmt.Sprintf("BEGIN; INSERT INTO item SELECT value, 'item ' || value, repeat('x', 300) FROM generate_series(1, %d); "+
		"UPDATE item SET name = name || ' again' WHERE id %% 2 = 0; COMMIT", rows))
	l.Left.Exec("UPDATE item SET name = 'after' WHERE id = 1")
	l.Right.Becomes("SELECT name FROM item WHERE id = 1", "after")
	require.Equal(t, rows, l.Equal("item"))
	require.Equal(t, rows/2, l.Right.Int("SELECT count(*) FROM item WHERE name LIKE '% again'"))
	_, peak := memory(t, p)
	require.Less(t, peak, 300, "MiB of memory")
}
