package tablemap

import (
	"strings"
	"unicode/utf8"
)

// Closest is the name most like a misspelt one; "": none is like it.
func Closest(wrong string, names []string) string {
	best, distance := "", max(2, utf8.RuneCountInString(wrong)/3)+1
	for _, name := range names {
		if d := edits([]rune(strings.ToLower(wrong)), []rune(strings.ToLower(name))); d < distance && d < utf8.RuneCountInString(name) {
			best, distance = name, d
		}
	}
	return best
}

// edits counts the letters to change, add or drop to get from one word to another.
func edits(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// DidYouMean is the mend for a name that is not among those there are.
func DidYouMean(noun, wrong string, names []string) string {
	all := "the " + noun + "s are: " + strings.Join(names, ", ")
	if len(names) == 0 {
		all = "there are no " + noun + "s"
	}
	if near := Closest(wrong, names); near != "" {
		return "did you mean " + near + "? " + all
	}
	return all
}
