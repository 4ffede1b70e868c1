package memory

import (
	"fmt"
	"slices"

	"github.com/dualwrite/dualwrite/store"
)

// Values are a row, or part of one, by column name.
type Values = map[string]store.Value

// User is a transaction of users. A statement that fails leaves nothing behind, and the transaction goes on.
type User struct {
	txn    *txn
	nested bool // in a trigger: the lock is held
}

// Exec runs one transaction of users: it commits when the work returns nil, and is rolled back otherwise.
func (d *Database) Exec(work func(u *User) error) error {
	u, err := d.Begin()
	if err != nil {
		return err
	}
	defer u.Rollback()
	if err := work(u); err != nil {
		return err
	}
	return u.Commit()
}

// Begin opens a transaction of users.
func (d *Database) Begin() (*User, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t, err := d.start()
	if err != nil {
		return nil, err
	}
	return &User{txn: t}, nil
}

// Commit ends the transaction.
func (u *User) Commit() error {
	defer u.lock()()
	if u.txn.done {
		return errLost()
	}
	u.txn.commit()
	return nil
}

// Rollback ends the transaction without effect. After Commit it does nothing.
func (u *User) Rollback() {
	defer u.lock()()
	u.txn.rollback()
}

// Insert adds a row; columns left out take their default.
func (u *User) Insert(name string, values Values) error {
	return u.statement(name, func(tab *table) error {
		row := tab.fresh()
		if err := tab.set(row, values); err != nil {
			return err
		}
		return u.txn.insert(tab, row)
	})
}

// Update changes the rows in which all of where are equal, and returns how many there were.
func (u *User) Update(name string, where, set Values) (int, error) {
	return u.each(name, where, func(tab *table, e entry) error {
		row := slices.Clone(e.row)
		if err := tab.set(row, set); err != nil {
			return err
		}
		return u.txn.update(tab, e.key, e.row, row)
	})
}

// Delete removes the rows in which all of where are equal, and returns how many there were.
func (u *User) Delete(name string, where Values) (int, error) {
	return u.each(name, where, func(tab *table, e entry) error { return u.txn.remove(tab, e.key, e.row) })
}

// Truncate empties a table, which is one change in the log. It regards neither triggers nor children.
func (u *User) Truncate(name string) error {
	return u.statement(name, func(tab *table) error {
		u.txn.db.trees[tab.rows] = tree{}
		for _, x := range tab.unique {
			u.txn.db.trees[x.tree] = tree{}
		}
		u.txn.note(tab, store.Truncate, nil, nil)
		return nil
	})
}

// Get returns the rows in which all of where are equal, in the columns of the table and the order of its key.
func (u *User) Get(name string, where Values) ([]store.Row, error) {
	defer u.lock()()
	if u.txn.done {
		return nil, errLost()
	}
	tab := u.txn.db.catalog.users[name]
	if tab == nil {
		return nil, fmt.Errorf("there is no table %s", name)
	}
	found, err := u.txn.where(tab, where)
	out := make([]store.Row, len(found))
	for i, e := range found {
		out[i] = e.row
	}
	return out, err
}

func (u *User) lock() (unlock func()) {
	if u.nested {
		return func() {}
	}
	u.txn.db.mu.Lock()
	return u.txn.db.mu.Unlock
}

// statement runs one statement and undoes what it did if it fails.
func (u *User) statement(name string, work func(tab *table) error) error {
	defer u.lock()()
	if u.txn.done {
		return errLost()
	}
	tab := u.txn.db.catalog.users[name]
	if tab == nil {
		return fmt.Errorf("there is no table %s", name)
	}
	before := u.txn.savepoint()
	err := work(tab)
	if err != nil {
		u.txn.restore(before)
	}
	return err
}

// each runs the work on rows, as one statement.
func (u *User) each(name string, where Values, work func(tab *table, e entry) error) (int, error) {
	count := 0
	err := u.statement(name, func(tab *table) error {
		found, err := u.txn.where(tab, where)
		if err != nil {
			return err
		}
		for _, e := range found {
			current, still := u.txn.rows(tab).get(e.key)
			if !still {
				continue
			}
			if err := work(tab, current); err != nil {
				return err
			}
			count++
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return count, nil
}

// where finds rows, by the key if it is given.
func (t *txn) where(tab *table, where Values) ([]entry, error) {
	if key, ok := tab.keyIn(where); ok {
		e, found := t.rows(tab).get(key)
		if found && tab.holds(e.row, where) {
			return []entry{e}, nil
		}
		return nil, nil
	}
	for name := range where {
		if tab.column(name) < 0 {
			return nil, fmt.Errorf("table %s has no column %s", tab.Name, name)
		}
	}
	var out []entry
	for e := range t.rows(tab).from("") {
		if tab.holds(e.row, where) {
			out = append(out, *e)
		}
	}
	return out, nil
}

func (t *table) keyIn(where Values) (string, bool) {
	if t.primary == nil {
		return "", false
	}
	values := make(store.Row, len(t.primary))
	for i, c := range t.primary {
		v, given := where[t.names[c]]
		if !given {
			return "", false
		}
		values[i] = v
	}
	return encode(values...), true
}

func (t *table) holds(row store.Row, where Values) bool {
	if len(where) == 0 {
		return true
	}
	for i, name := range t.names {
		if v, asked := where[name]; asked && row[i] != v {
			return false
		}
	}
	return true
}

// fresh is a row of defaults.
func (t *table) fresh() store.Row {
	row := make(store.Row, len(t.Columns))
	for i := range t.Columns {
		row[i] = t.Columns[i].Default
	}
	return row
}

func (t *table) set(row store.Row, values Values) error {
	known := 0
	for i, name := range t.names {
		if v, given := values[name]; given {
			row[i] = v
			known++
		}
	}
	if known != len(values) {
		return fmt.Errorf("table %s lacks a column that is written", t.Name)
	}
	return nil
}
