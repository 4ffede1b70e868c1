package worker_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/worker"
)

func TestOpenStores(t *testing.T) {
	t.Parallel()
	addresses := func(left, right string) [2]worker.Address {
		return [2]worker.Address{{Side: "finops", URL: left}, {Side: "dataverse", URL: right}}
	}
	good := "sqlite:" + filepath.Join(t.TempDir(), "good.db")
	require.NoError(t, os.WriteFile(good[len("sqlite:"):], nil, 0o600))
	stores, err := worker.OpenStores(t.Context(), addresses(good, good))
	require.NoError(t, err)
	require.NoError(t, worker.CloseStores(stores))

	for address, says := range map[string]string{
		"mysql://u:hunter2@h/db":       "not supported yet by this build",
		"oracle://u:hunter2@h/db":      "no kind of database",
		"hunter2":                      "no scheme",
		"hunter2 = some thing:nothing": "no scheme",
	} {
		_, err := worker.OpenStores(t.Context(), addresses(good, address))
		var wrong *worker.URLError
		require.ErrorAs(t, err, &wrong, address)
		require.Equal(t, "dataverse", wrong.Side)
		require.ErrorContains(t, err, says)
		require.NotEmpty(t, wrong.Hint)
		require.NotContains(t, err.Error(), "hunter2")
	}
	_, err = worker.OpenStores(t.Context(), addresses(good, good+"x"))
	require.ErrorContains(t, err, "open dataverse: ")
	_, err = worker.OpenStores(t.Context(), addresses(good, "postgres://u:hunter2@127.0.0.1:1/db"))
	require.ErrorIs(t, err, store.ErrTransient, "nobody listens there")
	require.NotContains(t, err.Error(), "hunter2")
	_, err = worker.OpenStores(t.Context(), [2]worker.Address{{Side: "finops", URL: good, Replication: good}})
	require.ErrorContains(t, err, "no role of its own")
}
