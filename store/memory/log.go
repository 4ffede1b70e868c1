package memory

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/dualwrite/dualwrite/store"
)

// record is one change in the log.
type record struct {
	seq     uint64
	atMs    int64
	last    bool // of its transaction
	op      store.Op
	capture *capture // of a users' table, as it was when the change was made
	ledger  *table   // of the ledger
	before  store.Row
	after   store.Row
}

// wal is the commit log: the changes after purged, up to last.
type wal struct {
	records []record
	purged  uint64 // confirmed, lost, or not kept
	last    uint64
	kept    bool
	since   uint64 // what is kept began here
}

// keep begins to keep what comes, if nothing is kept.
func (w *wal) keep() {
	if !w.kept {
		w.kept, w.since = true, w.last
	}
}

// letGo ends that, where the database does so, once no table is captured and nobody follows the log.
func (d *Database) letGo() {
	followed := d.reader != nil && !d.reader.closed && d.reader.life == d.life
	if d.options.LetsGo && !d.capturing() && !followed {
		d.log.purge(d.log.last)
		d.log.kept = false
	}
}

// capturing reports whether any table is captured.
func (d *Database) capturing() bool {
	return slices.ContainsFunc(d.captures, func(c *capture) bool { return c != nil })
}

func (w *wal) append(changes []record, atMs int64) {
	for i := range changes {
		w.last++
		changes[i].seq, changes[i].atMs = w.last, atMs
	}
	if len(changes) > 0 {
		changes[len(changes)-1].last = true
		w.records = append(w.records, changes...)
		if !w.kept {
			w.purge(w.last)
		}
	}
}

// purge forgets what is up to a number.
func (w *wal) purge(upTo uint64) {
	if upTo <= w.purged {
		return
	}
	gone := min(upTo-w.purged, uint64(len(w.records)))
	clear(w.records[:gone])
	w.records = w.records[gone:]
	w.purged = upTo
}

// truncate takes back what comes after a number.
func (w *wal) truncate(last uint64) {
	w.last = last
	w.purged = min(w.purged, last)
	w.records = w.records[:last-w.purged]
}

func (w *wal) clone() wal {
	out := *w
	out.records = slices.Clone(w.records)
	return out
}

// after returns the records beyond a number that is not below purged.
func (w *wal) after(seq uint64) []record { return w.records[seq-w.purged:] }

func position(seq uint64) store.Position {
	digits := strconv.FormatUint(seq, 10)
	return store.Position("00000000000000000000"[len(digits):] + digits)
}

func parsePosition(p store.Position) (uint64, error) {
	if p == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(string(p), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no position of this log", string(p))
	}
	return n, nil
}

// Log is a reader of the log.
type Log struct {
	handle
	read   uint64
	closed bool
}

// Open follows the log.
func (s *Store) Open(_ context.Context, cursor store.Position) (store.Log, error) {
	if err := s.db.call("open"); err != nil {
		return nil, err
	}
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if err := s.alive(); err != nil {
		return nil, err
	}
	at, err := parsePosition(cursor)
	if err != nil {
		return nil, err
	}
	w := &s.db.log
	w.keep()
	if max(at, w.since) < w.purged {
		return nil, &store.GapError{Reason: "changes after " + show(at) + " have been removed from the log", Next: position(w.purged)}
	}
	if at > w.last {
		return nil, &store.GapError{Reason: "the log ends before " + show(at), Next: position(w.last)}
	}
	if err := s.db.faults(); err != nil {
		return nil, err
	}
	if s.db.reader != nil {
		s.db.reader.closed = true
	}
	l := &Log{handle: s.handle(), read: w.purged}
	s.db.reader = l
	return l, nil
}

func show(seq uint64) string { return strconv.FormatUint(seq, 10) }

// faults is the first fault of a capture, in the order of the tables' creation.
func (d *Database) faults() error {
	for _, c := range d.captures {
		if c != nil && c.fault != nil {
			return c.fault
		}
	}
	return nil
}

func (l *Log) usable() error {
	if l.closed {
		return fmt.Errorf("the log is closed, or another reader has taken over: %w", store.ErrFenced)
	}
	return l.alive()
}

// Next returns the changes since the last call.
func (l *Log) Next(_ context.Context, limit int) (store.Batch, error) {
	if err := l.db.call("next"); err != nil {
		return store.Batch{}, err
	}
	l.db.mu.Lock()
	defer l.db.mu.Unlock()
	if err := l.usable(); err != nil {
		return store.Batch{}, err
	}
	if l.read < l.db.log.purged {
		return store.Batch{}, &store.GapError{Reason: "changes after " + show(l.read) + " have been removed from the log",
			Next: position(l.db.log.purged)}
	}
	if err := l.db.faults(); err != nil {
		return store.Batch{}, err
	}
	if l.db.options.Batch > 0 {
		limit = min(limit, l.db.options.Batch)
	}
	return l.batch(max(limit, 1)), nil
}

// batch takes whole transactions up to the limit, or a part of the first one.
func (l *Log) batch(limit int) store.Batch {
	var out store.Batch
	whole, end, read := 0, l.read, l.read // changes and place of the last whole transaction; place read
	own := false                          // between the two rows of a marker
	durable := l.db.durable()
	for _, r := range l.db.log.after(l.read) {
		if r.seq > durable {
			break
		}
		if c, reported := r.change(); reported {
			if len(out.Changes) >= limit {
				break
			}
			if c.Ledger && c.Table == store.MarkerTable {
				own = c.After[2].S == store.MarkerBegin
			}
			if own && !c.Ledger {
				later(&c)
			}
			out.Changes = append(out.Changes, c)
		}
		if read = r.seq; r.last {
			whole, end = len(out.Changes), read
		}
	}
	if read != end && whole > 0 {
		out.Changes, read = out.Changes[:whole], end
	}
	out.More = read != end
	l.read = read
	return out
}

// later leaves the images of a change until they are asked for.
func later(c *store.Change) {
	before, after := c.Before, c.After
	c.Before, c.After = nil, nil
	c.Load = func() (store.Row, store.Row, error) { return before, after, nil }
}

// change is the record as the log delivers it, if it does.
func (r *record) change() (store.Change, bool) {
	out := store.Change{Position: position(r.seq), Op: r.op, AtMs: r.atMs}
	if r.ledger != nil {
		out.Table, out.Ledger, out.Columns, out.Before, out.After = r.ledger.Name, true, r.ledger.names, r.before, r.after
		return out, true
	}
	out.Table, out.Columns = r.capture.table, r.capture.names
	out.Before, out.After = r.capture.image(r.before), r.capture.image(r.after)
	switch {
	case r.op == store.Truncate:
	case out.Before == nil && out.After == nil:
		return store.Change{}, false
	case out.Before == nil:
		out.Op = store.Insert
	case out.After == nil:
		out.Op = store.Delete
	}
	return out, true
}

// Wait returns at once: whoever steps a simulation decides how long to wait.
func (l *Log) Wait(ctx context.Context) error {
	if err := l.db.call("wait"); err != nil {
		return err
	}
	l.db.mu.Lock()
	defer l.db.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.usable()
}

// Confirm forgets changes.
func (l *Log) Confirm(_ context.Context, upTo store.Position) error {
	if err := l.db.call("confirm"); err != nil {
		return err
	}
	l.db.mu.Lock()
	defer l.db.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	seq, err := parsePosition(upTo)
	if err != nil {
		return err
	}
	l.db.log.purge(min(seq, l.db.durable()))
	return nil
}

// Held counts each record that is kept as a megabyte.
func (l *Log) Held() int64 {
	l.db.mu.Lock()
	defer l.db.mu.Unlock()
	return int64(len(l.db.log.after(l.db.log.purged))) << 20
}

// Since is where the log began, if it is ever let go of.
func (l *Log) Since() store.Position {
	l.db.mu.Lock()
	defer l.db.mu.Unlock()
	if l.db.log.since == 0 {
		return ""
	}
	return position(l.db.log.since)
}

// Close ends the reader.
func (l *Log) Close() error {
	l.db.mu.Lock()
	defer l.db.mu.Unlock()
	if l.usable() == nil {
		l.closed = true
		l.db.letGo()
	}
	return nil
}
