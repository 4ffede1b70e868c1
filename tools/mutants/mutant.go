package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// mutant is one deliberate defect: texts of files that are replaced.
type mutant struct {
	name   string
	says   string
	layers []string // in which order they are asked
	edits  []edit
}

// edit replaces a text of a file.
type edit struct {
	file     string // from the root of the tree
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
	var e edit
	var text *string
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		switch {
		case line == markOld:
			text = &e.old
		case line == markNew && text == &e.old:
			text = &e.new
		case line == markEnd:
			if len(all) == 0 || e.file == "" || e.old == "" || text != &e.new {
				return nil, fmt.Errorf("line %d: a mutant is not complete", n)
			}
			e.old, e.new = strings.TrimSuffix(e.old, "\n"), strings.TrimSuffix(e.new, "\n")
			last := &all[len(all)-1]
			last.edits, e, text = append(last.edits, e), edit{}, nil
		case text != nil:
			*text += line + "\n"
		case line != "" && !strings.HasPrefix(line, "#"):
			var err error
			if all, err = field(all, &e, line); err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
		}
	}
	if text != nil {
		return nil, fmt.Errorf("the last mutant has no %s", markEnd)
	}
	return all, lines.Err()
}

// field reads a line of a mutant's head.
func field(all []mutant, e *edit, line string) ([]mutant, error) {
	name, value, _ := strings.Cut(line, " ")
	value = strings.TrimSpace(value)
	switch {
	case name == "mutant":
		return append(all, mutant{name: value}), nil
	case len(all) == 0:
	case name == "says":
		all[len(all)-1].says = value
		return all, nil
	case name == "tests":
		all[len(all)-1].layers = strings.Fields(value)
		return all, nil
	case name == "file":
		e.file = value
		return all, nil
	}
	return nil, fmt.Errorf("%q is neither a field nor a comment", line)
}

// apply makes one edit of the defect.
func (e *edit) apply(source string) (string, error) {
	if n := strings.Count(source, e.old); n != 1 {
		return "", fmt.Errorf("its text stands %d times in %s, not once: move it along with the code", n, e.file)
	}
	return strings.Replace(source, e.old, e.new, 1), nil
}
