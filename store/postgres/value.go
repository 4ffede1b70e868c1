package postgres

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

// pgType is a type of the catalog as values are read and written through it.
type pgType struct {
	schema, name string // of the type, as in pg_type
	base         string // name of the type that a domain is over; else the type's own
	oid          string
	modifier     string // its length, in the catalog's form
	kind         store.Kind
	padded       bool // char(n): blanks at the end say nothing
	float4       bool
	comparable   bool // its = is equality of what is stored; others are compared as text
}

// cast is the type as the target of a cast, without a length: an assignment then refuses what is too long instead of
// cutting it.
func (t pgType) cast() string { return quote(t.schema) + "." + quote(t.name) }

// newType tells how values of a type are handled, by the name of its base type in pg_type.
func newType(schema, name, base string) pgType {
	f := formOf(base)
	return pgType{schema: schema, name: name, base: base, kind: f.kind, comparable: !f.byText, padded: base == "bpchar", float4: base == "float4"}
}

// read makes a value of PostgreSQL's text of it.
func (t *pgType) read(text string) (store.Value, error) {
	switch t.kind {
	case store.Blob:
		data, err := hex.DecodeString(strings.TrimPrefix(text, `\x`))
		if err != nil {
			return store.Value{}, fmt.Errorf("read bytea: not in hex form")
		}
		return store.Bytes(data), nil
	case store.Bool:
		if text == "t" || text == "true" {
			return store.Value{Kind: store.Bool, S: "true"}, nil
		}
		return store.Value{Kind: store.Bool, S: "false"}, nil
	case store.Real:
		return t.readReal(text)
	case store.Numeric:
		return store.Value{Kind: store.Numeric, S: plainNumeric(text)}, nil
	case store.TimestampTZ:
		if at, ok := strings.CutSuffix(text, "+00"); ok {
			text = at + "Z"
		} else if at, ok := strings.CutSuffix(text, "+00 BC"); ok {
			text = at + "Z BC"
		}
	case store.Text:
		if t.padded {
			text = strings.TrimRight(text, " ")
		}
	}
	return store.Value{Kind: t.kind, S: text}, nil
}

func (t *pgType) readReal(text string) (store.Value, error) {
	bits := 64
	if t.float4 {
		bits = 32
	}
	f, err := strconv.ParseFloat(text, bits)
	if err != nil {
		return store.Value{}, fmt.Errorf("read float: %w", err)
	}
	if f == 0 {
		f = 0 // a negative zero equals zero
	}
	if bits == 32 && !math.IsInf(f, 0) {
		return store.Value{Kind: store.Real, S: strconv.FormatFloat(f, 'g', -1, 32)}, nil
	}
	return store.Float(f), nil
}

// plainNumeric takes needless zeros off.
func plainNumeric(text string) string {
	if !strings.Contains(text, ".") {
		return text
	}
	text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	if text == "" || text == "-" || text == "-0" {
		return "0"
	}
	return text
}

// appendText appends a value as its type's input function reads it.
func appendText(out []byte, v store.Value) []byte {
	if v.Kind != store.Blob {
		return append(out, v.S...)
	}
	out = append(out, `\x`...)
	return hex.AppendEncode(out, []byte(v.S))
}
