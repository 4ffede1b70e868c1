package main

import "strings"

// closest is the name most like a misspelt one; "": none is like it.
func closest(wrong string, names []string) string {
	best, distance := "", max(2, len(wrong)/3)+1
	for _, name := range names {
		if d := edits(strings.ToLower(wrong), strings.ToLower(name)); d < distance {
			best, distance = name, d
		}
	}
	return best
}

// edits counts the letters to change, add or drop to get from one word to another.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// unknown says that a name is not one of those there are, and which was perhaps meant.
func unknown(noun, name string, names []string) *failure {
	hint := "the " + noun + "s are: " + strings.Join(names, ", ")
	if near := closest(name, names); near != "" {
		hint = "did you mean " + near + "? " + hint
	}
	f := usage(hint, "there is no %s %q", noun, name)
	f.Code = "unknown_" + noun
	return f
}
