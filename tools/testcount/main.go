// Command testcount runs commands that print the events of `go test -json`, one after the other, shows what fails, and
// ends with one line: how many tests passed and how many failed.
//
//	testcount go test -json ./... -- go -C tools test -json ./...
//
// A test with subtests counts through them, and by itself only if it fails though none of them does. A test that never
// says how it ended, a package that does not build or ends early, and a command that fails for any other reason each
// count as a failure, so that nothing that was cut short looks like a pass.
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run carries out the commands and returns the exit code.
func run(args []string, out, err io.Writer) int {
	c := newCounter(out)
	for _, command := range commands(args) {
		c.command(command, err)
	}
	return c.close()
}

// commands splits arguments at "--".
func commands(args []string) [][]string {
	all := [][]string{nil}
	for _, a := range args {
		if a == "--" {
			all = append(all, nil)
			continue
		}
		all[len(all)-1] = append(all[len(all)-1], a)
	}
	return all
}

// command runs one command and counts its events.
func (c *counter) command(args []string, errs io.Writer) {
	if len(args) == 0 {
		c.fail("no command", "")
		return
	}
	before := c.failed
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = errs
	events, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		c.fail(strings.Join(args, " "), err.Error()+"\n")
		return
	}
	readErr := c.read(events)
	err = cmd.Wait()
	c.endAll()
	if readErr != nil {
		c.fail(strings.Join(args, " "), fmt.Sprintf("events cannot be read: %v\n", readErr))
	}
	if err != nil && c.failed == before {
		c.fail(strings.Join(args, " "), err.Error()+"\n")
	}
}
