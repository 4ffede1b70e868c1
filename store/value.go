package store

import (
	"fmt"
	"strconv"
	"strings"
)

// Kind is what a Value is.
type Kind uint8

// The kinds. S of a Value holds: Integer its decimal digits, Real the shortest text that reads back as the same
// float64, Numeric plain decimal digits without needless zeros, Bool "true" or "false", Text UTF-8, Blob the bytes,
// the others the ISO form. Null holds nothing and is the zero value.
const (
	Null Kind = iota
	Integer
	Real
	Text
	Blob
	Numeric
	Bool
	Date
	Time
	Timestamp   // without a zone
	TimestampTZ // an instant, in UTC
	UUID
	JSON
)

// Value is one cell, in a canonical form: two equal values of one kind have the same S, so Go's == compares them.
type Value struct {
	Kind Kind
	S    string
}

// Row is a row of a Relation, value by column position. nil means that there is no row.
type Row []Value

// Int, Str and Bytes make values for the ledger.
func Int(n int64) Value { return Value{Integer, strconv.FormatInt(n, 10)} }

// Str makes a text.
func Str(s string) Value { return Value{Text, s} }

// Bytes makes a blob.
func Bytes(b []byte) Value { return Value{Blob, string(b)} }

// Float makes a real.
func Float(f float64) Value { return Value{Real, strconv.FormatFloat(f, 'g', -1, 64)} }

// Int64 returns an Integer's number, 0 for anything else.
func (v Value) Int64() int64 {
	n, _ := strconv.ParseInt(v.S, 10, 64)
	return n
}

// Float64 returns the number of an Integer, Real or Numeric, 0 for anything else.
func (v Value) Float64() float64 {
	f, _ := strconv.ParseFloat(v.S, 64)
	return f
}

// IsNull reports whether the value is null.
func (v Value) IsNull() bool { return v.Kind == Null }

// Equal reports whether two rows have the same values, or are both nil.
func (r Row) Equal(o Row) bool {
	if (r == nil) != (o == nil) || len(r) != len(o) {
		return false
	}
	for i := range r {
		if r[i] != o[i] {
			return false
		}
	}
	return true
}

// EncodeRow writes a row so that it reads back exactly (DecodeRow), and so that equal rows have equal bytes: per value
// the kind's letter, the length of S, a colon, S. nil is the empty string.
func EncodeRow(r Row) string {
	if len(r) == 0 {
		return ""
	}
	size := 0
	for i := range r {
		size += len(r[i].S) + 6
	}
	b := make([]byte, 0, size)
	for i := range r {
		b = append(b, 'a'+byte(r[i].Kind))
		b = strconv.AppendInt(b, int64(len(r[i].S)), 10)
		b = append(append(b, ':'), r[i].S...)
	}
	return string(b)
}

// DecodeRow reads what EncodeRow wrote.
func DecodeRow(s string) (Row, error) {
	var row Row
	for rest := s; rest != ""; {
		head, tail, ok := strings.Cut(rest[1:], ":")
		n, err := strconv.Atoi(head)
		kind := Kind(rest[0] - 'a')
		if !ok || err != nil || n < 0 || n > len(tail) || kind > JSON {
			return nil, fmt.Errorf("decode row: bad value %d", len(row)+1)
		}
		row = append(row, Value{kind, tail[:n]})
		rest = tail[n:]
	}
	return row, nil
}
