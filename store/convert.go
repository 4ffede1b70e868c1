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
	if t.Keeps(v) {
		return v, nil
	}
	if out, ok := convert(v, t); ok {
		return out, nil
	}
	if !t.Strict && (v.Kind != Numeric || t.Kind != Numeric && t.Kind != Integer) {
		return v, nil
	}
	return Value{}, &TypeError{v.Kind, t}
}

// Keeps reports whether a column of the type stores the value as it is. One that is not strict makes an integer or a real of a
// numeric, and has no real that is no number.
func (t Type) Keeps(v Value) bool {
	switch {
	case v.Kind == Null || t.Kind == Null:
		return true
	case v.Kind != t.Kind:
		return false
	}
	return t.Strict || v.Kind != Numeric && (v.Kind != Real || v.S != notANumber)
}

const notANumber = "NaN"

func convert(v Value, to Type) (Value, bool) {
	switch to.Kind {
	case Integer:
		if out, ok := toInteger(v); ok || to.Strict || v.Kind != Numeric {
			return out, ok
		}
		return toNumeric(v)
	case Real:
		return toReal(v, to.Strict)
	case Numeric:
		if to.Strict {
			return toDecimal(v)
		}
		return toNumeric(v)
	case Bool:
		return toBool(v)
	case Text:
		return toText(v)
	case Blob:
		return Value{}, false
	default:
		if v.Kind == Text {
			return Value{to.Kind, v.S}, true
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

// toReal takes what is no number, and the infinities, only for a column of reals alone.
func toReal(v Value, strict bool) (Value, bool) {
	switch v.Kind {
	case Integer, Numeric, Text:
		f, err := strconv.ParseFloat(strings.TrimSpace(v.S), 64)
		if err != nil || !strict && (math.IsInf(f, 0) || math.IsNaN(f)) {
			return Value{}, false
		}
		if v.Kind == Integer && strconv.FormatFloat(f, 'f', -1, 64) != v.S {
			return Value{}, false
		}
		return Float(f), true
	case Real:
		return Str(v.S), true
	}
	return Value{}, false
}

// toNumeric is SQLite's NUMERIC too: an integer where the number is one, else a real, else as it was. Of a numeric no digit may be
// lost.
func toNumeric(v Value) (Value, bool) {
	switch v.Kind {
	case Integer:
		return v, true
	case Real, Text:
		if n, ok := toInteger(v); ok {
			return n, true
		}
		return toReal(Value{Text, v.S}, false)
	case Numeric:
		if n, err := strconv.ParseInt(v.S, 10, 64); err == nil {
			return Int(n), true
		}
		f, err := strconv.ParseFloat(v.S, 64)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			return Str(v.S), strings.Trim(v.S, "-0123456789.") != "" // an infinity, or not a number
		}
		return Float(f), strconv.FormatFloat(f, 'f', -1, 64) == v.S
	case Bool:
		if v.S == "true" {
			return Int(1), true
		}
		return Int(0), true
	case Blob:
		return Value{}, false
	}
	if n, ok := toNumeric(Str(v.S)); ok { // a date or the like is stored as its text
		return n, true
	}
	return Str(v.S), true
}

// mostDigits bounds the decimals that are made of an exponent: PostgreSQL's numeric has no more before the point.
const mostDigits = 131_072

// toDecimal is a numeric of any length: digits, or NaN or an infinity as PostgreSQL writes them.
func toDecimal(v Value) (Value, bool) {
	text := strings.TrimSpace(v.S)
	switch v.Kind {
	case Integer:
		return Value{Numeric, v.S}, true
	case Real, Text:
	default:
		return Value{}, false
	}
	switch strings.ToLower(text) {
	case "nan":
		return Value{Numeric, "NaN"}, true
	case "inf", "+inf", "infinity", "+infinity":
		return Value{Numeric, "Infinity"}, true
	case "-inf", "-infinity":
		return Value{Numeric, "-Infinity"}, true
	}
	mantissa, exponent, scientific := strings.Cut(strings.ToLower(text), "e")
	shift := 0
	if scientific {
		var err error
		if shift, err = strconv.Atoi(exponent); err != nil || shift > mostDigits || shift < -mostDigits {
			return Value{}, false
		}
	}
	digits, negative := strings.CutPrefix(mantissa, "-")
	if !negative {
		digits = strings.TrimPrefix(digits, "+")
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	if whole+fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return Value{}, false
	}
	point := len(whole) + shift
	digits = whole + fraction
	if point < 0 {
		digits, point = strings.Repeat("0", -point)+digits, 0
	}
	digits += strings.Repeat("0", max(0, point-len(digits)))
	whole, fraction = strings.TrimLeft(digits[:point], "0"), strings.TrimRight(digits[point:], "0")
	if whole == "" {
		whole = "0"
	}
	if fraction != "" {
		whole += "." + fraction
	}
	if negative && whole != "0" {
		whole = "-" + whole
	}
	return Value{Numeric, whole}, true
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
		if strings.Trim(v.S, "-0123456789") == "" { // as SQLite writes a real that is whole
			return Str(v.S + ".0"), true
		}
	}
	return Str(v.S), true
}
