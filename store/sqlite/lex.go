package sqlite

import (
	"errors"
	"strings"
)

// token is a word, a quoted name, a literal or one sign of an SQL text.
type token struct {
	text       string // as written
	start, end int    // where it stands
}

// lex splits an SQL text into tokens and leaves out spaces and comments. It reads what SQLite has accepted before, or
// conditions that operators wrote; a literal without an end is an error.
func lex(sql string) ([]token, error) {
	var out []token
	for i := 0; i < len(sql); {
		n, skip, err := lexOne(sql[i:])
		if err != nil {
			return nil, err
		}
		if !skip {
			out = append(out, token{sql[i : i+n], i, i + n})
		}
		i += n
	}
	return out, nil
}

// lexOne returns the length of the first token, and whether it is a space or comment.
func lexOne(s string) (n int, skip bool, err error) {
	switch c := s[0]; {
	case strings.IndexByte(" \t\r\n\f", c) >= 0:
		return 1, true, nil
	case strings.HasPrefix(s, "--"):
		if end := strings.IndexByte(s, '\n'); end >= 0 {
			return end + 1, true, nil
		}
		return len(s), true, nil
	case strings.HasPrefix(s, "/*"):
		if end := strings.Index(s[2:], "*/"); end >= 0 {
			return end + 4, true, nil
		}
		return 0, false, errors.New("comment has no end")
	case c == '\'' || c == '"' || c == '`':
		return lexQuoted(s, c)
	case c == '[':
		if end := strings.IndexByte(s, ']'); end >= 0 {
			return end + 1, false, nil
		}
		return 0, false, errors.New("quoted name has no end")
	case wordByte(c):
		for n < len(s) && wordByte(s[n]) {
			n++
		}
		return n, false, nil
	}
	return 1, false, nil
}

func lexQuoted(s string, quote byte) (int, bool, error) {
	for i := 1; i < len(s); i++ {
		if s[i] != quote {
			continue
		}
		if i+1 < len(s) && s[i+1] == quote {
			i++
			continue
		}
		return i + 1, false, nil
	}
	return 0, false, errors.New("quoted text has no end")
}

func wordByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// is compares a word without regard to case.
func (t token) is(word string) bool { return strings.EqualFold(t.text, word) }

// name takes the quotes off.
func (t token) name() string {
	s := t.text
	if len(s) < 2 {
		return s
	}
	switch s[0] {
	case '"', '`', '\'':
		q := s[:1]
		return strings.ReplaceAll(s[1:len(s)-1], q+q, q)
	case '[':
		return s[1 : len(s)-1]
	}
	return s
}

// list finds the first list in parentheses and returns its members and what follows it.
func list(tokens []token) (members [][]token, rest []token) {
	depth, from := 0, 0
	for i, t := range tokens {
		switch t.text {
		case "(":
			if depth++; depth == 1 {
				from = i + 1
			}
		case ",":
			if depth == 1 {
				members = append(members, tokens[from:i])
				from = i + 1
			}
		case ")":
			if depth--; depth == 0 {
				return append(members, tokens[from:i]), tokens[i+1:]
			}
		}
	}
	return nil, nil
}

// text is the source between the first and the last of the tokens.
func text(sql string, tokens []token) string {
	if len(tokens) == 0 {
		return ""
	}
	return sql[tokens[0].start:tokens[len(tokens)-1].end]
}

// condition checks that an SQL condition is one expression that can be put in parentheses. It guards against slips,
// not against the operator, whose condition it is.
func condition(sql string) error {
	tokens, err := lex(sql)
	if err != nil {
		return err
	}
	depth := 0
	for _, t := range tokens {
		switch t.text {
		case ";":
			return errors.New("condition holds a semicolon")
		case "?":
			return errors.New("condition holds a parameter")
		case "(":
			depth++
		case ")":
			if depth--; depth < 0 {
				return errors.New("condition closes a parenthesis too many")
			}
		}
	}
	if depth != 0 {
		return errors.New("condition leaves a parenthesis open")
	}
	return nil
}

// collations returns the collation of each column that a CREATE TABLE statement gives one, by lower-case name.
func collations(sql string) map[string]string {
	out := make(map[string]string)
	tokens, err := lex(sql)
	if err != nil {
		return out
	}
	members, _ := list(tokens)
	for _, m := range members {
		if len(m) == 0 {
			continue
		}
		name := strings.ToLower(m[0].name())
		if _, ok := out[name]; ok {
			continue
		}
		depth := 0
		for i, t := range m {
			switch {
			case t.text == "(":
				depth++
			case t.text == ")":
				depth--
			case depth == 0 && t.is("collate") && i+1 < len(m):
				out[name] = m[i+1].name()
			}
		}
	}
	return out
}

// indexTerms returns the terms of a CREATE INDEX statement, without their direction, and its condition.
func indexTerms(sql string) (terms []string, where string) {
	tokens, err := lex(sql)
	if err != nil {
		return nil, ""
	}
	members, rest := list(tokens)
	for _, m := range members {
		for len(m) > 1 && (m[len(m)-1].is("asc") || m[len(m)-1].is("desc")) {
			m = m[:len(m)-1]
		}
		terms = append(terms, text(sql, m))
	}
	if len(rest) > 1 && rest[0].is("where") {
		where = text(sql, rest[1:])
	}
	return terms, where
}
