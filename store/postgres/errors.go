package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/dualwrite/dualwrite/store"
)

// SQLSTATEs that we tell apart.
const (
	stateProtocol         = "08P01"
	stateNotNull          = "23502"
	stateForeignKey       = "23503"
	stateUnique           = "23505"
	stateCheck            = "23514"
	stateExclusion        = "23P01"
	stateRaised           = "P0001"
	stateLockTimeout      = "55P03"
	stateDeadlock         = "40P01"
	stateCanceled         = "57014"
	stateDiskFull         = "53100"
	stateReadOnly         = "25006"
	stateObjectInUse      = "55006"
	stateUndefinedTable   = "42P01"
	stateUndefinedSchema  = "3F000"
	stateUndefinedObject  = "42704"
	stateDuplicateObject  = "42710"
	stateFeature          = "0A000" // also: a cached plan must not change its result
	statePrivilege        = "42501"
	stateInvalidCatalog   = "3D000"
	stateTooLongIndex     = "54000"
	stateGeneratedAlways  = "428C9" // an identity column can only be updated to its default
	stateNotPrerequisites = "55000"
)

// pgError returns the server's error in err; nil where there is none.
func pgError(err error) *pgconn.PgError {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// state is the SQLSTATE of an error, "" when it is not the server's.
func state(err error) string {
	if e := pgError(err); e != nil {
		return e.Code
	}
	return ""
}

// fault classifies an error that no row is to blame for.
func fault(err error) error {
	if err == nil || errors.Is(err, store.ErrTransient) || errors.Is(err, context.Canceled) {
		return err
	}
	e := pgError(err)
	if e == nil {
		return connectionFault(err)
	}
	switch e.Code {
	case stateLockTimeout, stateDeadlock:
		return store.Busy(err)
	case stateDiskFull:
		return store.Because("the disk is full", err)
	case stateReadOnly:
		return store.Because("the database is read-only", err)
	case stateFeature:
		if strings.Contains(e.Message, "cached plan") {
			return store.Transient(err)
		}
	case stateObjectInUse:
		return store.Because("another reader holds the replication slot", err)
	}
	switch e.Code[:2] {
	case "28":
		return store.Because("the server refuses the login: the URL's password may be out of date (restart the worker with the new one), or pg_hba.conf lacks us", err)
	case "08", "57":
		return store.Because("the connection was ended by the server", err)
	case "40", "53", "58":
		return store.Transient(err)
	}
	return err
}

// connectionFault classifies an error that did not come from the server.
func connectionFault(err error) error {
	var network net.Error
	var connecting *pgconn.ConnectError
	switch {
	case errors.As(err, &connecting):
		return store.Because("the server cannot be reached", err)
	case errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		strings.Contains(err.Error(), "conn closed"), strings.Contains(err.Error(), "conn busy"):
		return store.Because("the connection to the server was lost", err)
	}
	return err
}

// tableFault is fault for a statement on a table of users: what the server cannot even plan is the map's fault.
func tableFault(table string, err error) error {
	e := pgError(err)
	if e == nil || errors.Is(fault(err), store.ErrTransient) {
		return fault(err)
	}
	if e.Code[:2] == "42" || e.Code == stateFeature || e.Code == stateNotPrerequisites {
		return &store.MapError{Table: table, Reason: e.Message, Err: err}
	}
	return fault(err)
}

// rowFault classifies an error of a write. It returns a *store.RowError, without Index, when the row is to blame.
func rowFault(table string, err error) error {
	e := pgError(err)
	if e == nil || errors.Is(fault(err), store.ErrTransient) {
		return fault(err)
	}
	out := &store.RowError{Table: table, Column: e.ColumnName, Detail: detail(e), Err: nil}
	switch {
	case e.Code == stateNotNull:
		out.Code = store.CodeNotNull
	case e.Code == stateForeignKey:
		out.Code = store.CodeForeignKey
	case e.Code == stateUnique, e.Code == stateExclusion:
		out.Code = store.CodeUnique
	case e.Code == stateCheck:
		out.Code = store.CodeCheck
	case e.Code == stateRaised:
		out.Code = store.CodeRaised
	case e.Code == stateTooLongIndex:
		out.Code = store.CodeTooLarge
	case e.Code[:2] == "22":
		out.Code = store.CodeType
	case e.Code == stateGeneratedAlways, e.Code[:2] == "23", e.Code[:2] == "P0", e.Code[:2] == "38", e.Code[:2] == "09", e.Code[:2] == "54":
		out.Code = store.CodeOther
	default:
		return tableFault(table, err)
	}
	return out
}

// detail is the server's own words, values included.
func detail(e *pgconn.PgError) string {
	if e.Detail == "" {
		return e.Message
	}
	return e.Message + ": " + e.Detail
}

// missing says that a table or column is not there, or not as it must be.
func missing(table, format string, args ...any) *store.MapError {
	return &store.MapError{Table: table, Reason: fmt.Sprintf(format, args...)}
}
