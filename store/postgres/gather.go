package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	gatherBurst = 64 // reads in quick succession after which there is a flood
	gatherQuick = 500 * time.Microsecond
	gatherPause = time.Millisecond
	gatherBytes = 64 << 10 // read at once
)

// gatherer reads a connection on which the server sends each message by itself, as it does with the log. In a flood it
// pauses before it reads on, so that one call gets many messages, and has the system wake nobody for what comes meanwhile: to be
// woken for each costs more than decoding it.
type gatherer struct {
	net.Conn
	raw   syscall.RawConn // nil: the connection has none
	room  []byte
	read  []byte    // of room, and not asked for yet
	last  time.Time // when there was something to read
	quick int
	deaf  bool // the system wakes nobody for less than gatherBytes
}

func gather(_ context.Context, _ *pgconn.Config, conn net.Conn) (net.Conn, error) {
	g := &gatherer{Conn: conn, room: make([]byte, gatherBytes)}
	if c, ok := conn.(syscall.Conn); ok {
		g.raw, _ = c.SyscallConn()
	}
	return g, nil
}

// Read returns what has been read, or reads on.
func (g *gatherer) Read(p []byte) (int, error) {
	if len(g.read) == 0 {
		if err := g.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, g.read)
	g.read = g.read[n:]
	return n, nil
}

// fill reads, and pauses when the last reads have each brought a little at once.
func (g *gatherer) fill() error {
	n, err := g.receive()
	if err != nil {
		return err
	}
	now := time.Now()
	switch {
	case n == len(g.room):
	case now.Sub(g.last) < gatherQuick+gatherPause:
		if g.quick++; g.quick > gatherBurst {
			g.ignore()
			time.Sleep(gatherPause)
			now = time.Now()
		}
	default:
		g.quick = 0
	}
	g.last, g.read = now, g.room[:n]
	return nil
}

// receive reads what is there, however little, and else waits for anything.
func (g *gatherer) receive() (n int, err error) {
	if g.raw == nil {
		return g.Conn.Read(g.room)
	}
	closed := g.raw.Read(func(fd uintptr) (done bool) {
		for {
			n, err = syscall.Read(int(fd), g.room)
			switch {
			case errors.Is(err, syscall.EINTR):
			case errors.Is(err, syscall.EAGAIN) && g.deaf:
				g.deaf = false
				if err = listenFor(fd, 1); err != nil {
					return true
				}
				// Something may have come before that.
			default:
				return !errors.Is(err, syscall.EAGAIN)
			}
		}
	})
	switch {
	case closed != nil:
		return 0, closed
	case err != nil:
		return 0, os.NewSyscallError("read", err)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// ignore has the system wake nobody for little, until nothing is there. One that cannot do so goes on.
func (g *gatherer) ignore() {
	if g.raw == nil || g.deaf {
		return
	}
	_ = g.raw.Control(func(fd uintptr) { g.deaf = listenFor(fd, gatherBytes) == nil })
}

// listenFor sets how many bytes are worth waking somebody.
func listenFor(fd uintptr, bytes int) error {
	return syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, bytes)
}
