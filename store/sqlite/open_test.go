package sqlite_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/sqlite"
)

func TestOpenRefusesWhatIsNoDatabase(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file := filepath.Join(folder, "letter.txt")
	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("Dear Sir or Madam, ", 100)), 0o600))
	for address, want := range map[string]string{
		"sqlite:" + folder + "/missing.db":   folder + "/missing.db does not exist",
		"sqlite:" + folder + "/no/folder.db": "does not exist",
		"sqlite:" + folder:                   "is a directory",
		"sqlite:" + file:                     "is not a SQLite database",
		"sqlite:":                            "names no file",
		"sqlite://host/x.db":                 "names a host",
		"sqlite:/x.db?mode=ro":               "has options",
		"sqlite:/x%00.db":                    "has a NUL",
		"postgres://x":                       "must begin with sqlite:",
	} {
		_, err := sqlite.Open(context.Background(), address)
		require.ErrorContains(t, err, want, address)
	}
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, entries, 1, "Open has made a file")
}

func TestOpenLeavesTheDatabaseAsItIs(t *testing.T) {
	t.Parallel()
	u := newUsers(t, "")
	u.shell(t, plainTable)
	_, err := u.reopen()
	require.NoError(t, err)
	require.Equal(t, "delete\n1", strings.TrimSpace(u.shell(t, "PRAGMA journal_mode; SELECT count(*) FROM sqlite_master;")))
	require.NoError(t, u.store.Capture(context.Background()))
	require.Equal(t, "wal", strings.TrimSpace(u.shell(t, "PRAGMA journal_mode;")))
}

func TestOddPaths(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a b.db", "100%.db", "ünï.db", "q?x.db", "#1.db", "a%20b.db"} {
		u := &users{path: filepath.Join(t.TempDir(), name)}
		u.shell(t, plainTable)
		s, err := sqlite.Open(context.Background(), "sqlite:"+strings.NewReplacer("?", "%3F", "%20", "%2520").Replace(u.path))
		require.NoError(t, err, name)
		found, err := s.Describe(context.Background())
		require.NoError(t, err)
		require.Len(t, found, 1)
		require.NoError(t, s.Close())
	}
}

func TestPositionsAreChecked(t *testing.T) {
	t.Parallel()
	u, _ := plain(t)
	for _, bad := range []store.Position{"x", "12", "0000000000000000000x", "00000000000000000001x", "00000000000000000001-x"} {
		_, err := u.store.Open(context.Background(), bad)
		require.ErrorContains(t, err, "is no position of this log")
	}
}

// TestLongHeldLockIsFollowedByAPause measures how long others find the lock free after we held it.
func TestLongHeldLockIsFollowedByAPause(t *testing.T) {
	t.Parallel()
	u, _ := plain(t)
	ctx := context.Background()
	c, err := u.store.Fence(ctx, "stream")
	require.NoError(t, err)
	begin := func(seq int64) store.Tx {
		tx, err := u.store.Begin(ctx, store.Marker{Writer: "stream", Epoch: c.Epoch, Seq: seq})
		require.NoError(t, err)
		return tx
	}
	tx := begin(1)
	held := time.NewTimer(20 * time.Millisecond)
	<-held.C
	require.NoError(t, tx.Commit(ctx, ""))
	released := time.Now()
	tx = begin(2)
	require.GreaterOrEqual(t, time.Since(released), 50*time.Millisecond)
	require.NoError(t, tx.Rollback())
}
