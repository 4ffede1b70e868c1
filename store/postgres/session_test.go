package postgres

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
)

// The error of a postponed statement tells all but the server's own, which would be taken for that of a row.
func TestPostponedError(t *testing.T) {
	t.Parallel()
	busy := &pgconn.PgError{Code: stateLockTimeout}
	err := error(postponedError{fault(busy)})
	require.ErrorIs(t, err, store.ErrTransient)
	require.ErrorIs(t, err, store.ErrBusy)
	require.Equal(t, store.ErrBusy.Error(), store.Reason(err))
	require.Nil(t, pgError(err))
	unique := error(postponedError{fault(&pgconn.PgError{Code: stateUnique})})
	require.NotErrorIs(t, unique, store.ErrTransient)
	var row *store.RowError
	require.False(t, errors.As(rowFault("t", unique), &row))
}
