package postgres_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/postgres"
	"github.com/dualwrite/dualwrite/store/postgres/postgrestest"
)

// as opens the store as other roles, which have the name of the database in theirs and no right at all.
func (u *users) as(t *testing.T, attributes string) (s *postgres.Store, apply, repl string) {
	t.Helper()
	apply, repl = u.name()+"_apply", u.name()+"_repl"
	require.NoError(t, u.exec(fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD 'x'; CREATE ROLE %s LOGIN PASSWORD 'x' %s", apply, repl, attributes)))
	t.Cleanup(func() {
		require.NoError(t, u.exec(fmt.Sprintf("DROP OWNED BY %[1]s, %[2]s; DROP ROLE %[1]s, %[2]s", apply, repl)))
	})
	address := func(role string) string {
		parsed, err := url.Parse(u.url)
		require.NoError(t, err)
		parsed.User = url.UserPassword(role, "x")
		return parsed.String()
	}
	s, err := postgres.OpenAs(t.Context(), address(apply), address(repl))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s, apply, repl
}

func (u *users) relation(t *testing.T, table string) *store.Relation {
	t.Helper()
	found, err := u.store.Describe(t.Context(), table)
	require.NoError(t, err)
	return &store.Relation{Table: found[table].Name, Columns: found[table].Columns, Key: 1}
}

// codes are those of remarks, less what test servers always have, in order.
func codes(remarks []store.Remark) []string {
	var out []string
	for _, r := range remarks {
		if r.Code != store.RemarkDurability && !slices.Contains(out, string(r.Code)) {
			out = append(out, string(r.Code))
		}
	}
	slices.Sort(out)
	return out
}

// Roles without rights are told which they need; what is printed, run as it is, is enough.
func TestPreflightMends(t *testing.T) {
	t.Parallel()
	u := newUsers(t)
	require.NoError(t, u.exec(`CREATE TABLE one (id bigserial PRIMARY KEY, name text); CREATE TABLE "Two words" (id int PRIMARY KEY);
		REVOKE ALL ON SCHEMA public FROM public; ALTER TABLE one ENABLE ROW LEVEL SECURITY`))
	s, _, _ := u.as(t, "NOREPLICATION")
	uses := []store.Use{{Relation: u.relation(t, "one"), Captured: true, Written: true}, {Relation: u.relation(t, "Two words"), Captured: true}}
	uses[0].Relation.SkipTriggers = true
	found, err := s.Preflight(t.Context(), uses...)
	require.NoError(t, err)
	require.Equal(t, []string{"ledger_privilege", "owner_needed", "privilege", "role_replication", "row_security", "sequence_privilege", "trigger_privilege"},
		codes(found))
	var mends []string
	for _, r := range found {
		if r.Code != store.RemarkDurability {
			mends = append(mends, r.Hint)
		}
	}
	require.NoError(t, u.exec(strings.Join(mends, "\n")), strings.Join(mends, "\n"))
	found, err = s.Preflight(t.Context(), uses...)
	require.NoError(t, err)
	require.Empty(t, codes(found), "%+v", found)
	require.NoError(t, s.Capture(t.Context(), *uses[0].Relation, *uses[1].Relation))
	found, err = s.Preflight(t.Context(), uses...)
	require.NoError(t, err)
	require.Empty(t, codes(found), "%+v", found)
	require.NoError(t, s.Release(t.Context(), uses[0].Relation.Table, uses[1].Relation.Table))
}

// What cannot be captured is found beforehand.
func TestPreflightFindsKindsOfTables(t *testing.T) {
	t.Parallel()
	u := newUsers(t)
	require.NoError(t, u.exec(`CREATE TABLE plain (id int PRIMARY KEY); CREATE VIEW seen AS TABLE plain; CREATE UNLOGGED TABLE fast (id int PRIMARY KEY);
		CREATE TABLE whole (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF whole DEFAULT`))
	for table, want := range map[string]int{"plain": 0, "whole": 0, "seen": 1, "fast": 1, "part": 1} {
		rel := u.relation(t, table)
		found, err := u.store.Preflight(t.Context(), store.Use{Relation: rel, Captured: true, Written: true})
		require.NoError(t, err)
		require.Len(t, codes(found), want, "%s: %+v", table, found)
		err = u.store.Capture(t.Context(), *rel)
		require.Equal(t, want > 0, err != nil, "%s is captured as foretold: %v", table, err)
	}
}

// What is wrong with a server is found, before the ledger is there.
func TestPreflightFindsSettings(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		settings map[string]string
		prepare  string
		want     []string
	}{
		"a log that holds too little": {map[string]string{"wal_level": "replica"}, "", []string{"wal_level"}},
		"no slot is free": {map[string]string{"max_replication_slots": "1"},
			"SELECT pg_create_logical_replication_slot('other', 'pgoutput')", []string{"slots_full"}},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, s := own(t, c.settings, c.prepare)
			found, err := s.Preflight(t.Context())
			require.NoError(t, err)
			require.Equal(t, c.want, codes(found))
			require.True(t, slices.ContainsFunc(found, func(r store.Remark) bool { return r.Code == store.RemarkDurability }), "fsync is off here")
		})
	}
}

// own starts a server of the test's own.
func own(t *testing.T, settings map[string]string, prepare string) (*postgrestest.Cluster, *postgres.Store) {
	t.Helper()
	c, err := postgrestest.Start(postgrestest.Options{Settings: settings})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Remove()) })
	u := &users{url: c.URL("postgres")}
	require.NoError(t, u.open())
	t.Cleanup(func() { _ = u.store.Close() })
	if prepare != "" {
		require.NoError(t, u.exec(prepare))
	}
	return c, u.store
}

// Where all places for readers of the log are taken, that is said; and of what the server answers, no more than that.
func TestPreflightFindsFullSenders(t *testing.T) {
	t.Parallel()
	c, s := own(t, map[string]string{"max_wal_senders": "1"}, "")
	config, err := pgconn.ParseConfig(c.URL("postgres"))
	require.NoError(t, err)
	config.RuntimeParams["replication"] = "database"
	reader, err := pgconn.ConnectConfig(t.Context(), config)
	require.NoError(t, err)
	found, err := s.Preflight(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"log_unreachable", "senders_full"}, codes(found))
	require.NoError(t, reader.Close(t.Context()))
}

func TestPreflightFindsAStandby(t *testing.T) {
	t.Parallel()
	c, s := own(t, nil, "")
	require.NoError(t, s.Close())
	require.NoError(t, c.Stop(postgrestest.Fast))
	require.NoError(t, os.WriteFile(filepath.Join(c.Folder(), "data", "standby.signal"), nil, 0o644))
	require.NoError(t, c.Run())
	s, err := postgres.Open(t.Context(), c.URL("postgres"))
	require.NoError(t, err)
	defer func() { _ = s.Close() }()
	found, err := s.Preflight(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"standby"}, codes(found))
}
