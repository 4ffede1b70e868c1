package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// event is one line of `go test -json`.
type event struct {
	Action  string
	Package string
	Test    string
	Elapsed float64
	Output  string
}

// counter counts tests.
type counter struct {
	out                     io.Writer
	packages                map[string]*testPackage
	reasons                 []string // of tests that failed, told once more at the end
	passed, failed, skipped int
}

// testPackage is a package whose tests are under way.
type testPackage struct {
	tests                   map[string]*test
	output                  strings.Builder // of no test
	passed, failed, skipped int
}

// test is a test under way.
type test struct {
	output strings.Builder
	parent bool // it has subtests
	failed bool // it has a subtest that failed
	ended  bool
}

func newCounter(out io.Writer) *counter {
	return &counter{out: out, packages: map[string]*testPackage{}}
}

// read counts events to the end of the stream. A line that is no event is shown as it is.
func (c *counter) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil || e.Action == "" {
				fmt.Fprintf(c.out, "%s", line)
			} else {
				c.take(e)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// take counts one event.
func (c *counter) take(e event) {
	if e.Action == "build-output" {
		fmt.Fprint(c.out, e.Output)
		return
	}
	if e.Package == "" {
		return
	}
	p := c.pkg(e.Package)
	if e.Test == "" {
		c.takePackage(p, e)
		return
	}
	t := p.test(e.Test)
	switch e.Action {
	case "output":
		t.output.WriteString(e.Output)
	case "pass", "fail", "skip":
		c.end(e.Package, e.Test, e.Action)
	}
}

func (c *counter) takePackage(p *testPackage, e event) {
	switch e.Action {
	case "output":
		p.output.WriteString(e.Output)
	case "pass", "fail", "skip":
		c.endPackage(e.Package, e.Action, e.Elapsed)
	}
}

func (c *counter) pkg(name string) *testPackage {
	if c.packages[name] == nil {
		c.packages[name] = &testPackage{tests: map[string]*test{}}
	}
	return c.packages[name]
}

// test returns the test of that name, and lets the tests that it is a part of know.
func (p *testPackage) test(name string) *test {
	if p.tests[name] == nil {
		p.tests[name] = &test{}
		if parent, _, ok := cutLast(name); ok {
			p.test(parent).parent = true
		}
	}
	return p.tests[name]
}

func cutLast(name string) (parent, last string, ok bool) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return name, "", false
	}
	return name[:i], name[i+1:], true
}

// end counts a test that has ended.
func (c *counter) end(name, testName, action string) {
	p := c.packages[name]
	t := p.test(testName)
	t.ended = true
	if action == "fail" {
		for parent, _, ok := cutLast(testName); ok; parent, _, ok = cutLast(parent) {
			p.test(parent).failed = true
		}
	}
	switch {
	case action == "fail":
		c.show(name+" "+testName, t.output.String())
		c.reasons = append(c.reasons, reason(name+" "+testName, t.output.String())...)
		if !t.failed {
			p.failed++
		}
	case t.parent:
	case action == "skip":
		p.skipped++
	default:
		p.passed++
	}
	t.output = strings.Builder{}
}

// endPackage adds up a package. One that failed though no test of it did, or while tests were under way, is a failure.
func (c *counter) endPackage(name, action string, seconds float64) {
	p := c.packages[name]
	if action == "fail" {
		c.endTests(name)
		if p.failed == 0 {
			p.failed++
		}
		c.show(name, p.output.String())
	}
	c.passed, c.failed, c.skipped = c.passed+p.passed, c.failed+p.failed, c.skipped+p.skipped
	delete(c.packages, name)
	word := "ok"
	if p.failed > 0 {
		word = "FAIL"
	}
	if n := p.passed + p.failed + p.skipped; n > 0 {
		fmt.Fprintf(c.out, "%-4s %s: %d tests in %.1f s\n", word, name, n, seconds)
	}
}

// endTests counts tests that never said how they ended as failed, subtests first.
func (c *counter) endTests(name string) {
	var left []string
	for testName, t := range c.packages[name].tests {
		if !t.ended {
			left = append(left, testName)
		}
	}
	slices.Sort(left)
	slices.Reverse(left)
	for _, testName := range left {
		c.end(name, testName, "fail")
	}
}

// endAll counts packages that never said how they ended as failed.
func (c *counter) endAll() {
	for name := range c.packages {
		c.endPackage(name, "fail", 0)
	}
}

// fail counts a failure that is of no package.
func (c *counter) fail(what, output string) {
	c.failed++
	c.show(what, output)
}

func (c *counter) show(what, output string) {
	fmt.Fprintf(c.out, "--- %s\n%s", what, output)
	if output != "" && !strings.HasSuffix(output, "\n") {
		fmt.Fprintln(c.out)
	}
}

// said is how a test's message begins: where it was said.
var said = regexp.MustCompile(`^\s+\w+\.go:\d+: `)

// reason is the beginning of what a failed test said, without the program's own output, under the test's name; nothing
// if it said nothing. Where logs are cut, their end is kept.
func reason(what, output string) []string {
	const messages, lines, width = 3, 12, 300
	var found []string
	message, line := 0, 0
	for text := range strings.Lines(output) {
		switch {
		case said.MatchString(text):
			message, line = message+1, 0
		case message == 0 || strings.HasPrefix(text, "---") || strings.HasPrefix(text, "==="):
			continue
		}
		if line++; message > messages || line > lines {
			continue
		}
		found = append(found, strings.TrimRight(text[:min(len(text), width)], "\n"))
	}
	if len(found) == 0 {
		return nil
	}
	return append([]string{"--- " + what}, found...)
}

// close prints the reasons of failures once more, and the last line, and returns the exit code.
func (c *counter) close() int {
	for _, line := range c.reasons {
		fmt.Fprintln(c.out, line)
	}
	if c.passed+c.failed == 0 {
		c.fail("no test has run", "")
	}
	line := fmt.Sprintf("%d passed, %d failed", c.passed, c.failed)
	if c.skipped > 0 {
		line += fmt.Sprintf(", %d skipped", c.skipped)
	}
	fmt.Fprintln(c.out, line)
	if c.failed > 0 {
		return 1
	}
	return 0
}
