package postgres

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The table of types in docs/postgresql.md is that of the code. WRITE=1 writes it anew.
func TestTypesPage(t *testing.T) {
	t.Parallel()
	const page, begin, end = "../../docs/postgresql.md", "<!-- types: store/postgres/types.go -->\n", "<!-- end of types -->\n"
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), begin)
	require.True(t, found, begin)
	table, after, found := strings.Cut(rest, end)
	require.True(t, found, end)
	want := "| type | form | note |\n|---|---|---|\n"
	for _, f := range typeForms {
		want += "| " + f.called + " | " + f.form + " | " + f.note + " |\n"
	}
	if os.Getenv("WRITE") != "" {
		require.NoError(t, os.WriteFile(page, []byte(before+begin+want+end+after), 0o644))
		table = want
	}
	require.Equal(t, want, table, "WRITE=1 go test ./store/postgres -run TestTypesPage")
}
