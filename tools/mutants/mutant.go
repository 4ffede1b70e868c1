package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// mutant is one deliberate defect: a text of a file that is replaced.
type mutant struct {
	name     string
	says     string
	file     string   // from the root of the tree
	layers   []string // in which order they are asked
	old, new string
}

// The marks around the two texts.
const (
	markOld = "<<<<"
	markNew = "===="
	markEnd = ">>>>"
)

// parse reads mutants. Lines between them that begin with # are comments.
func parse(r io.Reader) ([]mutant, error) {
	var all []mutant
	var m mutant
	var text *string
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		field, value, _ := strings.Cut(line, " ")
		value = strings.TrimSpace(value)
		switch {
		case line == markOld:
			text = &m.old
		case line == markNew && text == &m.old:
			text = &m.new
		case line == markEnd:
			if m.name == "" || m.file == "" || len(m.layers) == 0 || m.old == "" || text != &m.new {
				return nil, fmt.Errorf("line %d: mutant %q is not complete", n, m.name)
			}
			m.old, m.new = strings.TrimSuffix(m.old, "\n"), strings.TrimSuffix(m.new, "\n")
			all, m, text = append(all, m), mutant{}, nil
		case text != nil:
			*text += line + "\n"
		case field == "mutant":
			m.name = value
		case field == "says":
			m.says = value
		case field == "file":
			m.file = value
		case field == "tests":
			m.layers = strings.Fields(value)
		case line != "" && field != "#" && !strings.HasPrefix(line, "#"):
			return nil, fmt.Errorf("line %d: %q is neither a field nor a comment", n, line)
		}
	}
	if text != nil {
		return nil, fmt.Errorf("the last mutant has no %s", markEnd)
	}
	return all, lines.Err()
}

// apply makes the defect.
func (m *mutant) apply(source string) (string, error) {
	if n := strings.Count(source, m.old); n != 1 {
		return "", fmt.Errorf("mutant %s: its text stands %d times in %s, not once: move it along with the code", m.name, n, m.file)
	}
	return strings.Replace(source, m.old, m.new, 1), nil
}
