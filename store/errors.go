package store

import (
	"errors"
	"fmt"
)

// ErrFenced means that a newer attempt of the same writer has begun: this one must end for good.
var ErrFenced = errors.New("a newer attempt of this writer has taken over")

// ErrTransient is matched (errors.Is) by errors after which the same transaction may succeed: a deadlock, a lock
// timeout, a busy or full or read-only database, a lost connection.
var ErrTransient = errors.New("temporary database error")

// ErrBusy is matched, beside ErrTransient, by those that a lock held by someone else caused.
var ErrBusy = errors.New("locked by another transaction")

// Code classifies a row's fault. Users see and filter by it.
type Code string

// The codes of row faults.
const (
	CodeNotNull       Code = "not_null"
	CodeType          Code = "type"
	CodeForeignKey    Code = "foreign_key"
	CodeMissingParent Code = "missing_parent" // a foreign key whose parent row is not there
	CodeUnique        Code = "unique"
	CodeCheck         Code = "check"
	CodeTooLarge      Code = "too_large"
	CodeRaised        Code = "raised" // by a user's trigger
	CodeGeneratedKey  Code = "generated_key"
	CodeLoop          Code = "loop"
	CodeWaiting       Code = "waiting" // behind a held change
	CodeOther         Code = "other"
)

// RowError is a write that the database refuses because of the row itself. Error() carries no values of rows, so it
// may reach logs and Temporal; Detail may carry them and goes to the ledger only.
type RowError struct {
	Index  int // of the write in the call
	Code   Code
	Table  string
	Column string     // the column at fault, as the target has it; several are joined by ", "
	Key    ForeignKey // of CodeMissingParent: the foreign key
	Detail string     // the database's own words, values included
	Err    error
}

func (e *RowError) Error() string {
	if e.Column == "" {
		return fmt.Sprintf("row of %s refused: %s", e.Table, e.Code)
	}
	return fmt.Sprintf("row of %s refused: %s on %s", e.Table, e.Code, e.Column)
}

func (e *RowError) Unwrap() error { return e.Err }

// MapError means that one table cannot be read or written as its map says: a missing table, column or privilege, a
// changed type. Other maps are not concerned.
type MapError struct {
	Table  string
	Reason string // one clause, no values of rows
	Err    error
}

func (e *MapError) Error() string { return fmt.Sprintf("table %s: %s", e.Table, e.Reason) }

func (e *MapError) Unwrap() error { return e.Err }

// GapError means that changes may have been lost between two positions of a log. Table is set when only that table is
// concerned (its capture was removed for a while).
type GapError struct {
	Table  string
	Reason string   // one clause, no values of rows
	Next   Position // a cursor from which the log can be read without a gap; of no use while Table is set: Release it
}

func (e *GapError) Error() string {
	if e.Table != "" {
		return fmt.Sprintf("gap in the log for table %s: %s", e.Table, e.Reason)
	}
	return "gap in the log: " + e.Reason
}

// Transient wraps an error so that it matches ErrTransient.
func Transient(err error) error { return &transientError{err: err} }

// Because is Transient with the reason as one clause, without values of rows: it may reach logs and Temporal.
func Because(reason string, err error) error { return &transientError{err: err, reason: reason} }

// Busy wraps an error so that it matches ErrTransient and ErrBusy.
func Busy(err error) error { return &transientError{err: err, reason: ErrBusy.Error(), busy: true} }

// Reason is the clause that says why an error is a temporary one; "" where it is not known.
func Reason(err error) string {
	var t *transientError
	if errors.As(err, &t) {
		return t.reason
	}
	return ""
}

type transientError struct {
	err    error
	reason string
	busy   bool
}

func (e *transientError) Error() string { return e.err.Error() }

func (e *transientError) Unwrap() error { return e.err }

func (e *transientError) Is(target error) bool {
	return target == ErrTransient || (e.busy && target == ErrBusy)
}
