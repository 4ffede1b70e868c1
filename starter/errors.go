package starter

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"

	"github.com/dualwrite/dualwrite/tablemap"
	"github.com/dualwrite/dualwrite/workflows"
)

// Error is an error for people: one sentence, its mend, and a code that scripts can rely on.
type Error struct {
	Code    Code
	Message string
	Hint    string
	Err     error
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Err }

// Code says what kind of error it is.
type Code string

// The codes.
const (
	CodeTemporalDown Code = "temporal_unavailable"
	CodeNoWorker     Code = "no_worker"
	CodeUnknownMap   Code = "unknown_map"
	CodeNotAllowed   Code = "not_allowed" // the status does not allow the command
	CodeMalformed    Code = "malformed"   // the request cannot be understood
	CodeRefused      Code = "refused"     // the map cannot run as it is configured
	CodeFailed       Code = "failed"
	CodeTimeout      Code = "timeout"
)

const (
	startTemporal = "start `dualwrite up`, or set TEMPORAL_ADDRESS to a Temporal server that runs"
	startWorker   = "start `dualwrite up` or `dualwrite worker`"
)

// explain turns an error of the Temporal client into an *Error. name is the map it is about, or "".
func explain(err error, name string) error {
	var (
		known    *Error
		app      *temporal.ApplicationError
		missing  *serviceerror.NotFound
		spaceOut *serviceerror.NamespaceNotFound
		queryOut *serviceerror.QueryFailed
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return err
	case errors.As(err, &app):
		return fromApplication(app)
	case errors.As(err, &spaceOut):
		return &Error{CodeTemporalDown, "Temporal has no namespace " + spaceOut.Namespace, "set TEMPORAL_NAMESPACE", err}
	case errors.As(err, &missing):
		return unknown(name, err)
	case isNoWorker(err):
		return &Error{CodeNoWorker, "no worker answers", startWorker, err}
	case isDown(err):
		return &Error{CodeTemporalDown, "Temporal does not answer", startTemporal, err}
	case errors.As(err, &queryOut):
		return &Error{CodeFailed, "the workflow does not answer: " + queryOut.Message, startWorker, err}
	case errors.Is(err, context.Canceled):
		return err
	case isTimeout(err):
		return &Error{CodeTimeout, "no answer in time", "see that a worker runs: " + startWorker, err}
	}
	return &Error{CodeFailed, err.Error(), "see the logs of the worker and of Temporal", err}
}

func unknown(name string, err error) error {
	return &Error{CodeUnknownMap, fmt.Sprintf("map %q is not registered in Temporal", name),
		"start `dualwrite up` or `dualwrite worker` with a config that has it", err}
}

func fromApplication(app *temporal.ApplicationError) error {
	e := &Error{CodeFailed, app.Message(), "", app}
	switch app.Type() {
	case workflows.ErrorNotAllowed:
		e.Code = CodeNotAllowed
	case workflows.ErrorMalformed:
		e.Code = CodeMalformed
	case workflows.ErrorUnknownMap:
		e.Code = CodeUnknownMap
	case tablemap.ErrorRefused:
		e.Code = CodeRefused
	}
	if app.HasDetails() {
		var first any
		if app.Details(&first) == nil {
			e.Hint, _ = first.(string)
		}
	}
	return e
}

func isDown(err error) bool {
	var unavailable *serviceerror.Unavailable
	return errors.As(err, &unavailable) || strings.Contains(err.Error(), "failed reaching server")
}

// isNoWorker recognises the server's words for a task queue that nobody polls.
func isNoWorker(err error) bool {
	var precondition *serviceerror.FailedPrecondition
	return errors.As(err, &precondition) && strings.Contains(err.Error(), "no poller")
}

func isTimeout(err error) bool {
	var deadline *serviceerror.DeadlineExceeded
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &deadline)
}

// passing reports whether an error goes away by itself: the map is between two runs of its workflow, or the worker or the
// server is busy. A request that has been taken is not carried out twice, since it has an id.
func passing(err error) bool {
	var notReady *serviceerror.WorkflowNotReady
	var exhausted *serviceerror.ResourceExhausted
	var app *temporal.ApplicationError
	if errors.As(err, &notReady) || errors.As(err, &exhausted) || isTimeout(err) {
		return true
	}
	if errors.As(err, &app) {
		return app.Type() == workflows.ErrorAgain || app.Type() == "AcceptedUpdateCompletedWorkflow"
	}
	var precondition *serviceerror.FailedPrecondition
	return errors.As(err, &precondition) && !isNoWorker(err)
}
