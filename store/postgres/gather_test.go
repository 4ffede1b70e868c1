package postgres

import (
	"bytes"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// pipe is a connection over TCP: the end that gathers, and the server's.
func pipe(t *testing.T) (*gatherer, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	ours, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	server, err := l.Accept()
	require.NoError(t, err)
	conn, err := gather(t.Context(), nil, ours)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = conn.Close()
		_ = server.Close()
	})
	return conn.(*gatherer), server
}

// A flood of small messages arrives whole; what comes alone after it arrives as well, though it is less than what was waited for.
func TestAGathererLosesNothing(t *testing.T) {
	conn, server := pipe(t)
	message := []byte("a message of the log, sent by itself")
	const flood = 50_000
	failed := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < flood && err == nil; i++ {
			_, err = server.Write(message)
		}
		failed <- err
	}()
	got := make([]byte, flood*len(message))
	_, err := io.ReadFull(conn, got)
	require.NoError(t, err)
	require.NoError(t, <-failed)
	require.Equal(t, bytes.Repeat(message, flood), got)

	conn.quick = gatherBurst // whatever this machine has made of the flood
	conn.ignore()
	require.True(t, conn.deaf, "the system wakes nobody for little")
	for range 10 {
		_, err = server.Write(message)
		require.NoError(t, err)
		_, err = io.ReadFull(conn, got[:len(message)])
		require.NoError(t, err)
		require.Equal(t, message, got[:len(message)])
	}
}

func TestAGathererMeetsTheEnd(t *testing.T) {
	conn, server := pipe(t)
	require.NoError(t, server.Close())
	_, err := conn.Read(make([]byte, 10))
	require.ErrorIs(t, err, io.EOF)

	conn, _ = pipe(t)
	read := make(chan error)
	go func() {
		_, err := conn.Read(make([]byte, 10))
		read <- err
	}()
	require.NoError(t, conn.Close())
	require.ErrorIs(t, <-read, net.ErrClosed)
}
