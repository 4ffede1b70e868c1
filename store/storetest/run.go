package storetest

import "testing"

// Run runs the suite. open is called once per test, each time for a database of its own.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	for _, g := range groups() {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range g.cases {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					c.run(setup(t, open(t)))
				})
			}
		})
	}
}

// group is the tests of one part of the contract.
type group struct {
	name  string
	cases []testCase
}

// testCase is one sentence of the contract, or a few that belong together.
type testCase struct {
	name string
	run  func(*bundle)
}

func groups() []group {
	return []group{
		{"describe", describeTests()},
		{"preflight", preflightTests()},
		{"capture", captureTests()},
		{"release", releaseTests()},
		{"fence", fenceTests()},
		{"marker", markerTests()},
		{"view", viewTests()},
		{"transaction", transactionTests()},
		{"parts", partTests()},
		{"block", blockTests()},
		{"quiet", quietTests()},
		{"apply", applyTests()},
		{"alternate key", alternateTests()},
		{"fault", faultTests()},
		{"ledger", ledgerTests()},
		{"log", logTests()},
		{"open", openTests()},
		{"gap", gapTests()},
		{"values", valueTests()},
		{"concurrency", concurrencyTests()},
	}
}
