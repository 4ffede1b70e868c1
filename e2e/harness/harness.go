// Package harness drives the built program from outside, as people and scripts do: the `dualwrite` and `temporal`
// commands, two databases that the `sqlite3` and `psql` commands write to as the users' application, and a real Temporal
// server.
//
// A test package hands its TestMain to Main, which builds bin/dualwrite (or takes the one that DUALWRITE_E2E_PROGRAM
// names) and starts one Temporal server for all its tests. A test then reads like this:
//
//	l := harness.New(t, harness.Setup{Pair: pair, Left: schema, Right: schema, Maps: maps}) // folder, two databases, config
//	w := l.Work()                                     // a `dualwrite worker`, ready; w.Kill(), w.Stop(), l.Work() again
//	l.Left.Exec("INSERT INTO customer …")             // the application's own process
//	l.Do("run", "customers")                          // a command that must end with 0
//	l.Exits(3, "pause", "customers")                  // one that must end otherwise
//	l.Status("customers").Streams[0].Queued           // `status -o json`
//	l.Await("customers", harness.Running)
//	l.Right.Becomes("SELECT name FROM account WHERE …", "Adatum")
//	l.Temporal("workflow", "signal", "-w", l.Workflow("customers"), "--name", "pause")
//	stop := l.Left.Load(func(i int) string { … })     // statements, each its own transaction, until stop()
//	l.Equal("customers")                              // verify says so, and nothing is queued or held
//
// Pairs runs a test on several kinds of databases, PostgreSQL's on one server per side that all tests share. Tests say SQL
// that SQLite reads; what PostgreSQL says otherwise is put into its words: see rules.
//
// Every link has a name of its own, hence task queues and workflows of its own, so tests run in parallel on one server.
// A test that kills its server starts one with StartTemporal and gives it to Setup. All that a test has started is
// ended and checked to be gone with the test; on failure the logs are shown. Nothing here sleeps: what is to happen by
// itself is polled for until Patience is over.
package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dualwrite/dualwrite/cmd/dualwrite/devserver"
)

// Patience is how long anything that is to happen by itself may take. It is a deadline, not an expectation: most of it
// takes milliseconds, and the machine may be busy.
const Patience = 2 * time.Minute

// Names in the environment. Those beginning with DUALWRITE_E2E may be set by people.
const (
	variableProgram = "DUALWRITE_E2E_PROGRAM" // a built dualwrite to test instead of building one
	variableScale   = "DUALWRITE_E2E_SCALE"   // "full": the largest figures; default: those that fit a build machine
	variablePair    = "DUALWRITE_E2E_PAIR"    // the one Pair to run tests of several on: "postgres-sqlite", say
	variableServer  = "DUALWRITE_E2E_SERVER"  // address of the shared Temporal server; set by Main
	variableUI      = "DUALWRITE_E2E_UI"      // address of its Web UI; set by Main
	variableCLI     = "DUALWRITE_E2E_TEMPORAL"
)

// Main builds the program, with build tags, starts the shared Temporal server, runs the tests and ends the server. It
// returns the exit code.
func Main(m *testing.M, tags ...string) int {
	folder, err := os.MkdirTemp("", "dualwrite-e2e-")
	if err != nil {
		return complain(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	server, err := prepare(folder, tags)
	if err != nil {
		return complain(err)
	}
	defer server.Stop()
	defer postgresServers.remove()
	for name, value := range map[string]string{variableServer: server.Address(), variableUI: server.UI()} {
		if err := os.Setenv(name, value); err != nil {
			return complain(err)
		}
	}
	return m.Run()
}

func complain(err error) int {
	fmt.Fprintln(os.Stderr, "end-to-end tests cannot begin:", err)
	return 1
}

// prepare finds or builds the programs and starts the server.
func prepare(folder string, tags []string) (*devserver.Server, error) {
	root, err := repository()
	if err != nil {
		return nil, err
	}
	if os.Getenv(variableProgram) == "" || len(tags) > 0 {
		program := filepath.Join(folder, "dualwrite")
		build := exec.Command("go", "build", "-trimpath", "-tags", strings.Join(tags, ","), "-o", program, "./cmd/dualwrite")
		build.Dir = root
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build dualwrite: %w\n%s", err, out)
		}
		if err := os.Setenv(variableProgram, program); err != nil {
			return nil, err
		}
	}
	cli, err := devserver.Find(filepath.Join(root, "bin", "dualwrite"))
	if err != nil {
		return nil, fmt.Errorf("find temporal: %w", err)
	}
	if err := os.Setenv(variableCLI, cli); err != nil {
		return nil, err
	}
	return launch(devserver.Options{Program: cli, StateDir: filepath.Join(folder, "temporal"), Grace: 5 * time.Second, Volatile: true})
}

// repository is the root of the tree.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find working directory: %w", err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("no go.mod above the working directory")
}

// Repository is the root of the tree, for examples and pages.
func Repository(t testing.TB) string {
	t.Helper()
	dir, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// Scale is full where DUALWRITE_E2E_SCALE says so, else usual.
func Scale(usual, full int) int {
	if os.Getenv(variableScale) == "full" {
		return full
	}
	return usual
}

// environment is this process's, with Temporal at an address and nothing else said about it.
func environment(address string) []string {
	var kept []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "TEMPORAL_") {
			kept = append(kept, v)
		}
	}
	kept = append(kept, "PATH="+filepath.Dir(os.Getenv(variableCLI))+":"+os.Getenv("PATH")) // for commands that start Temporal
	return append(kept, "TEMPORAL_ADDRESS="+address, "TEMPORAL_DISABLE_CONFIG_FILE=true")
}
