package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dualwrite/dualwrite/tablemap"
)

// output is a format of what a command prints.
type output string

// The formats.
const (
	outputTable output = "table"
	outputJSON  output = "json"
	outputCSV   output = "csv" // of errors alone
)

// writeJSON writes a value as indented JSON, with the characters of table and column names as they are.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// table collects rows and writes them in columns.
type table struct {
	header []string
	right  []bool // columns of numbers
	rows   [][]string
}

// newTable makes a table; a heading that begins with ">" is one of numbers.
func newTable(headings ...string) *table {
	t := &table{}
	for _, h := range headings {
		t.header = append(t.header, strings.TrimPrefix(h, ">"))
		t.right = append(t.right, strings.HasPrefix(h, ">"))
	}
	return t
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// write writes the rows, each line after the indent. Cells lose what would break a line or drive a terminal.
func (t *table) write(w io.Writer, indent string) {
	width := make([]int, len(t.header))
	rows := append([][]string{t.header}, t.rows...)
	for _, row := range rows {
		for i, cell := range row {
			row[i] = printable(cell)
			width[i] = max(width[i], len([]rune(row[i])))
		}
	}
	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			if t.right[i] {
				row[i] = strings.Repeat(" ", width[i]-len([]rune(cell))) + cell
			}
		}
		fmt.Fprintln(tw, indent+strings.TrimRight(strings.Join(row, "\t"), " \t"))
	}
	_ = tw.Flush()
}

// printable keeps control characters of others' data away from the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return ' '
		}
		return r
	}, s)
}

// stamp writes a time to the second, in UTC; "-": never.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// count writes a number with its thousands apart.
func count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	var groups []string
	for len(digits) > 3 {
		groups = append(groups, digits[len(digits)-3:])
		digits = digits[:len(digits)-3]
	}
	groups = append(groups, digits)
	slices.Reverse(groups)
	return sign + strings.Join(groups, ",")
}

// milliseconds writes a lag as people read it.
func milliseconds(ms int64) string {
	if ms < 10_000 {
		return strconv.FormatInt(ms, 10) + "ms"
	}
	return (time.Duration(ms) * time.Millisecond).Round(time.Second).String()
}

// compact writes a key or a row in one line: JSON, columns in order of name.
func compact(values map[string]any) string {
	data, err := json.Marshal(values)
	if err != nil || values == nil {
		return ""
	}
	return string(data)
}

// keyText writes a key as col=value, …
func keyText(values map[string]any) string {
	parts := make([]string, 0, len(values))
	for name, v := range values {
		parts = append(parts, fmt.Sprintf("%s=%v", name, v))
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func joined(names []string) string { return dash(strings.Join(names, ", ")) }

func commandNames(commands []tablemap.Command) string {
	names := make([]string, len(commands))
	for i, c := range commands {
		names[i] = string(c)
	}
	return joined(names)
}

// plural writes "1 row", "2 rows".
func plural(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + one + "s"
}
