package worker

import (
	"context"

	"go.uber.org/zap"
)

// NewLookout is one look of a lookout.
func NewLookout(of Diagnoser, logger *zap.Logger) func(context.Context) {
	return newLookout(of, logger).look
}
