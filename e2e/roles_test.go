package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// With two roles that have no right but those that `check` asks for, in SQL, everything works: one that only reads the
// log, one that does the rest and owns no table of users. Before, `run` is refused for the same reasons.
func TestLeastPrivilege(t *testing.T) {
	t.Parallel()
	l := harness.New(t, harness.Setup{Pair: harness.Postgres, Superuser: true, Left: leftCustomers + auditLeft + leftRange(1, 300, "finops"),
		Right: rightCustomers + auditRight + rightRange(201, 500, "dataverse"), Maps: customers})
	for i, d := range []*harness.Database{l.Left, l.Right} {
		apply, repl := fmt.Sprintf("%s_apply_%d", database(t, d), i), fmt.Sprintf("%s_repl_%d", database(t, d), i)
		d.Exec(fmt.Sprintf("CREATE ROLE %s LOGIN; CREATE ROLE %s LOGIN; REVOKE ALL ON SCHEMA public FROM public", apply, repl))
		t.Cleanup(func() {
			d.Exec(fmt.Sprintf("DROP OWNED BY %[1]s, %[2]s CASCADE; DROP ROLE %[1]s, %[2]s", apply, repl))
		})
		l.Readdress(d.URL(), fmt.Sprintf("{url: %q, replication: %q}", as(t, d.URL(), apply), as(t, d.URL(), repl)))
		// The test's own triggers write as whoever fires them.
		d.Exec(fmt.Sprintf("GRANT INSERT ON audit TO %[1]s; GRANT USAGE ON SEQUENCE audit_n_seq TO %[1]s", apply))
	}
	findings := func() (mends map[string][]string, codes []string) {
		mends = make(map[string][]string)
		var found []struct{ Code, Side, Hint, Severity string }
		require.NoError(t, json.Unmarshal([]byte(l.Try("check", "-o", "json").Out), &found))
		for _, f := range found {
			if f.Severity == "error" {
				mends[f.Side], codes = append(mends[f.Side], f.Hint), append(codes, f.Code)
			}
		}
		return mends, codes
	}
	mends, codes := findings()
	require.Subset(t, codes, []string{"ledger_privilege", "privilege", "owner_needed", "role_replication"})
	l.Work()
	r := l.Exits(3, "run", "customers", "--yes")
	require.Contains(t, r.Err, "lacks SELECT")
	l.Left.Exec(strings.Join(mends["finops"], "\n"))
	l.Right.Exec(strings.Join(mends["dataverse"], "\n"))
	_, codes = findings()
	require.Empty(t, codes, "what check has printed is enough")

	l.Do("run", "customers", "--yes")
	l.Same(allLeft, allRight)
	carried(l, "1")
	l.Do("pause", "customers")
	l.Left.Exec("UPDATE custtable SET name = 'queued' WHERE account = 'C-0001'", "DELETE FROM custtable WHERE account = 'C-0002'")
	l.Do("resume", "customers")
	l.Same(allLeft, allRight)
	l.Equal("customers")
	l.Do("stop", "customers")
	for _, d := range []*harness.Database{l.Left, l.Right} {
		d.Becomes("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()", "0") // it goes with the last map
		require.Equal(t, "1", d.Text("SELECT count(*) FROM pg_publication_tables WHERE pubname = 'dualwrite_tables'"), "what the owner made stays")
	}
}

// database is the name of a database.
func database(t *testing.T, d *harness.Database) string {
	t.Helper()
	parsed, err := url.Parse(d.URL())
	require.NoError(t, err)
	return strings.Trim(parsed.Path, "/")
}

// as is a URL with another role.
func as(t *testing.T, address, role string) string {
	t.Helper()
	parsed, err := url.Parse(address)
	require.NoError(t, err)
	parsed.User = url.User(role)
	return parsed.String()
}
