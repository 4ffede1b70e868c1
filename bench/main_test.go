// Package bench measures dualwrite on PostgreSQL beside what a user would pick instead: `psql COPY | COPY` and native
// logical replication. Both run in turns on the same two servers, so that what counts is the ratio; README.md says how,
// and what came out.
//
//	make bench                                        all of it, about an hour
//	make bench BENCH=Copy ROWS=1000000 ROUNDS=3       some of it
package bench

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/dualwrite/dualwrite/e2e/harness"
	"github.com/dualwrite/dualwrite/store/postgres/postgrestest"
)

var (
	rows    = flag.Int("rows", 1_000_000, "rows of a copy, changes of a backlog")
	rounds  = flag.Int("rounds", 3, "rounds of each measurement")
	results = flag.String("results", "", "folder to write the figures to, as JSON")
)

// clusters are the servers of finops and dataverse.
var clusters [2]*postgrestest.Cluster

func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.bench").Value.String() == "" {
		os.Exit(m.Run()) // a test run needs no servers
	}
	os.Exit(measure(m))
}

// serverSettings are those of a small but real server: commits are durable, the log is not cut short by checkpoints.
func serverSettings() postgrestest.Options {
	return postgrestest.Options{Durable: true, Settings: map[string]string{
		"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min", "track_commit_timestamp": "on",
		"max_logical_replication_workers": "8", "logical_decoding_work_mem": "64MB", "wal_compression": "off",
	}}
}

func measure(m *testing.M) int {
	for i, name := range []string{"DUALWRITE_TEST_POSTGRES_A", "DUALWRITE_TEST_POSTGRES_B"} {
		c, err := postgrestest.Start(serverSettings())
		if err != nil {
			fmt.Fprintln(os.Stderr, "benchmarks cannot begin:", err)
			return 1
		}
		defer func() { _ = c.Remove() }()
		clusters[i] = c
		if err := os.Setenv(name, c.URL("postgres")); err != nil {
			fmt.Fprintln(os.Stderr, "benchmarks cannot begin:", err)
			return 1
		}
	}
	code := harness.Main(m)
	if err := write(*results); err != nil {
		fmt.Fprintln(os.Stderr, "results cannot be written:", err)
		return 1
	}
	return code
}
