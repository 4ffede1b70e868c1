package postgres_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/postgres"
	"github.com/dualwrite/dualwrite/store/postgres/postgrestest"
)

// A server that is restored from a backup, that continues on another timeline, or whose slot somebody has made anew does
// not continue where it was read: each is a gap, told before anything is delivered.
func TestServersThatDoNotContinue(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		meanwhile func(t *testing.T, c *postgrestest.Cluster)
		reason    string
	}{
		"restored from a backup": {func(t *testing.T, c *postgrestest.Cluster) {
			require.NoError(t, c.Restore())
		}, "restored"},
		"promoted": {func(t *testing.T, c *postgrestest.Cluster) {
			// Recovery that finds no more log ends on a timeline of its own.
			require.NoError(t, os.WriteFile(filepath.Join(c.Folder(), "data", "recovery.signal"), nil, 0o644))
			auto := filepath.Join(c.Folder(), "data", "postgresql.auto.conf")
			require.NoError(t, os.WriteFile(auto, []byte("restore_command = 'false'\n"), 0o644))
		}, "timeline"},
		"another slot": {func(*testing.T, *postgrestest.Cluster) {}, "is not the one that was made"},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, s := own(t, nil, "CREATE TABLE items (id int PRIMARY KEY)")
			u := &users{url: cluster.URL("postgres"), store: s}
			rel := u.relation(t, "items")
			require.NoError(t, s.Capture(t.Context(), *rel))
			require.NoError(t, s.Close())
			require.NoError(t, cluster.Stop(postgrestest.Fast))
			require.NoError(t, cluster.Copy())
			require.NoError(t, cluster.Run())
			require.NoError(t, u.open())
			cursor := u.read(t)
			require.NotEmpty(t, cursor)
			require.NoError(t, u.store.Close())
			if name == "another slot" {
				require.NoError(t, u.exec("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots; "+
					"UPDATE dualwrite.slot SET name = 'dualwrite_of_old'"))
				u.leaveSlot(t)
			}
			require.NoError(t, cluster.Stop(postgrestest.Fast))
			c.meanwhile(t, cluster)
			require.NoError(t, cluster.Run())
			require.Eventually(t, func() bool { return u.text(t, "SELECT pg_is_in_recovery()") == "f" }, time.Minute, 20*time.Millisecond)
			again, err := postgres.Open(t.Context(), u.url)
			require.NoError(t, err)
			defer func() { _ = again.Close() }()
			_, err = again.Open(t.Context(), cursor)
			var gap *store.GapError
			require.ErrorAs(t, err, &gap)
			require.Contains(t, gap.Reason, c.reason)
		})
	}
}

// read writes a row as a user and reads the log up to it; what was read is confirmed.
func (u *users) read(t *testing.T) store.Position {
	t.Helper()
	log, err := u.store.Open(t.Context(), "")
	require.NoError(t, err)
	require.NoError(t, u.exec("INSERT INTO items VALUES (1)"))
	for {
		batch, err := log.Next(t.Context(), 100)
		require.NoError(t, err)
		for _, c := range batch.Changes {
			if !c.Ledger && c.Table == "public.items" {
				require.NoError(t, log.Confirm(t.Context(), c.Position))
				return c.Position
			}
		}
		require.NoError(t, log.Wait(t.Context()))
	}
}
