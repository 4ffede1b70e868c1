package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dualwrite/dualwrite/store"
	driversqlite "modernc.org/sqlite"
)

// SQLite's result codes that we tell apart; constraints have extended codes.
const (
	codeError        = 1
	codePerm         = 3
	codeBusy         = 5
	codeLocked       = 6
	codeNoMemory     = 7
	codeReadOnly     = 8
	codeInterrupt    = 9
	codeIO           = 10
	codeCorrupt      = 11
	codeFull         = 13
	codeCantOpen     = 14
	codeProtocol     = 15
	codeSchema       = 17
	codeTooBig       = 18
	codeConstraint   = 19
	codeMismatch     = 20
	codeAuth         = 23
	codeNotADatabase = 26

	codeCheck      = codeConstraint | 1<<8
	codeForeignKey = codeConstraint | 3<<8
	codeNotNull    = codeConstraint | 5<<8
	codePrimaryKey = codeConstraint | 6<<8
	codeTrigger    = codeConstraint | 7<<8
	codeUnique     = codeConstraint | 8<<8
	codeRowid      = codeConstraint | 10<<8
	codeDataType   = codeConstraint | 12<<8
)

// code returns SQLite's extended result code, 0 when the error is not SQLite's.
func code(err error) int {
	var e *driversqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// fault classifies an error that no row is to blame for.
func fault(err error) error {
	if err == nil || errors.Is(err, store.ErrTransient) {
		return err
	}
	switch code(err) & 0xff {
	case codeBusy, codeLocked:
		return store.Busy(err)
	case codeFull:
		return store.Because("the disk is full", err)
	case codeReadOnly:
		return store.Because("the file is read-only", err)
	case codeCantOpen:
		return store.Because("the file or its journal cannot be opened", err)
	case codeIO:
		return store.Because("the file cannot be read or written", err)
	case codeNoMemory, codeInterrupt, codeProtocol, codeSchema:
		return store.Transient(err)
	}
	return err
}

// tableFault is fault for a statement on a table of users: what SQLite cannot even prepare is the map's fault.
func tableFault(table string, err error) error {
	if code(err)&0xff == codeError || code(err)&0xff == codeAuth {
		return &store.MapError{Table: table, Reason: reason(err), Err: err}
	}
	return fault(err)
}

// reason is what SQLite says, without its name for the code.
func reason(err error) string {
	s := err.Error()
	if i := strings.LastIndex(s, " ("); i > 0 {
		s = s[:i]
	}
	_, detail, ok := strings.Cut(s, ": ")
	if !ok {
		return s
	}
	return detail
}

// rowFault classifies an error of a write of one row. It returns a *store.RowError, without Index, when the row is to
// blame.
func rowFault(table string, err error) error {
	e := &store.RowError{Table: table, Code: store.CodeOther, Detail: reason(err)}
	full := code(err)
	switch full & 0xff {
	case codeTooBig:
		e.Code = store.CodeTooLarge
	case codeMismatch:
		e.Code = store.CodeType
	case codeConstraint:
		e.Code, e.Column = constraint(full, table, e.Detail)
	default:
		return tableFault(table, err)
	}
	return e
}

// constraint reads code and columns from what SQLite says of a violated constraint.
func constraint(full int, table, detail string) (store.Code, string) {
	_, what, _ := strings.Cut(detail, " failed: ")
	switch full {
	case codeNotNull:
		return store.CodeNotNull, columnsIn(table, what)
	case codePrimaryKey, codeUnique, codeRowid:
		return store.CodeUnique, columnsIn(table, what)
	case codeCheck:
		return store.CodeCheck, ""
	case codeForeignKey:
		return store.CodeForeignKey, ""
	case codeTrigger:
		return store.CodeRaised, ""
	case codeDataType:
		if i := strings.LastIndex(detail, " column "); i >= 0 {
			return store.CodeType, columnsIn(table, detail[i+len(" column "):])
		}
		return store.CodeType, ""
	}
	return store.CodeOther, ""
}

// columnsIn takes the table off each of "t.a, t.b". Names may hold dots and commas themselves.
func columnsIn(table, what string) string {
	if rest, ok := cutFold(what, table+"."); ok {
		return strings.ReplaceAll(rest, ", "+table+".", ", ")
	}
	return ""
}

func cutFold(s, before string) (string, bool) {
	if len(s) >= len(before) && strings.EqualFold(s[:len(before)], before) {
		return s[len(before):], true
	}
	return s, false
}

// ended returns the context's error if that is why the work failed, else the error.
func ended(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && (errors.Is(err, ctx.Err()) || code(err)&0xff == codeInterrupt) {
		return ctx.Err()
	}
	return err
}

// missing says that a table or column is not there.
func missing(table, format string, args ...any) *store.MapError {
	return &store.MapError{Table: table, Reason: fmt.Sprintf(format, args...)}
}
