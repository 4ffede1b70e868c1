package workflows

import (
	"context"
	"errors"
	"reflect"
	"runtime"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/dualwrite/dualwrite/tablemap"
)

// started is an activity under way whose result is an Out.
type started[Out any] struct{ workflow.Future }

func (s started[Out]) get(ctx workflow.Context) (Out, error) {
	var out Out
	err := s.Get(ctx, &out)
	return out, err
}

// start begins an activity named by a method expression, so that the compiler checks its input and result.
func start[In, Out any](ctx workflow.Context, link string, method func(tablemap.Activities, context.Context, In) (Out, error), in In) started[Out] {
	name := methodName(method)
	ctx = workflow.WithActivityOptions(ctx, options(link, name))
	return started[Out]{workflow.ExecuteActivity(ctx, name, in)}
}

// do runs an activity that has no result.
func do[In any](ctx workflow.Context, link string, method func(tablemap.Activities, context.Context, In) error, in In) error {
	name := methodName(method)
	ctx = workflow.WithActivityOptions(ctx, options(link, name))
	return workflow.ExecuteActivity(ctx, name, in).Get(ctx, nil)
}

// methodName is the name of a method expression as the SDK takes it for the method of a registered struct.
func methodName(method any) string {
	full := runtime.FuncForPC(reflect.ValueOf(method).Pointer()).Name()
	return full[strings.LastIndexByte(full, '.')+1:]
}

// failure is what an activity's error tells people.
type failure struct {
	Type    string // of the application error; "" for a timeout or a cancellation
	Message string
	Hint    string
}

func failureOf(err error) failure {
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		f := failure{Type: app.Type(), Message: app.Message()}
		var first any
		if app.HasDetails() && app.Details(&first) == nil {
			f.Hint, _ = first.(string)
		}
		return f
	}
	var timeout *temporal.TimeoutError
	if errors.As(err, &timeout) {
		return failure{Message: "no answer in time; is a worker running, are both databases up?"}
	}
	return failure{Message: err.Error()}
}
