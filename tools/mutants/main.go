// Command mutants shows that the tests would notice if the engine were wrong. It makes one deliberate defect after the
// other (engine.txt, stores.txt), without touching the tree, runs the tests that should notice, and prints which did and
// how soon. It fails when a defect goes unnoticed.
//
//	go -C tools run ./mutants [-seeds 3000] [-only no-floor]
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"
)

func main() {
	seeds := flag.Int("seeds", 3000, "seeds of the simulation that a mutant may live through")
	only := flag.String("only", "", "try the mutant of this name alone")
	flag.Parse()
	if err := run(os.Stdout, *seeds, *only); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run tries all mutants, or one.
func run(out io.Writer, seeds int, only string) error {
	folder, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	all, err := load()
	if err != nil {
		return err
	}
	if only != "" {
		all = slices.DeleteFunc(all, func(m mutant) bool { return m.name != only })
	}
	lived := 0
	for i, became := range tryAll(all, folder, seeds) {
		r := <-became
		if r.err != nil {
			return r.err
		}
		if r.layer == "" {
			lived++
		}
		fmt.Fprintf(out, "%-32s %-24s %5.1f s  %s\n", all[i].name, r.result, r.took.Seconds(), all[i].says)
	}
	fmt.Fprintf(out, "%d of %d mutants killed\n", len(all)-lived, len(all))
	switch {
	case len(all) == 0:
		return errors.New("there is no such mutant")
	case lived > 0:
		return fmt.Errorf("%d mutants lived: the tests have a hole", lived)
	}
	return nil
}

// outcome is what has become of a mutant.
type outcome struct {
	result
	err error
}

// tryAll tries as many mutants at a time as there are processors, since compilers keep one of them busy. Each channel gets what has become
// of one mutant.
func tryAll(all []mutant, folder string, seeds int) []chan outcome {
	out := make([]chan outcome, len(all))
	for i := range out {
		out[i] = make(chan outcome, 1)
	}
	places := make(chan struct{}, runtime.NumCPU())
	go func() {
		for i := range all {
			places <- struct{}{}
			go func() {
				defer func() { <-places }()
				r, err := try(&all[i], filepath.Join(folder, all[i].name), seeds)
				out[i] <- outcome{r, err}
			}()
		}
	}()
	return out
}

// load reads the lists of mutants. The working directory is tools.
func load() ([]mutant, error) {
	var all []mutant
	for _, name := range []string{"engine.txt", "stores.txt"} {
		f, err := os.Open(filepath.Join("mutants", name))
		if err != nil {
			return nil, err
		}
		some, err := parse(f)
		_ = f.Close() // it was only read
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, some...)
	}
	return all, nil
}

// result is what killed a mutant.
type result struct {
	layer string // "": nothing
	seeds int    // of the simulation that had been run, 0: another layer
	took  time.Duration
}

func (r result) String() string {
	switch {
	case r.layer == "":
		return "LIVED"
	case r.seeds > 0:
		return fmt.Sprintf("%s, %d seeds", r.layer, r.seeds)
	}
	return r.layer
}

// layer is a kind of tests.
type layer struct {
	pkg   string
	run   string // as for go test -run
	skip  string
	seeds bool // it takes SEED and N
}

func layers() map[string]layer {
	return map[string]layer{
		"unit":          {pkg: "./replication", run: "^Test", skip: "^TestSimulation"},
		"simulation":    {pkg: "./replication", run: "^TestSimulation$", seeds: true},
		"judged":        {pkg: "./replication", run: "^TestSimulationJudged$", seeds: true},
		"kept":          {pkg: "./replication", run: "^TestSimulationKept$"},
		"memory":        {pkg: "./store/memory", run: "^TestContract$"},
		"sqlite":        {pkg: "./store/sqlite", run: "^TestContract$/^usual$"},
		"postgres":      {pkg: "./store/postgres", run: "^TestContract$/^apply$"},
		"postgres-log":  {pkg: "./store/postgres", run: "^TestContract$/^release$"},
		"postgres-unit": {pkg: "./store/postgres", run: "^TestAStatement"},
	}
}

// try makes a defect, and runs layer after layer until one notices. The folder is new, and for this mutant alone.
func try(m *mutant, folder string, seeds int) (result, error) {
	began := time.Now()
	if err := os.Mkdir(folder, 0o700); err != nil {
		return result{}, err
	}
	overlay, err := m.overlay(folder)
	if err != nil {
		return result{}, err
	}
	for _, name := range m.layers {
		l, ok := layers()[name]
		if !ok {
			return result{}, fmt.Errorf("mutant %s: there is no layer %q", m.name, name)
		}
		binary := filepath.Join(folder, "tests")
		build := exec.Command("go", "test", "-c", "-overlay", overlay, "-ldflags=-w", "-o", binary, l.pkg)
		build.Dir = ".."
		if said, err := build.CombinedOutput(); err != nil {
			return result{}, fmt.Errorf("mutant %s does not compile: %w\n%s", m.name, err, said)
		}
		noticed, n, err := l.notices(binary, seeds)
		if err != nil {
			return result{}, fmt.Errorf("mutant %s: %w", m.name, err)
		}
		if noticed {
			return result{name, n, time.Since(began)}, nil
		}
	}
	return result{took: time.Since(began)}, nil
}

// overlay writes the files with the defect, and the list that has the compiler read them instead.
func (m *mutant) overlay(folder string) (string, error) {
	replace := make(map[string]string)
	for i := range m.edits {
		e := &m.edits[i]
		path, err := filepath.Abs(filepath.Join("..", e.file))
		if err != nil {
			return "", err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("mutant %s: %w", m.name, err)
		}
		text, err := e.apply(string(source))
		if err != nil {
			return "", fmt.Errorf("mutant %s: %w", m.name, err)
		}
		changed := filepath.Join(folder, fmt.Sprintf("changed%d.go", i))
		if err := os.WriteFile(changed, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[path] = changed
	}
	list := filepath.Join(folder, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	return list, os.WriteFile(list, text, 0o600)
}

// mostSeeds are run at once: far fewer than patience allows for.
const mostSeeds = 1000

// shares are the seeds that are run at once: most mutants die at the first.
func (l layer) shares(seeds int) []int {
	if !l.seeds {
		return []int{0}
	}
	var out []int
	for n, share := 0, 125; n < seeds; n, share = n+share, min(2*share, mostSeeds) {
		out = append(out, min(share, seeds-n))
	}
	return out
}

// notices runs the tests; n is how many seeds were run when one failed.
func (l layer) notices(binary string, seeds int) (noticed bool, n int, err error) {
	for _, share := range l.shares(seeds) {
		failed, err := l.fails(binary, n+1, share)
		n += share
		if failed || err != nil {
			return failed, n, err
		}
	}
	return false, n, nil
}

// patience bounds one run: a defect may well keep the engine busy for ever, which is noticed too.
const patience = 5 * time.Minute

// fails runs the tests once.
func (l layer) fails(binary string, first, share int) (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	args := []string{"-test.run", l.run, "-test.failfast"}
	if l.skip != "" {
		args = append(args, "-test.skip", l.skip)
	}
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = filepath.Join("..", l.pkg)
	cmd.Env = append(os.Environ(), "SEED="+strconv.Itoa(first), "N="+strconv.Itoa(share), "SHRINK=no")
	said, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	switch {
	case err == nil && !bytes.Contains(said, []byte("PASS")), bytes.Contains(said, []byte("no tests to run")):
		return false, fmt.Errorf("no test has run: %s", said)
	case errors.As(err, &ended):
		return true, nil
	}
	return false, err
}
