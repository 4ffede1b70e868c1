package harness

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Pair is the kinds of databases that finops and dataverse are, in that order.
type Pair string

// The pairs.
const (
	SQLite         Pair = "sqlite-sqlite"
	Postgres       Pair = "postgres-postgres"
	PostgresSQLite Pair = "postgres-sqlite"
	SQLitePostgres Pair = "sqlite-postgres"
)

// Pairs runs a test on SQLite and on the further pairs that it is for, each beside the others, or on the one pair alone
// that the environment names.
func Pairs(t *testing.T, test func(t *testing.T, pair Pair), further ...Pair) {
	t.Helper()
	pairs := append([]Pair{SQLite}, further...)
	if only := Pair(os.Getenv(variablePair)); only != "" {
		if !slices.Contains([]Pair{SQLite, Postgres, PostgresSQLite, SQLitePostgres}, only) {
			t.Fatalf("%s=%s names no pair of databases: postgres-sqlite, say", variablePair, only)
		}
		pairs = []Pair{only}
	}
	for _, pair := range pairs {
		t.Run(string(pair), func(t *testing.T) {
			t.Parallel()
			test(t, pair)
		})
	}
}

// kinds are those of the two databases. No pair is that of SQLite files.
func (p Pair) kinds() [2]string {
	left, right, _ := strings.Cut(string(p), "-")
	return [2]string{left, right}
}
