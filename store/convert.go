package store

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Type is a column's type.
type Type struct {
	Name   string `json:"name"`             // as the catalog spells it
	Kind   Kind   `json:"kind"`             // the family that values are stored as; Null: any, stored as given
	Strict bool   `json:"strict,omitempty"` // the database refuses other kinds; otherwise it stores what does not convert as it is
}

// TypeError says that a value does not fit a column. Its message carries no value.
type TypeError struct {
	From Kind
	To   Type
}

func (e *TypeError) Error() string {
	return fmt.Sprintf("%s does not fit type %s", e.From, e.To.Name)
}

// String names the kind as users know it.
func (k Kind) String() string {
	names := [...]string{"null", "integer", "real", "text", "blob", "numeric", "boolean", "date", "time", "timestamp",
		"timestamptz", "uuid", "json"}
	if int(k) < len(names) {
		return names[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// Convert returns the value as a column of the type stores it, so that what was written compares equal to what is read
// back. It loses nothing: what does not fit is a *TypeError (or, in a column that is not strict, stays as it is).
func Convert(v Value, t Type) (Value, error) {
	if v.Kind == Null || v.Kind == t.Kind || t.Kind == Null {
		return v, nil
	}
	if out, ok := convert(v, t.Kind); ok {
		return out, nil
	}
	if !t.Strict {
		return v, nil
	}
	return Value{}, &TypeError{v.Kind, t}
}

func convert(v Value, to Kind) (Value, bool) {
	switch to {
	case Integer:
		return toInteger(v)
	case Real:
		return toReal(v)
	case Numeric:
		return toNumeric(v)
	case Bool:
		return toBool(v)
	case Text:
		return toText(v)
	case Blob:
		return Value{}, false
	default:
		if v.Kind == Text {
			return Value{to, v.S}, true
		}
		return Value{}, false
	}
}

func toInteger(v Value) (Value, bool) {
	switch v.Kind {
	case Bool:
		if v.S == "true" {
			return Int(1), true
		}
		return Int(0), true
	case Real, Numeric, Text:
		if n, err := strconv.ParseInt(strings.TrimSpace(v.S), 10, 64); err == nil {
			return Int(n), true
		}
		f, err := strconv.ParseFloat(strings.TrimSpace(v.S), 64)
		if err != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<53 {
			return Value{}, false
		}
		return Int(int64(f)), true
	}
	return Value{}, false
}

func toReal(v Value) (Value, bool) {
	switch v.Kind {
	case Integer, Numeric, Text:
		f, err := strconv.ParseFloat(strings.TrimSpace(v.S), 64)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			return Value{}, false
		}
		if v.Kind == Integer && strconv.FormatFloat(f, 'f', -1, 64) != v.S {
			return Value{}, false
		}
		return Float(f), true
	}
	return Value{}, false
}

// toNumeric is SQLite's NUMERIC too: an integer where the number is one, else a real, else as it was.
func toNumeric(v Value) (Value, bool) {
	switch v.Kind {
	case Integer:
		return v, true
	case Real, Text:
		if n, ok := toInteger(v); ok {
			return n, true
		}
		return toReal(Value{Text, v.S})
	}
	return Value{}, false
}

func toBool(v Value) (Value, bool) {
	switch strings.ToLower(v.S) {
	case "1", "t", "true":
		return Value{Bool, "true"}, v.Kind != Blob
	case "0", "f", "false":
		return Value{Bool, "false"}, v.Kind != Blob
	}
	return Value{}, false
}

func toText(v Value) (Value, bool) {
	switch v.Kind {
	case Blob:
		return Value{}, false
	case Real:
		if !strings.ContainsAny(v.S, ".eE") { // as SQLite writes a real that is whole
			return Str(v.S + ".0"), true
		}
	}
	return Str(v.S), true
}
