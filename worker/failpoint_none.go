//go:build !failpoints

package worker

import (
	"time"

	"github.com/dualwrite/dualwrite/store"
)

// failing is for tests: see failpoint.go. Here it is nothing.
func failing(s store.Store) store.Store { return s }

// Clock is the clock of the engine.
func Clock() func() time.Time { return time.Now }
