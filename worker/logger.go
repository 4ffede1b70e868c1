package worker

import (
	"go.temporal.io/sdk/log"
	"go.uber.org/zap"
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
func (l logger) Warn(msg string, keyvals ...any)  { l.z.Warnw(msg, keyvals...) }
func (l logger) Error(msg string, keyvals ...any) { l.z.Errorw(msg, keyvals...) }

// With adds fields to every line.
func (l logger) With(keyvals ...any) log.Logger { return logger{l.z.With(keyvals...)} }

// WithCallerSkip leaves out callers from the place that a line names.
func (l logger) WithCallerSkip(n int) log.Logger {
	return logger{l.z.WithOptions(zap.AddCallerSkip(n))}
}
