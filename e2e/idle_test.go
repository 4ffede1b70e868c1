package e2e_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// A link at which nothing happens lets go of the log of servers that others keep busy, whatever came last: on the right
// side that is a row of ours.
func TestIdleLinkHoldsNoLog(t *testing.T) {
	t.Parallel()
	l := customersLink(t, harness.Postgres, "", "")
	l.Work()
	l.Do("run", "customers", "--yes")
	l.Left.Exec("INSERT INTO custtable (account, name) VALUES ('C-1', 'one')")
	l.Right.Becomes("SELECT count(*) FROM account", "1")
	const held = "SELECT pg_current_wal_lsn() - confirmed_flush_lsn > 40000000 FROM pg_replication_slots WHERE database = current_database()"
	for _, d := range []*harness.Database{l.Left, l.Right} {
		d.Exec("CREATE TABLE noise AS SELECT repeat(md5(value::text), 30) FROM generate_series(1, 50000)")
		require.Equal(t, "1", d.Text("SELECT count(*) FROM pg_replication_slots WHERE database = current_database() AND active"))
	}
	for _, d := range []*harness.Database{l.Left, l.Right} {
		d.Becomes(held, "f")
	}
	carried(l, "1")
	l.Equal("customers")
}
