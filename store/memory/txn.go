package memory

import (
	"errors"
	"slices"

	"github.com/dualwrite/dualwrite/store"
)

// maxDepth bounds triggers and cascades that set off each other.
const maxDepth = 32

// txn is the one open write transaction. It works on the database's trees; what was before is in saved.
type txn struct {
	db      *Database
	saved   []tree
	changes []record
	depth   int
	quiet   bool // rows of users' tables are left out of the log
	done    bool
}

// start opens a transaction, or fails because one is open.
func (d *Database) start() (*txn, error) {
	if d.active != nil {
		return nil, errBusy()
	}
	t := &txn{db: d, saved: d.committed()}
	d.active = t
	return t, nil
}

// commit commits durably, and with it all that was committed before.
func (t *txn) commit() {
	t.end()
	t.db.unsynced = nil
}

// relax commits so that a crash may undo it.
func (t *txn) relax() {
	last := t.db.log.last
	t.end()
	if t.db.unsynced == nil && t.db.options.Forgets {
		t.db.unsynced = &unsynced{t.saved, last}
	}
}

func (t *txn) end() {
	if t.done {
		return
	}
	t.done, t.db.active, t.db.snapshot = true, nil, nil
	t.db.log.append(t.changes, t.db.now())
}

func (t *txn) rollback() {
	if t.done {
		return
	}
	t.done, t.db.active = true, nil
	t.db.snapshot = t.saved
	copy(t.db.trees, t.saved)
}

// savepoint is a state within a transaction.
type savepoint struct {
	trees   []tree
	changes int
}

func (t *txn) savepoint() savepoint {
	t.db.gen++
	return savepoint{slices.Clone(t.db.trees), len(t.changes)}
}

func (t *txn) restore(s savepoint) {
	copy(t.db.trees, s.trees)
	clear(t.changes[s.changes:])
	t.changes = t.changes[:s.changes]
	t.db.gen++
}

func (t *txn) rows(tab *table) *tree { return &t.db.trees[tab.rows] }

// next numbers a row. Numbers are not given back.
func (t *txn) next(tab *table) store.Value {
	t.db.numbers[tab.rows]++
	return store.Int(t.db.numbers[tab.rows])
}

// note writes a change down for the log, if the table is captured.
func (t *txn) note(tab *table, op store.Op, before, after store.Row) {
	r := record{op: op, before: before, after: after}
	if tab.def != nil {
		if !tab.def.Captured {
			return
		}
		r.ledger = tab
	} else if r.capture = t.db.captures[tab.rows]; r.capture == nil || r.capture.fault != nil || t.quiet {
		return
	}
	t.changes = append(t.changes, r)
}

// insert adds a row, in the table's columns. The transaction is spoilt by an error, to the last savepoint.
func (t *txn) insert(tab *table, row store.Row) error {
	if tab.auto >= 0 && row[tab.auto].IsNull() {
		row[tab.auto] = t.next(tab)
	}
	row, err := t.before(tab, store.Insert, nil, row)
	if err != nil {
		return err
	}
	if err := tab.check(row); err != nil {
		return err
	}
	if tab.auto >= 0 {
		t.db.numbers[tab.rows] = max(t.db.numbers[tab.rows], row[tab.auto].Int64())
	}
	key := t.keyOf(tab, row)
	if _, taken := t.rows(tab).get(key); taken {
		return tab.fault(store.CodeUnique, tab.join(tab.primary))
	}
	if err := t.index(tab, key, nil, row); err != nil {
		return err
	}
	t.rows(tab).put(t.db.gen, entry{key: key, row: row})
	t.note(tab, store.Insert, nil, row)
	if err := t.findParents(tab, nil, row); err != nil {
		return err
	}
	return t.after(tab, store.Insert, nil, row)
}

func (t *txn) keyOf(tab *table, row store.Row) string {
	if tab.primary == nil {
		return encode(t.next(tab))
	}
	return encodeAt(row, tab.primary)
}

// update replaces the row under a key.
func (t *txn) update(tab *table, key string, old, row store.Row) error {
	row, err := t.before(tab, store.Update, old, row)
	if err != nil {
		return err
	}
	if err := tab.check(row); err != nil {
		return err
	}
	fresh := key
	if tab.primary != nil {
		fresh = encodeAt(row, tab.primary)
	}
	if fresh != key {
		if _, taken := t.rows(tab).get(fresh); taken {
			return tab.fault(store.CodeUnique, tab.join(tab.primary))
		}
		t.rows(tab).remove(t.db.gen, key)
	}
	if err := t.index(tab, fresh, old, row); err != nil {
		return err
	}
	t.rows(tab).put(t.db.gen, entry{key: fresh, row: row})
	t.note(tab, store.Update, old, row)
	if err := t.findParents(tab, old, row); err != nil {
		return err
	}
	if err := t.keepChildren(tab, old, row); err != nil {
		return err
	}
	return t.after(tab, store.Update, old, row)
}

// remove deletes the row under a key.
func (t *txn) remove(tab *table, key string, old store.Row) error {
	if _, err := t.before(tab, store.Delete, old, nil); err != nil {
		return err
	}
	t.rows(tab).remove(t.db.gen, key)
	if err := t.index(tab, key, old, nil); err != nil {
		return err
	}
	t.note(tab, store.Delete, old, nil)
	if err := t.keepChildren(tab, old, nil); err != nil {
		return err
	}
	return t.after(tab, store.Delete, old, nil)
}

// index keeps the unique indexes.
func (t *txn) index(tab *table, key string, old, row store.Row) error {
	for _, u := range tab.unique {
		tree := &t.db.trees[u.tree]
		if old != nil && !anyNull(old, u.columns) {
			tree.remove(t.db.gen, encodeAt(old, u.columns))
		}
		if row == nil || anyNull(row, u.columns) {
			continue
		}
		k := encodeAt(row, u.columns)
		if _, taken := tree.get(k); taken {
			return tab.fault(store.CodeUnique, tab.join(u.columns))
		}
		tree.put(t.db.gen, entry{key: k, ref: key})
	}
	return nil
}

func anyNull(row store.Row, columns []int) bool {
	for _, c := range columns {
		if row[c].IsNull() {
			return true
		}
	}
	return false
}

// check holds a row against the constraints that concern it alone.
func (t *table) check(row store.Row) error {
	for i, c := range t.Columns {
		v := row[i]
		switch {
		case v.IsNull():
			if c.NotNull || slices.Contains(t.primary, i) {
				return t.fault(store.CodeNotNull, c.Name)
			}
		case c.Type.Strict && c.Type.Kind != store.Null && v.Kind != c.Type.Kind:
			return t.fault(store.CodeType, c.Name)
		}
	}
	for _, c := range t.Checks {
		if !c.Holds(row) {
			return t.fault(store.CodeCheck, c.Column)
		}
	}
	return nil
}

func (t *table) fault(code store.Code, column string) *store.RowError {
	return &store.RowError{Code: code, Table: t.Name, Column: column, Detail: string(code) + " constraint of " + t.Name}
}

// raised turns a trigger's error into a row's fault, unless it is one, or something else already.
func (t *table) raised(err error) error {
	var fault *store.RowError
	if err == nil || errors.As(err, &fault) || errors.Is(err, store.ErrTransient) {
		return err
	}
	return &store.RowError{Code: store.CodeRaised, Table: t.Name, Detail: err.Error(), Err: err}
}

func (t *txn) before(tab *table, op store.Op, old, row store.Row) (store.Row, error) {
	for i := range tab.Triggers {
		if tab.Triggers[i].Before == nil {
			continue
		}
		changed, err := tab.Triggers[i].Before(op, old, slices.Clone(row))
		if err != nil {
			return nil, tab.raised(err)
		}
		if row != nil {
			row = changed
		}
	}
	return row, nil
}

func (t *txn) after(tab *table, op store.Op, old, row store.Row) error {
	if len(tab.Triggers) == 0 {
		return nil
	}
	if t.depth++; t.depth > maxDepth {
		return tab.raised(errors.New("triggers set off each other without end"))
	}
	defer func() { t.depth-- }()
	for i := range tab.Triggers {
		if tab.Triggers[i].After == nil {
			continue
		}
		if err := tab.Triggers[i].After(&User{txn: t, nested: true}, op, old, row); err != nil {
			return tab.raised(err)
		}
	}
	return nil
}
