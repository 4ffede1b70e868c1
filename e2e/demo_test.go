package e2e_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// The demo tells the same story on PostgreSQL, every step of which it checks itself, and leaves nothing there.
func TestDemoOnPostgres(t *testing.T) {
	t.Parallel()
	l := harness.New(t, harness.Setup{Pair: harness.Postgres, Maps: "none: {}"})
	mistake{2, "usage", "--right is missing", "--left postgres://"}.says(t, l, "demo", "--left", l.Left.URL())
	mistake{2, "usage", "--left of demo", "SQLite"}.says(t, l, "demo", "--left", "sqlite:x.db", "--right", l.Right.URL())
	out := l.Do("demo", "--left", l.Left.URL(), "--right", l.Right.URL())
	require.Contains(t, out, "✓ both sides have the same 10500 customers")
	require.Contains(t, out, "✓ dataverse has won; both images are kept")
	require.Contains(t, out, "Nothing is left running")
	for _, d := range []*harness.Database{l.Left, l.Right} {
		require.Empty(t, d.Rows("SELECT datname FROM pg_database WHERE datname LIKE 'dualwrite\\_demo\\_%'"))
	}
}
