package e2e_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// A link that was stopped may be given another database, one that another link has been stopped on as well: nothing is taken
// from what was known of the former. A database belongs to one link at a time.
func TestAnotherDatabase(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, anotherDatabase, harness.Postgres)
}

func anotherDatabase(t *testing.T, pair harness.Pair) {
	var links [2]*harness.Link
	for i := range links {
		l := harness.New(t, harness.Setup{Pair: pair, Superuser: true, Left: leftCustomers, Right: rightCustomers, Maps: customers})
		links[i] = l
		w := l.Work()
		l.Do("run", "customers")
		l.Left.Exec(leftRange(1, 100*(i+1), "before"))
		l.Right.Exec(rightRange(1001, 1000+50*(i+1), "before"))
		l.Equal("customers")
		l.Right.Becomes("SELECT count(*) FROM account", []string{"150", "300"}[i])
		if strings.HasPrefix(l.Right.URL(), "sqlite:") { // the log has been let go of, which the next link must not take for a loss
			l.Right.Becomes("SELECT confirmed > 0 FROM dualwrite_log", "1")
		}
		l.Do("stop", "customers")
		w.Stop()
	}
	l, other := links[0], links[1]
	to := where(t, other.Right)
	if strings.HasPrefix(to, "sqlite:") {
		to = "sqlite:" + other.Right.Path
	}
	l.Readdress(where(t, l.Right), to)
	l.Right = other.Right
	l.Work()
	l.Do("run", "customers")
	require.Equal(t, 300, l.Equal("customers"))
	l.Right.Exec(rightRange(2001, 2100, "after"))
	l.Left.Exec(leftRange(3001, 3100, "after"))
	l.Right.Becomes("SELECT count(*) FROM account", "500")
	require.Equal(t, 500, l.Equal("customers"))

	mistake{3, "refused", "belongs to link " + l.Name, "a database belongs to one link"}.says(t, other, "worker")
	require.Contains(t, other.Exits(4, "check").Out, "other_link")
}

// where is what a config has of a database's address and no other has.
func where(t *testing.T, d *harness.Database) string {
	t.Helper()
	if strings.HasPrefix(d.URL(), "sqlite:") {
		return d.URL()
	}
	at, err := url.Parse(d.URL())
	require.NoError(t, err)
	return strings.TrimPrefix(at.Path, "/")
}
