package replication

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/dualwrite/dualwrite/store"
)

// Names of writers. Those of a map carry its name.
const (
	writerStream  = "stream"
	writerReplay  = "replay/"
	writerInitial = "initial/"
	writerRetry   = "retry/"
	writerOps     = "ops"
)

// body is what the end row of a transaction tells the reader of the log it was written to, and, of a stream or a copy,
// the next attempt.
type body struct {
	// Seen tells per map what the source of these rows had effectively seen of this side when they were written there.
	Seen map[string]store.Position `json:"seen,omitempty"`
	// Effective is, after a replay, the source position up to which the map's changes are applied here.
	Effective store.Position `json:"effective,omitempty"`
	// Note asks the reader to say, on the other side, that it has met this transaction.
	Note bool `json:"note,omitempty"`
	// Noted is, in a copy's transaction, the position of this side's note.
	Noted store.Position `json:"noted,omitempty"`
	// User marks rows that a person had us write: they flow like any user's.
	User bool `json:"user,omitempty"`
	// Keys are hashes of the keys written, per map whose writes have effects on this side.
	Keys map[string][]uint64 `json:"keys,omitempty"`
	// SeenStream is, in a stream's transaction, the stream's own state: see Stream.
	SeenStream store.Position `json:"seenStream,omitempty"`
	// Copy is a copy's own state.
	Copy *copyState `json:"copy,omitempty"`
}

func parseBody(s string) (body, error) {
	var b body
	if s == "" {
		return b, nil
	}
	if err := json.Unmarshal([]byte(s), &b); err != nil {
		return b, fmt.Errorf("read marker: %w", err)
	}
	return b, nil
}

// writer is one attempt of a named writer on one side.
type writer struct {
	store  store.Store
	cursor store.Cursor
	now    func() int64 // Unix milliseconds
}

// fence begins an attempt of a writer.
func fence(ctx context.Context, s store.Store, name string, now func() int64) (*writer, error) {
	cursor, err := s.Fence(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("fence writer %s: %w", name, err)
	}
	return &writer{store: s, cursor: cursor, now: now}, nil
}

// marker is a transaction's position and map; the rest is the writer's.
type marker struct {
	position store.Position
	mapName  string
	lock     bool
	relaxed  bool // made durable by what follows
	ahead    []store.Query
}

// begin opens the writer's next transaction.
func (w *writer) begin(ctx context.Context, m marker) (store.Tx, error) {
	tx, err := w.store.Begin(ctx, w.marker(m))
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	return tx, nil
}

// marker is that of the writer's next transaction.
func (w *writer) marker(m marker) store.Marker {
	return store.Marker{
		Writer: w.cursor.Writer, Epoch: w.cursor.Epoch, Seq: w.cursor.Seq + 1,
		Position: m.position, Map: m.mapName, AtMs: w.now(), LockStream: m.lock, Relaxed: m.relaxed, Ahead: m.ahead,
	}
}

// commit ends a transaction that begin opened. After an error the outcome may be unknown: fence again.
func (w *writer) commit(ctx context.Context, tx store.Tx, m marker, b body) error {
	text, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if err := tx.Commit(ctx, string(text)); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	w.moved(m, string(text))
	return nil
}

// moved takes over what a transaction, or a part of one, has written.
func (w *writer) moved(m marker, body string) {
	w.cursor.Seq++
	w.cursor.Position = m.position
	w.cursor.Body = body
}

// do makes one small transaction: begin, the work, commit.
func (w *writer) do(ctx context.Context, m marker, work func(store.Tx) (body, error)) error {
	tx, err := w.begin(ctx, m)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	b, err := work(tx)
	if err != nil {
		return err
	}
	return w.commit(ctx, tx, m, b)
}
