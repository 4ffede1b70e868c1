//go:build !failpoints

package worker

import "github.com/dualwrite/dualwrite/store"

// failing is for tests: see failpoint.go. Here it is nothing.
func failing(s store.Store) store.Store { return s }
