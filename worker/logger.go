package worker

import (
	"context"
	"errors"

	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Logger hands zap to the Temporal SDK.
func Logger(z *zap.Logger) log.Logger { return logger{z.WithOptions(zap.AddCallerSkip(1)).Sugar()} }

type logger struct{ z *zap.SugaredLogger }

var (
	_ log.WithLogger      = logger{}
	_ log.WithSkipCallers = logger{}
)

func (l logger) Debug(msg string, keyvals ...any) { l.z.Debugw(msg, keyvals...) }
func (l logger) Info(msg string, keyvals ...any)  { l.z.Infow(msg, keyvals...) }
func (l logger) Warn(msg string, keyvals ...any)  { l.atMost(zap.WarnLevel, msg, keyvals) }
func (l logger) Error(msg string, keyvals ...any) { l.atMost(zap.ErrorLevel, msg, keyvals) }

// atMost logs at that level, but at debug what the SDK says about an activity that was cancelled: each pause and stop
// of a map does that.
func (l logger) atMost(level zapcore.Level, msg string, keyvals []any) {
	for _, v := range keyvals {
		if err, ok := v.(error); ok && (errors.Is(err, context.Canceled) || temporal.IsCanceledError(err)) {
			level = zap.DebugLevel
		}
	}
	l.z.WithOptions(zap.AddCallerSkip(1)).Logw(level, msg, keyvals...)
}

// With adds fields to every line.
func (l logger) With(keyvals ...any) log.Logger { return logger{l.z.With(keyvals...)} }

// WithCallerSkip leaves out callers from the place that a line names.
func (l logger) WithCallerSkip(n int) log.Logger {
	return logger{l.z.WithOptions(zap.AddCallerSkip(n))}
}
