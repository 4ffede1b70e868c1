package postgres

import (
	"context"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	gatherBurst = 64 // reads in quick succession after which there is a flood
	gatherQuick = 500 * time.Microsecond
	gatherPause = time.Millisecond
)

// gatherer reads a connection on which the server sends each message by itself, as it does with the log. In a flood it
// pauses before it reads on, so that one call gets many messages: waking up for each costs more than decoding it.
type gatherer struct {
	net.Conn
	last  time.Time // when a read returned
	quick int
}

func gather(_ context.Context, _ *pgconn.Config, conn net.Conn) (net.Conn, error) {
	return &gatherer{Conn: conn}, nil
}

// Read pauses when the last reads have each brought a little at once.
func (g *gatherer) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	now := time.Now()
	switch {
	case n == len(p):
	case now.Sub(g.last) < gatherQuick+gatherPause:
		if g.quick++; g.quick > gatherBurst {
			time.Sleep(gatherPause)
			now = time.Now()
		}
	default:
		g.quick = 0
	}
	g.last = now
	return n, err
}
