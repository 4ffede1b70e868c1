package replication

import (
	"slices"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

// conditionNames lists the names in an SQL condition: every bare word, and every quoted identifier.
func conditionNames(condition string) (words, quoted []string) {
	for rest := condition; rest != ""; {
		n, word := conditionToken(rest)
		switch {
		case word == "":
		case strings.ContainsAny(rest[:1], "\"`["):
			quoted = append(quoted, word)
		default:
			words = append(words, word)
		}
		rest = rest[n:]
	}
	return words, quoted
}

// conditionToken measures the token that a condition begins with, and returns the name if it is one.
func conditionToken(s string) (n int, name string) {
	switch c := s[0]; {
	case c == '\'':
		return quotedLength(s, '\''), ""
	case c == '"' || c == '`':
		n = quotedLength(s, c)
		return n, unquoted(s[:n], string(c))
	case c == '[':
		n = quotedLength(s, ']')
		return n, unquoted(s[:n], "]")
	case strings.HasPrefix(s, "--"):
		return through(s, "\n"), ""
	case strings.HasPrefix(s, "/*"):
		return through(s, "*/"), ""
	case c == '_' || c >= 0x80 || c|0x20 >= 'a' && c|0x20 <= 'z':
		n = len(s) - len(strings.TrimLeftFunc(s, isWord))
		return n, s[:n]
	case c >= '0' && c <= '9':
		return len(s) - len(strings.TrimLeftFunc(s, func(r rune) bool { return isWord(r) || r == '.' })), ""
	}
	return 1, ""
}

func isWord(r rune) bool {
	return r == '_' || r == '$' || r >= 0x80 || r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z'
}

// quotedLength measures what begins with a quote and ends with the mark, which stands for itself where it is doubled.
func quotedLength(s string, mark byte) int {
	for i := 1; i < len(s); i++ {
		if s[i] != mark {
			continue
		}
		if i+1 < len(s) && s[i+1] == mark {
			i++
			continue
		}
		return i + 1
	}
	return len(s)
}

func unquoted(s, mark string) string {
	if len(s) < 2 {
		return ""
	}
	return strings.ReplaceAll(s[1:len(s)-1], mark+mark, mark)
}

// through measures up to the end of the mark.
func through(s, mark string) int {
	if i := strings.Index(s[2:], mark); i >= 0 {
		return 2 + i + len(mark)
	}
	return len(s)
}

// conditionColumns are the columns of a table that a condition may read, and the quoted names that are none.
func conditionColumns(t *store.Table, condition string) (columns []store.Column, unknown []string) {
	words, quoted := conditionNames(condition)
	for _, name := range append(words, quoted...) {
		c, ok := columnOf(t, name)
		switch {
		case ok && !slices.ContainsFunc(columns, func(o store.Column) bool { return o.Name == c.Name }):
			columns = append(columns, c)
		case !ok && slices.Contains(quoted, name) && !slices.Contains(unknown, name):
			unknown = append(unknown, name)
		}
	}
	return columns, unknown
}
