package postgres_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A table that is captured while another process is about to drop the slot, since none was, keeps it.
func TestASlotIsNotDroppedUnderACapture(t *testing.T) {
	t.Parallel()
	u := newUsers(t)
	require.NoError(t, u.exec("CREATE TABLE items (id int PRIMARY KEY)"))
	rel := u.relation(t, "items")
	require.NoError(t, u.store.Capture(t.Context(), *rel))
	reading, capturing := &users{url: u.url}, &users{url: u.url}
	for _, o := range []*users{reading, capturing} {
		require.NoError(t, o.open())
		t.Cleanup(func() { require.NoError(t, o.store.Close()) })
	}
	log, err := reading.store.Open(t.Context(), "")
	require.NoError(t, err)

	released := make(chan error, 1)
	go func() { released <- u.store.Release(t.Context(), rel.Table) }() // it waits for the reader to be gone
	require.Eventually(t, func() bool { return u.text(t, "SELECT count(*) FROM dualwrite.captured WHERE active") == "0" },
		20*time.Second, time.Millisecond)
	require.NoError(t, capturing.store.Capture(t.Context(), *rel))
	require.NoError(t, log.Close())
	require.NoError(t, <-released)
	require.Equal(t, "1", u.text(t, "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"))
}

// leaveSlot makes our slot, as one of ours that died then would have left it. It does so in a statement that reads nothing else:
// where one reads a table meanwhile, PostgreSQL may lose track of its pages.
func (u *users) leaveSlot(t *testing.T) {
	t.Helper()
	name := u.text(t, "SELECT 'dualwrite_' || oid FROM pg_database WHERE datname = current_database()")
	require.NoError(t, u.exec("SELECT pg_create_logical_replication_slot('"+name+"', 'pgoutput')"))
}

// A slot whose maker died before it could note it holds nothing that anybody needs: another is made, and the log is whole.
func TestASlotThatNobodyNotedIsMadeAnew(t *testing.T) {
	t.Parallel()
	u := newUsers(t)
	require.NoError(t, u.exec("CREATE TABLE items (id int PRIMARY KEY)"))
	rel := u.relation(t, "items")
	require.NoError(t, u.store.Capture(t.Context())) // the ledger
	u.leaveSlot(t)
	require.NoError(t, u.store.Capture(t.Context(), *rel))
	log, err := u.store.Open(t.Context(), "")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, log.Close()) })
	require.NoError(t, u.exec("INSERT INTO items VALUES (1)"))
	require.Eventually(t, func() bool {
		batch, err := log.Next(t.Context(), 100)
		require.NoError(t, err)
		return len(batch.Changes) == 1
	}, 20*time.Second, time.Millisecond)
}
