package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
)

// choice is what a person answers to the question which maps to run.
type choice int

const (
	chooseAll   choice = iota // the related maps too
	chooseAlone               // this map only
	chooseNone
)

// maxAsked is how often a question is asked again after an answer that means nothing.
const maxAsked = 3

// ask asks whether to run the related maps too. The end of the input is no answer: nothing is run.
func ask(ctx context.Context, in io.Reader, out io.Writer, question string) (choice, error) {
	lines := bufio.NewReader(in)
	for range maxAsked {
		fmt.Fprint(out, question)
		line, err := readLine(ctx, lines)
		if err != nil {
			fmt.Fprintln(out)
			return chooseNone, err
		}
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return chooseAll, nil
		case "n", "no":
			return chooseAlone, nil
		case "q", "quit":
			return chooseNone, nil
		}
	}
	return chooseNone, nil
}

// readLine reads a line; at the end of the input it is "q". A read that the context ends is left behind: the process is
// about to end.
func readLine(ctx context.Context, lines *bufio.Reader) (string, error) {
	answer := make(chan string, 1)
	go func() {
		line, err := lines.ReadString('\n')
		if err != nil && line == "" {
			line = "q"
		}
		answer <- line
	}()
	select {
	case line := <-answer:
		return line, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// confirm asks a question that only "yes" agrees to.
func confirm(ctx context.Context, in io.Reader, out io.Writer, question string) (bool, error) {
	fmt.Fprint(out, question)
	line, err := readLine(ctx, bufio.NewReader(in))
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes", err
}
