// Dualwrite keeps chosen tables of two databases equal, in both directions, in near real time.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := newProgram().run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// newProgram is the program on the streams of this process.
func newProgram() *program {
	return &program{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		terminal: terminal{in: isTerminal(os.Stdin), out: isTerminal(os.Stdout), err: isTerminal(os.Stderr), width: width(os.Stderr)},
		reach:    outside(),
	}
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// width is how many columns a terminal has; 0: it is none.
func width(f *os.File) int {
	w, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return w
}
