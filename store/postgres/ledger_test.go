package postgres_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
)

// A long queue that the server has never analyzed is read in pages, each of which reads what it returns and no more.
func TestALongQueueIsNotSortedForEachPage(t *testing.T) {
	t.Parallel()
	const rows, page = 20_000, 1000
	u := newUsers(t)
	require.NoError(t, u.store.Capture(t.Context()))
	require.NoError(t, u.exec("ALTER TABLE dualwrite.queue SET (autovacuum_enabled = off)"))
	require.NoError(t, u.exec(`INSERT INTO dualwrite.queue (map, position, seen, kind, key, new_key, before, after, at)
		SELECT 'm', '', '', 'change', '', '', '', '', 0 FROM generate_series(1, `+strconv.Itoa(rows)+`)`))
	q := store.Query{Table: store.QueueTable, Limit: page, Where: []store.Cond{store.Where("map", store.Eq, store.Str("m"))}}
	view, err := u.store.View(t.Context())
	require.NoError(t, err)
	for n := 0; n < rows; n += page {
		found, err := view.Select(t.Context(), q)
		require.NoError(t, err)
		require.Len(t, found, page)
		q.Where = append(q.Where[:1], store.Where("id", store.Gt, found[page-1][0]))
	}
	require.NoError(t, view.Close())
	require.NoError(t, u.store.Close()) // the server counts what a session has read when it ends
	read := 0
	require.Eventually(t, func() bool {
		read, err = strconv.Atoi(u.text(t, "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'queue'"))
		return err != nil || read >= rows
	}, 20*time.Second, 50*time.Millisecond)
	require.NoError(t, err)
	require.Less(t, read, rows+rows/2)
}
