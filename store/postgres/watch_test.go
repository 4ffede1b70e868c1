package postgres_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
)

// What keeps rows out of the log while it is read is found within seconds, not when the reader connects again.
func TestWhatIsNotInTheLogAnyMoreIsAGap(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ does, table, reason string }{
		"a table out of the publication": {"ALTER PUBLICATION dualwrite_tables DROP TABLE items", "public.items", "not in the publication"},
		"a table out for a while": {"ALTER PUBLICATION dualwrite_tables DROP TABLE items; ALTER PUBLICATION dualwrite_tables ADD TABLE items",
			"public.items", "for a while"},
		"old rows that are not whole": {"ALTER TABLE items REPLICA IDENTITY DEFAULT", "public.items", "REPLICA IDENTITY is not FULL"},
		"our markers out":             {"ALTER PUBLICATION dualwrite_ledger DROP TABLE dualwrite.marker", "", "ADD TABLE dualwrite.marker"},
		"deletes out":                 {"ALTER PUBLICATION dualwrite_tables SET (publish = 'insert, update')", "", "SET (publish = 'insert, update, delete, truncate'"},
		"no publication":              {"DROP PUBLICATION dualwrite_tables", "", "is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUsers(t)
			require.NoError(t, u.exec("CREATE TABLE items (id int PRIMARY KEY)"))
			require.NoError(t, u.store.Capture(t.Context(), *u.relation(t, "items")))
			log, err := u.store.Open(t.Context(), "")
			require.NoError(t, err)
			t.Cleanup(func() { _ = log.Close() })
			require.NoError(t, u.exec(c.does))
			var gap *store.GapError
			require.Eventually(t, func() bool {
				_, err := log.Next(t.Context(), 100)
				return errors.As(err, &gap)
			}, 20*time.Second, 10*time.Millisecond)
			require.Equal(t, c.table, gap.Table)
			require.Contains(t, gap.Reason, c.reason)
			require.Equal(t, c.table == "", gap.Next != "")
		})
	}
}

// A login that the server refuses may be mended there, or by a worker that has the new password: it is tried again, and told.
func TestALoginThatIsRefusedIsTemporary(t *testing.T) {
	t.Parallel()
	u := newUsersWithRoles(t)
	require.NoError(t, u.exec("ALTER ROLE "+u.apply+" NOLOGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '"+u.apply+"'"))
	refused := func() error {
		view, err := u.store.View(t.Context())
		if err == nil {
			err = view.Close()
		}
		return err
	}
	var err error
	require.Eventually(t, func() bool {
		err = refused()
		return store.Reason(err) != "" && !errors.Is(err, store.ErrBusy) &&
			strings.Contains(store.Reason(err), "refuses the login")
	}, 20*time.Second, 10*time.Millisecond)
	require.ErrorIs(t, err, store.ErrTransient)
	require.NoError(t, u.exec("ALTER ROLE "+u.apply+" LOGIN"))
	require.Eventually(t, func() bool { return refused() == nil }, 20*time.Second, 10*time.Millisecond)
}
