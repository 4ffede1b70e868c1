//go:build failpoints

package workflows

import "time"

// The test that kills hundreds of workers cannot wait half a minute for each.
const (
	heartbeatTimeout = 2 * time.Second
	lastRetry        = time.Second
)
