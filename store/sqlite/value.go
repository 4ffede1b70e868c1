package sqlite

import (
	"database/sql/driver"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

// fromSQL turns what SQLite returned into a value; the storage class alone decides its kind.
func fromSQL(v driver.Value) (store.Value, error) {
	switch v := v.(type) {
	case nil:
		return store.Value{}, nil
	case int64:
		return store.Int(v), nil
	case float64:
		return store.Float(v), nil
	case string:
		return store.Str(v), nil
	case []byte:
		return store.Bytes(v), nil
	default:
		return store.Value{}, fmt.Errorf("driver returned a %T", v)
	}
}

func rowFromSQL(values []driver.Value) (store.Row, error) {
	row := make(store.Row, len(values))
	for i, v := range values {
		var err error
		if row[i], err = fromSQL(v); err != nil {
			return nil, err
		}
	}
	return row, nil
}

// toSQL turns a value into what is bound for it. Numbers that Go cannot hold are bound as text, which SQLite converts
// where the column wants a number.
func toSQL(v store.Value) driver.Value {
	switch v.Kind {
	case store.Null:
		return nil
	case store.Integer:
		if n, err := strconv.ParseInt(v.S, 10, 64); err == nil {
			return n
		}
	case store.Real:
		if f, err := strconv.ParseFloat(v.S, 64); err == nil && !math.IsNaN(f) {
			return f
		}
	case store.Blob:
		return []byte(v.S)
	case store.Bool:
		if v.S == "true" {
			return int64(1)
		}
		return int64(0)
	}
	return v.S
}

// bindRow binds values of columns of these types.
func bindRow(row store.Row) []driver.Value {
	args := make([]driver.Value, len(row))
	for i, v := range row {
		args[i] = toSQL(v)
	}
	return args
}

// stored returns the value as a column of the type has it when it is read back.
func stored(v store.Value, t store.Type) store.Value {
	switch {
	case v.Kind == store.Null:
		return v
	case v.Kind == store.Bool:
		v = store.Int(toSQL(v).(int64))
	case v.Kind > store.Blob:
		v = store.Str(v.S)
	}
	t.Strict = false // what a strict column refuses is the database's to say
	out, err := store.Convert(v, t)
	if err != nil {
		return v
	}
	if out.Kind == store.Real && t.Kind == store.Integer || out.Kind == store.Text && t.Kind == store.Integer {
		if n, err := store.Convert(out, store.Type{Kind: store.Numeric}); err == nil {
			return n
		}
	}
	return out
}

// storedRow is stored for each column; nil stays nil.
func storedRow(row store.Row, columns []store.Column) store.Row {
	if row == nil {
		return nil
	}
	out := make(store.Row, len(row))
	for i, v := range row {
		out[i] = v
		if v.Kind != columns[i].Type.Kind || v.Kind > store.Blob {
			out[i] = stored(v, columns[i].Type)
		}
	}
	return out
}

// affinity is how SQLite treats a column of a declared type.
type affinity string

const (
	affinityInteger affinity = "INTEGER"
	affinityText    affinity = "TEXT"
	affinityReal    affinity = "REAL"
	affinityNumeric affinity = "NUMERIC"
	affinityNone    affinity = "BLOB"
)

// affinityOf applies the rules of SQLite's documentation, "Determination Of Column Affinity".
func affinityOf(declared string, strict bool) affinity {
	d := strings.ToUpper(declared)
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(d, p) {
				return true
			}
		}
		return false
	}
	switch {
	case strict && d == "ANY":
		return affinityNone
	case has("INT"):
		return affinityInteger
	case has("CHAR", "CLOB", "TEXT"):
		return affinityText
	case d == "" || has("BLOB"):
		return affinityNone
	case has("REAL", "FLOA", "DOUB"):
		return affinityReal
	}
	return affinityNumeric
}

// typeOf is the type of a column declared so. BOOLEAN is an integer, which is what SQLite stores for one.
func typeOf(declared string, strict bool) store.Type {
	t := store.Type{Name: declared, Strict: strict}
	switch affinityOf(declared, strict) {
	case affinityInteger:
		t.Kind = store.Integer
	case affinityText:
		t.Kind = store.Text
	case affinityReal:
		t.Kind = store.Real
	case affinityNumeric:
		t.Kind = store.Numeric
		if strings.HasPrefix(strings.ToUpper(declared), "BOOL") {
			t.Kind = store.Integer
		}
	default:
		if declared != "" && strings.ToUpper(declared) != "ANY" {
			t.Kind = store.Blob
		} else {
			t.Strict = false
		}
	}
	return t
}
