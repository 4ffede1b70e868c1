package postgres

import (
	"context"
	"fmt"

	"github.com/dualwrite/dualwrite/store"
)

const (
	sqlDurably = `SET LOCAL synchronous_commit = on`
	sqlRaise   = `INSERT INTO dualwrite.writer (name, epoch) VALUES ($1, 1)
		ON CONFLICT (name) DO UPDATE SET epoch = writer.epoch + 1 RETURNING epoch`
	sqlCursor = `SELECT seq, "position", body FROM dualwrite.marker WHERE writer = $1 AND what = '` + store.MarkerEnd + `'
		ORDER BY seq DESC LIMIT 1`
	sqlLockStream = `SELECT 1 FROM dualwrite.writer WHERE name = 'stream' FOR UPDATE`
	sqlLastSeq    = `SELECT pg_catalog.max(seq) FROM dualwrite.marker WHERE writer = $1`
	sqlRelaxed    = `SELECT pg_catalog.max(seq), pg_catalog.set_config('synchronous_commit', 'off', true) FROM dualwrite.marker WHERE writer = $1`
	sqlBeginRow   = `WITH w AS (SELECT 1 FROM dualwrite.writer WHERE name = $1 AND epoch = $8::bigint FOR UPDATE)
		INSERT INTO dualwrite.marker (writer, seq, what, "position", map, body, at)
		SELECT $1, $2::bigint, $3, $4, $5, $6, $7::bigint FROM w`
	sqlEndRow = `INSERT INTO dualwrite.marker (writer, seq, what, "position", map, body, at)
		VALUES ($1, $2::bigint, $3, $4, $5, $6, $7::bigint)`
)

// Fence starts a new attempt of a writer. It waits for the transaction that an older one may have open; one that is
// frozen is ended by the server, which lets no transaction of ours idle for long.
func (s *Store) Fence(ctx context.Context, writer string) (store.Cursor, error) {
	out := store.Cursor{Writer: writer}
	err := s.writing(ctx, func(c *session) error {
		_, err := c.run(ctx, func(i int, values [][]byte) error {
			row := texts(values)
			if i == 1 {
				out.Epoch = store.Value{S: row[0]}.Int64()
				return nil
			}
			out.Seq, out.Position, out.Body = store.Value{S: row[0]}.Int64(), store.Position(row[1]), row[2]
			return nil
		}, statement{sql: sqlDurably}, statement{sqlRaise, []param{textParam(writer)}}, statement{sqlCursor, []param{textParam(writer)}})
		return err
	})
	if absent(err) {
		err = errNoLedger
	}
	if err != nil {
		return store.Cursor{}, fmt.Errorf("fence writer %s: %w", writer, err)
	}
	return out, nil
}

// markerParams are a row of the marker.
func markerParams(m *store.Marker, what, body string) []param {
	return []param{textParam(m.Writer), numberParam(m.Seq), textParam(what), textParam(string(m.Position)), textParam(m.Map),
		textParam(body), numberParam(m.AtMs)}
}
