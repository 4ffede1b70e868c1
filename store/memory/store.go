package memory

import (
	"context"
	"errors"
	"fmt"

	"github.com/dualwrite/dualwrite/store"
)

// Store is a connection to a database. Close ends what was opened through it, as the death of a worker would.
type Store struct {
	db     *Database
	tx     *Tx // the last one opened
	closed bool
}

// Store opens a connection.
func (d *Database) Store() *Store { return &Store{db: d} }

var _ store.Store = (*Store)(nil)

// handle is what transactions, views and logs have in common. All die by Close of the store and by a crash.
type handle struct {
	db    *Database
	store *Store
	life  uint64
}

func (s *Store) handle() handle { return handle{db: s.db, store: s, life: s.db.life} }

func (h *handle) alive() error {
	if h.store.closed || h.life != h.db.life {
		return errLost()
	}
	return nil
}

func (s *Store) alive() error {
	if s.closed {
		return errors.New("the store is closed")
	}
	return nil
}

// Close ends what is open.
func (s *Store) Close() error {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	s.closed = true
	if s.tx != nil {
		s.tx.txn.rollback()
	}
	return nil
}

// Limits returns the limits.
func (s *Store) Limits() store.Limits {
	return store.Limits{CopyRows: s.db.options.CopyRows, QuietRows: s.db.options.QuietRows, Relaxed: true, Bulk: "memory", Digest: "memory"}
}

// Describe returns tables.
func (s *Store) Describe(_ context.Context, tables ...string) (map[string]store.Table, error) {
	if err := s.db.call("describe"); err != nil {
		return nil, err
	}
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if err := s.alive(); err != nil {
		return nil, err
	}
	out := make(map[string]store.Table)
	if len(tables) == 0 {
		for _, t := range s.db.catalog.list {
			out[t.Name] = t.describe()
		}
		return out, nil
	}
	for _, name := range tables {
		if t := s.db.catalog.users[name]; t != nil {
			out[name] = t.describe()
		}
	}
	return out, nil
}

// Fence begins a new attempt of a writer.
func (s *Store) Fence(_ context.Context, writer string) (store.Cursor, error) {
	if err := s.db.call("fence"); err != nil {
		return store.Cursor{}, err
	}
	cursor, err := s.fence(writer)
	if err != nil {
		return store.Cursor{}, err
	}
	if err := s.db.call("fenced"); err != nil {
		return store.Cursor{}, err
	}
	return cursor, nil
}

func (s *Store) fence(writer string) (store.Cursor, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if err := s.alive(); err != nil {
		return store.Cursor{}, err
	}
	if s.db.catalog.ledger == nil {
		return store.Cursor{}, errors.New("the database has no ledger")
	}
	t, err := s.db.start()
	if err != nil {
		return store.Cursor{}, err
	}
	defer t.commit()
	epoch := t.epoch(writer) + 1
	t.write(s.db.catalog.ledger[store.WriterTable], store.Row{store.Str(writer), store.Int(epoch)})
	c := store.Cursor{Writer: writer, Epoch: epoch}
	if end, found := t.lastMarker(writer); found {
		c.Seq, c.Position, c.Body = end[1].Int64(), store.Position(end[3].S), end[5].S
	}
	return c, nil
}

// epoch is a writer's.
func (t *txn) epoch(writer string) int64 {
	e, found := t.rows(t.db.catalog.ledger[store.WriterTable]).get(encode(store.Str(writer)))
	if !found {
		return 0
	}
	return e.row[1].Int64()
}

// lastMarker is the end row of the writer's last transaction. It has the position of the begin row.
func (t *txn) lastMarker(writer string) (store.Row, bool) {
	e, found := t.rows(t.db.catalog.ledger[store.MarkerTable]).before(encode(store.Str(writer)) + above)
	if !found || e.row[0].S != writer {
		return nil, false
	}
	return e.row, true
}

// write inserts or replaces a row of the ledger.
func (t *txn) write(tab *table, row store.Row) {
	key := encodeAt(row, tab.primary)
	old, found := t.rows(tab).get(key)
	t.rows(tab).put(t.db.gen, entry{key: key, row: row})
	if found {
		t.note(tab, store.Update, old.row, row)
	} else {
		t.note(tab, store.Insert, nil, row)
	}
}

// Begin opens a transaction.
func (s *Store) Begin(_ context.Context, m store.Marker) (store.Tx, error) {
	if err := s.db.call("begin"); err != nil {
		return nil, err
	}
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if err := s.alive(); err != nil {
		return nil, err
	}
	if s.db.catalog.ledger == nil {
		return nil, errors.New("the database has no ledger")
	}
	t, err := s.db.start()
	if err != nil {
		return nil, err
	}
	if err := t.admit(m); err != nil {
		t.rollback()
		return nil, err
	}
	tx := &Tx{handle: s.handle(), txn: t, marker: m}
	t.write(s.db.catalog.ledger[store.MarkerTable], markerRow(m, store.MarkerBegin, m.Body))
	s.tx = tx
	return tx, nil
}

// admit checks the fence. With one transaction at a time the stream's lock is always held.
func (t *txn) admit(m store.Marker) error {
	if t.epoch(m.Writer) != m.Epoch {
		return fmt.Errorf("begin as %s: %w", m.Writer, store.ErrFenced)
	}
	last := int64(0)
	if end, found := t.lastMarker(m.Writer); found {
		last = end[1].Int64()
	}
	switch {
	case last >= m.Seq:
		return fmt.Errorf("begin as %s: %w", m.Writer, store.ErrFenced)
	case last+1 < m.Seq:
		return store.Because("the database has lost transactions in a crash", fmt.Errorf("transaction %d does not follow on %d", m.Seq, last))
	}
	return nil
}

func markerRow(m store.Marker, what, body string) store.Row {
	return store.Row{store.Str(m.Writer), store.Int(m.Seq), store.Str(what), store.Str(string(m.Position)), store.Str(m.Map),
		store.Str(body), store.Int(m.AtMs)}
}
