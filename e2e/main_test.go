// Package e2e_test holds the built program to what it promises, from outside: its commands, real databases that another
// program writes to, a real Temporal server. docs/testing.md says which test is for what.
package e2e_test

import (
	"os"
	"testing"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
