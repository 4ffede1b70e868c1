// Package memory is the reference store: a database in memory with tables, constraints, triggers, a commit log and
// crashes. It starts no goroutine, reads no clock and draws no lots, so that a simulation which steps it is repeatable.
//
// There is one write transaction at a time; who comes second is told store.ErrBusy. Rows that it returns are shared
// with the database and must not be modified.
package memory

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/dualwrite/dualwrite/store"
)

// Options are a database's settings. The zero value is usable.
type Options struct {
	// OnCall is called at the start of every method of the store, of its transactions, views and logs, with the
	// method's name in lower case ("begin", "apply", "next", …), and again as "fenced" and "committed" when Fence and
	// Commit have become durable. It may write as a user, crash the database, or return an error, which the method
	// then returns. nil: nothing.
	OnCall func(op string) error
	// Filters are what the conditions in relations mean, by their text.
	Filters map[string]func(row map[string]store.Value) bool
	// Clock tells the time of commits in Unix milliseconds. nil: it stands at 0.
	Clock func() int64
	// CopyRows is Limits.CopyRows; 0: 1000.
	CopyRows int
	// QuietRows is Limits.QuietRows.
	QuietRows int
	// Remarks is what Preflight returns.
	Remarks []store.Remark
	// Forgets makes commits that are relaxed come into the log, and stay in a crash that forgets, only with the next durable
	// one, or Sync.
	Forgets bool
	// LetsGo lets go of the log while no table is captured and nobody follows it.
	LetsGo bool
	// Batch bounds the batches of logs, so that transactions are cut; 0: as the caller asks.
	Batch int
}

// Database is a database. Its own methods are those of users and of tests; Store is dualwrite's way in.
type Database struct {
	options Options

	mu       sync.Mutex
	catalog  *catalog
	trees    []tree
	gen      uint64 // what is of this generation belongs to nobody else
	snapshot []tree // the committed state; nil: not taken since the last commit
	numbers  []int64
	captures []*capture // by a table's place
	active   *txn
	life     uint64 // raised by a crash
	log      wal
	reader   *Log
	unsynced *unsynced // nil: all is durable
}

// unsynced is what was, before commits that are not durable yet.
type unsynced struct {
	trees []tree
	last  uint64 // of the log
}

// New makes an empty database.
func New(options Options) *Database {
	if options.CopyRows == 0 {
		options.CopyRows = 1000
	}
	return &Database{options: options, catalog: &catalog{users: make(map[string]*table)}, gen: 1, log: wal{kept: !options.LetsGo}}
}

// Create makes tables.
func (d *Database) Create(tables ...Table) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.active != nil {
		return errBusy()
	}
	c := d.catalog.clone()
	for _, def := range tables {
		if c.users[def.Name] != nil {
			return fmt.Errorf("table %s exists", def.Name)
		}
		t, err := c.build(def)
		if err != nil {
			return err
		}
		c.users[def.Name] = t
		c.list = append(c.list, t)
	}
	if err := c.link(); err != nil {
		return err
	}
	d.adopt(c)
	return nil
}

// adopt makes a catalog the current one and room for its tables.
func (d *Database) adopt(c *catalog) {
	d.catalog, d.snapshot = c, nil
	d.trees = append(d.trees, make([]tree, c.trees-len(d.trees))...)
	d.numbers = append(d.numbers, make([]int64, c.trees-len(d.numbers))...)
	d.captures = append(d.captures, make([]*capture, c.trees-len(d.captures))...)
}

// DropColumn removes a column that no constraint uses.
func (d *Database) DropColumn(name, column string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.active != nil {
		return errBusy()
	}
	c := d.catalog.clone()
	t := c.users[name]
	if t == nil || t.column(column) < 0 {
		return fmt.Errorf("table %s has no column %s", name, column)
	}
	at := t.column(column)
	def := t.Table
	def.Columns = slices.Delete(slices.Clone(def.Columns), at, at+1)
	fresh, err := (&catalog{}).build(def)
	if err != nil {
		return err
	}
	fresh.rows = t.rows
	for i := range fresh.unique {
		fresh.unique[i].tree = t.unique[i].tree
	}
	*t = *fresh
	if err := c.link(); err != nil {
		return err
	}
	d.committed()
	d.adopt(c)
	rows := &d.trees[t.rows]
	for e := range rows.from("") {
		rows.put(d.gen, entry{key: e.key, row: slices.Delete(slices.Clone(e.row), at, at+1)})
	}
	d.snapshot = nil
	d.captures[t.rows] = d.captures[t.rows].without(t)
	return nil
}

// committed is the state that views see. It is shared and never modified.
func (d *Database) committed() []tree {
	if d.active != nil {
		return d.active.saved
	}
	if d.snapshot == nil {
		d.snapshot = slices.Clone(d.trees)
		d.gen++
	}
	return d.snapshot
}

// Crash ends all transactions, views and logs; what was committed stays.
func (d *Database) Crash() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.crash()
	d.unsynced = nil
}

// Forget is a crash that undoes the commits that are not durable yet.
func (d *Database) Forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.crash()
	if d.unsynced == nil {
		return
	}
	copy(d.trees, d.unsynced.trees)
	d.snapshot = nil
	d.gen++
	d.log.truncate(d.unsynced.last)
	d.unsynced = nil
}

func (d *Database) crash() {
	if d.active != nil {
		d.active.rollback()
	}
	d.life++
}

// Abort rolls back the transaction that is open, if one is, as a database does whose client has died.
func (d *Database) Abort() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.active != nil {
		d.active.rollback()
	}
}

// Sync makes durable what was committed.
func (d *Database) Sync() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unsynced = nil
}

// durable is the last change that is in the log for readers.
func (d *Database) durable() uint64 {
	if d.unsynced != nil {
		return d.unsynced.last
	}
	return d.log.last
}

// LoseLog makes the log forget the changes up to a position.
func (d *Database) LoseLog(upTo store.Position) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	seq, err := parsePosition(upTo)
	if err != nil {
		return err
	}
	d.log.purge(min(seq, d.log.last))
	return nil
}

// Uncapture makes a table's changes miss the log until it is released.
func (d *Database) Uncapture(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.catalog.users[name]
	if t == nil || d.captures[t.rows] == nil {
		return fmt.Errorf("table %s is not captured", name)
	}
	broken := *d.captures[t.rows]
	broken.fault = &store.GapError{Table: name, Reason: "its capture has been removed"}
	d.captures[t.rows] = &broken
	return nil
}

// Rows returns a table's committed rows in the order of its key. A table that does not exist has none.
func (d *Database) Rows(name string) []store.Row {
	d.mu.Lock()
	defer d.mu.Unlock()
	return rowsOf(d.committed(), d.catalog.users[name])
}

// LedgerRows returns a ledger table's committed rows in the order of its key.
func (d *Database) LedgerRows(name string) []store.Row {
	d.mu.Lock()
	defer d.mu.Unlock()
	return rowsOf(d.committed(), d.catalog.ledger[name])
}

func rowsOf(trees []tree, t *table) []store.Row {
	if t == nil {
		return nil
	}
	out := make([]store.Row, 0, trees[t.rows].n)
	for e := range trees[t.rows].from("") {
		out = append(out, e.row)
	}
	return out
}

// Backup is a copy of a database.
type Backup struct {
	catalog  *catalog
	trees    []tree
	numbers  []int64
	captures []*capture
	log      wal
}

// Backup copies the committed state and the log.
func (d *Database) Backup() *Backup {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &Backup{catalog: d.catalog, trees: d.committed(), numbers: slices.Clone(d.numbers),
		captures: slices.Clone(d.captures), log: d.log.clone()}
}

// Restore puts a copy in the database's place; everything that is open ends. A Backup may be restored many times, in
// the database that it is of.
func (d *Database) Restore(b *Backup) {
	d.Crash()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.catalog, d.trees, d.snapshot = b.catalog, slices.Clone(b.trees), nil
	d.numbers, d.captures, d.log = slices.Clone(b.numbers), slices.Clone(b.captures), b.log.clone()
	d.gen++
}

// call runs the hook, without the lock, so that it may use the database.
func (d *Database) call(op string) error {
	if d.options.OnCall == nil {
		return nil
	}
	return d.options.OnCall(op)
}

func (d *Database) now() int64 {
	if d.options.Clock == nil {
		return 0
	}
	return d.options.Clock()
}

func errBusy() error { return store.Busy(errors.New("another transaction is writing")) }

func errLost() error { return store.Transient(errors.New("the connection is lost")) }
