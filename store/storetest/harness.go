// Package storetest is the contract of package store as a behaviour suite: every sentence there that can fail has a
// test here, and every store runs all of them (see Run).
package storetest

import (
	"github.com/dualwrite/dualwrite/store"
)

// Harness is one database under test, empty when it is opened, with what the suite needs to play its users. Whoever
// makes it closes the store and removes the database with t.Cleanup. Nothing in it goes through the store but Store
// and Reopen: users know nothing of dualwrite.
type Harness struct {
	Store    store.Store
	Features Features

	// Reopen closes the store and opens another on the same database, as a restarted worker does.
	Reopen func() (store.Store, error)
	// Create makes a table of users.
	Create func(Table) error
	// Begin opens a transaction of users, on a connection of its own. Errors that a lock caused match store.ErrBusy
	// (waiting for one is at most about a second).
	Begin func() (UserTx, error)
	// Lose makes the log forget the changes up to the position, behind the store's back.
	Lose func(upTo store.Position) error
	// Backup copies the database as it is. The function that it returns ends the store, puts the copy back in the
	// database's place and opens a store on it.
	Backup func() (restore func() (store.Store, error), err error)
	// DropColumn removes a column of a users' table, as its owner would.
	DropColumn func(table, column string) error
	// Uncapture removes what makes the table's changes reach the log (a trigger, a publication's entry), behind the
	// store's back. nil where a database has no such thing.
	Uncapture func(table string) error
}

// Features is what databases may differ in.
type Features struct {
	Kinds     []store.Kind // of columns that Create can make; Integer, Real, Text and Blob at least
	Strict    bool         // columns refuse values of other kinds; otherwise they store them as they are
	OneWriter bool         // one write transaction at a time in the whole database
	Whole     bool         // the log knows where users' transactions end
	Truncate  bool         // Truncate statements exist, and are delivered as such
	Triggers  bool         // Table.Triggers can be made
	NulText   bool         // text may hold the character NUL
}

// UserTx is a transaction of users. After Commit or Rollback, Rollback does nothing.
type UserTx interface {
	// Exec runs one statement. After an error only Rollback remains.
	Exec(Statement) error
	Commit() error
	Rollback() error
}

// Statement is what a user runs.
type Statement struct {
	Op    store.Op
	Table string
	Set   Values // of Insert: the row, columns left out take their default; of Update: what changes
	Where Values // of Update and Delete: the rows in which all of these are equal; none: all rows
}

// Values are a row by column name.
type Values map[string]store.Value

// Table is a table of users, in terms that every database has.
type Table struct {
	Name        string
	Columns     []Column
	Key         []string   // the primary key; none: no primary key
	Unique      [][]string // further unique indexes
	ForeignKeys []ForeignKey
	Checks      []Check
	Triggers    []Trigger
}

// Column is a column of a Table.
type Column struct {
	Name    string
	Kind    store.Kind
	NotNull bool
	Auto    bool        // the primary key, numbered by the database when an insert leaves it out
	Default store.Value // null: none
}

// ForeignKey says that Columns must be found as References, a key of Table. Checked at once; deletes of parents are
// refused unless Cascade.
type ForeignKey struct {
	Columns    []string
	Table      string
	References []string
	Cascade    bool // ON DELETE CASCADE
}

// Check is the constraint Column >= Min. It has the name of the column.
type Check struct {
	Column string
	Min    int64
}

// Trigger fires when a row is inserted or updated so that When equals Value. It raises an error, or, if Set is named,
// changes the row being written (before or after the write, as the database can): Set becomes To.
type Trigger struct {
	Name  string
	When  string
	Value store.Value
	Set   string
	To    store.Value
}

// Conditions that the suite uses as Relation.Filter, in SQL that every database reads.
const (
	FilterPositive = "n > 0"      // on an integer column of the relation
	FilterActive   = "active = 1" // on an integer column that may be in Extra only
)

// Filters returns the conditions as functions, for stores that read no SQL.
func Filters() map[string]func(row map[string]store.Value) bool {
	return map[string]func(row map[string]store.Value) bool{
		FilterPositive: func(row map[string]store.Value) bool { return row["n"].Int64() > 0 },
		FilterActive:   func(row map[string]store.Value) bool { return row["active"] == store.Int(1) },
	}
}
