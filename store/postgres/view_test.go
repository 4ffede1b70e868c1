package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store/postgres"
)

// A transaction that writes and has nothing to do for long is a frozen worker's. One that reads waits for the other side.
func TestAViewMayWait(t *testing.T) {
	t.Parallel()
	const setting = "idle_in_transaction_session_timeout"
	u := newUsers(t)
	for range 2 {
		view, err := u.store.View(t.Context())
		require.NoError(t, err)
		within, err := postgres.SettingIn(t.Context(), view, setting)
		require.NoError(t, err)
		require.Equal(t, "5min", within)
		require.NoError(t, view.Close())
		outside, err := u.store.Setting(t.Context(), setting)
		require.NoError(t, err)
		require.Equal(t, "15s", outside)
	}
}
