package postgres

import (
	"errors"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
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

// A pooler is told from a server, and says so in a sentence.
func TestAPoolerIsRefused(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan struct{})
	t.Cleanup(func() {
		require.NoError(t, listener.Close())
		<-served
	})
	go func() {
		defer close(served)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			backend := pgproto3.NewBackend(conn, conn)
			if _, err := backend.ReceiveStartupMessage(); err == nil {
				backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "08P01", Message: "unsupported startup parameter: bytea_output"})
				_ = backend.Flush()
			}
			_ = conn.Close()
		}
	}()
	_, err = Open(t.Context(), "postgres://"+listener.Addr().String()+"/app?sslmode=disable")
	require.ErrorContains(t, err, "name the server itself")
}
