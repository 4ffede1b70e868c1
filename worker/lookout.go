package worker

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/dualwrite/dualwrite/replication"
)

// How often a worker looks at how both databases stand: each look costs some queries for every map.
const (
	lookEvery  = time.Minute
	lookPerMap = time.Second
)

// Diagnoser says how both databases stand with what dualwrite has put there.
type Diagnoser interface {
	Diagnose(ctx context.Context) []replication.Finding
}

// lookout logs what `dualwrite doctor` would find on the databases, for those whom nobody asks: a log that grows until the
// disk is full, a transaction that holds everything up.
type lookout struct {
	of     Diagnoser
	logger *zap.Logger
	told   map[finding]bool
}

// finding is what is told once, however its figures change.
type finding struct{ code, side string }

func newLookout(of Diagnoser, logger *zap.Logger) *lookout {
	return &lookout{of: of, logger: logger, told: make(map[finding]bool)}
}

// keep looks again and again, until ctx ends.
func (l *lookout) keep(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l.look(ctx)
		}
	}
}

// look tells what is new, and what is over.
func (l *lookout) look(ctx context.Context) {
	found := l.of.Diagnose(ctx)
	if ctx.Err() != nil {
		return // what did not answer was not waited for
	}
	now := make(map[finding]bool)
	for _, f := range found {
		key := finding{f.Code, f.Side}
		if f.Severity == replication.SeverityInfo || now[key] {
			continue
		}
		now[key] = true
		if !l.told[key] {
			l.logger.Warn("finding: "+f.Message, zap.String("code", f.Code), zap.String("side", f.Side), zap.String("hint", f.Hint))
		}
	}
	for key := range l.told {
		if !now[key] {
			l.logger.Info("finding is over", zap.String("code", key.code), zap.String("side", key.side))
		}
	}
	l.told = now
}
