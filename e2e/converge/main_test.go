// Package converge_test is the convergence test on real databases: applications write on both sides of a link while
// whatever it needs fails, at moments that a seed chooses; afterwards an independent checker judges the two sides by what
// triggers noted of every change. docs/reliability.md says what it has to find.
//
//	go test ./e2e/converge                                  8 seeds, 80 faults
//	make soak DURATION=1h SEED=1000                         as many seeds, from there, as the time allows
package converge_test

import (
	"os"
	"testing"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m, "failpoints")) }
