//go:build !failpoints

package workflows

import "time"

const (
	heartbeatTimeout = 15 * time.Second // then the worker counts as dead, and another takes over …
	lastRetry        = 15 * time.Second // … after at most this
)
