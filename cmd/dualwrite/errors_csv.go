package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/dualwrite/dualwrite/replication"
)

// fixedColumns are about the failure; the columns of the rows follow them.
func fixedColumns() []string {
	return []string{"id", "phase", "from", "to", "column", "code", "message", "attempts", "at"}
}

// writeCSV writes failed rows with a column for each column of theirs, in the names of the side that they come from; a
// name that the failure itself has is preceded by "values.". A NULL is an empty field.
func writeCSV(w io.Writer, rows []replication.RowFailure) error {
	names := valueColumns(rows)
	header := fixedColumns()
	for _, name := range names {
		if slices.Contains(fixedColumns(), name) {
			name = "values." + name
		}
		header = append(header, name)
	}
	out := csv.NewWriter(w)
	if err := out.Write(header); err != nil {
		return err
	}
	for _, r := range rows {
		line := []string{strconv.FormatInt(r.ID, 10), r.Phase, r.From, r.To, r.Column, r.Code, r.Message,
			strconv.FormatInt(r.Attempts, 10), r.At.UTC().Format(time.RFC3339Nano)}
		for _, name := range names {
			line = append(line, field(valueOf(r, name)))
		}
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// valueOf is the value of a row's column; a row of which only the key is known has no other.
func valueOf(r replication.RowFailure, name string) any {
	if v, ok := r.Values[name]; ok {
		return v
	}
	return r.Key[name]
}

// valueColumns are the columns of all rows: those of keys first, each sort in order of name.
func valueColumns(rows []replication.RowFailure) []string {
	keys, others := map[string]bool{}, map[string]bool{}
	for _, r := range rows {
		for name := range r.Key {
			keys[name] = true
		}
		for name := range r.Values {
			others[name] = true
		}
	}
	names := sorted(keys)
	for _, name := range sorted(others) {
		if !keys[name] {
			names = append(names, name)
		}
	}
	return names
}

func sorted(set map[string]bool) []string {
	names := make([]string, 0, len(set))
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func field(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case fmt.Stringer:
		return v.String()
	case map[string]any, []any:
		data, err := json.Marshal(v)
		if err == nil {
			return string(data)
		}
	}
	return fmt.Sprint(v)
}
