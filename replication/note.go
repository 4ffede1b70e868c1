package replication

import (
	"context"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// note writes a note by the writer that all commands share; it returns its sequence number.
func (e *Engine) note(ctx context.Context, side tablemap.Side, mapName string) (int64, error) {
	var seq int64
	err := e.opsAs(ctx, side, marker{mapName: mapName}, func(w *writer, _ store.Tx) (body, error) {
		seq = w.cursor.Seq + 1
		return body{Note: true}, nil
	})
	return seq, err
}

// forgetNotes removes what the stream into a side has told of notes of the commands' writer.
func (e *Engine) forgetNotes(ctx context.Context, side tablemap.Side, mapName string, seqs ...store.Value) error {
	return e.ops(ctx, side, marker{mapName: mapName}, func(tx store.Tx) (body, error) {
		q := store.Query{Table: store.MetTable, Where: []store.Cond{store.Where("writer", store.Eq, store.Str(writerOps))}}
		return body{}, tx.Delete(ctx, in(q, "seq", seqs))
	})
}
