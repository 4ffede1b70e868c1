package activities

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// Types of application errors that Temporal tries again.
const (
	errorTemporary = "Temporary" // a database is down, busy, full
	errorHandOver  = "HandOver"  // this worker is stopping
	errorDatabase  = "Database"  // an error of a database that is not known to be temporary
)

// Delays before Temporal starts the next attempt.
const (
	afterHandOver = 100 * time.Millisecond
	afterFenced   = 2 * time.Second
)

// forTemporal turns an error of the engine into one for Temporal. Only texts of our own types get there: a database's
// own words may hold values of rows. Whether a type is tried again is the retry policy's business.
func forTemporal(err error) error {
	var (
		refusal *replication.Refusal
		gap     *store.GapError
		fault   *store.MapError
		row     *store.RowError
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refusal):
		return application(refusal.Message, tablemap.ErrorRefused, 0, refusal.Hint)
	case errors.As(err, &gap):
		return application(gap.Error(), tablemap.ErrorGap, 0)
	case errors.Is(err, store.ErrFenced):
		return application(store.ErrFenced.Error(), tablemap.ErrorFenced, afterFenced)
	case errors.As(err, &fault):
		return application(fault.Error(), tablemap.ErrorFault, 0)
	case errors.As(err, &row):
		return application(row.Error(), errorDatabase, 0)
	case errors.Is(err, store.ErrTransient):
		return application("temporary database error"+cause(err), errorTemporary, 0)
	case temporal.IsApplicationError(err), temporal.IsCanceledError(err):
		return err
	}
	return application("database error"+cause(err), errorDatabase, 0)
}

func application(message, kind string, delay time.Duration, details ...any) error {
	category := temporal.ApplicationErrorCategoryUnspecified
	if kind == errorHandOver || kind == tablemap.ErrorFenced {
		category = temporal.ApplicationErrorCategoryBenign
	}
	return temporal.NewApplicationErrorWithOptions(message, kind, temporal.ApplicationErrorOptions{
		NextRetryDelay: delay, Details: details, Category: category})
}

// isType reports whether an error is one for Temporal, of a type.
func isType(err error, name string) bool {
	var found *temporal.ApplicationError
	return errors.As(err, &found) && found.Type() == name
}

// cause names what is safe to name of an unknown error: that of the network, the server's code, or the class of the innermost.
func cause(err error) string {
	var network *net.OpError
	var server interface{ SQLState() string }
	switch {
	case errors.As(err, &network):
		return ": " + network.Error()
	case store.Reason(err) != "":
		return ": " + store.Reason(err)
	case errors.Is(err, context.DeadlineExceeded):
		return ": no answer in time"
	case errors.As(err, &server):
		return ": SQLSTATE " + server.SQLState()
	}
	return fmt.Sprintf(" (%T)", innermost(err))
}

func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

func handOver() error {
	return application("this worker is stopping", errorHandOver, afterHandOver)
}
