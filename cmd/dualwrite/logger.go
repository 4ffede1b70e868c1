package main

import (
	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// logLevel adds the flag for the level of logs to a command that runs for long.
func logLevel(c *cobra.Command, level *string) {
	c.Flags().StringVar(level, "log-level", "info", "least severe logs on standard error: debug, info, warn or error")
}

// newLogger makes a logger that writes to standard error.
func (p *program) newLogger(level string) (*zap.Logger, error) {
	var least zapcore.Level
	if err := least.Set(level); err != nil || least > zapcore.ErrorLevel {
		return nil, usage("debug, info, warn or error", "there is no log level %q", level)
	}
	encoding := zap.NewProductionEncoderConfig()
	encoding.EncodeTime = zapcore.RFC3339TimeEncoder
	encoding.EncodeLevel = zapcore.LowercaseLevelEncoder
	encoder := zapcore.NewJSONEncoder(encoding)
	if p.terminal.err {
		encoder = zapcore.NewConsoleEncoder(encoding)
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(p.err)), least)), nil
}
