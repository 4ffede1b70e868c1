package postgres

import (
	"slices"

	"github.com/dualwrite/dualwrite/store"
)

// typeForm is how values of some base types are handled. docs/postgresql.md has the same table for users.
type typeForm struct {
	bases  []string // names in pg_type
	kind   store.Kind
	byText bool // its = is not equality of what is stored, or it has none: values are compared as text

	called string // by people
	form   string // in which values are compared, and cross
	note   string
}

// typeForms are the types that have a form of their own; the last is that of all others.
var typeForms = []typeForm{
	{bases: []string{"int2", "int4", "int8", "oid"}, kind: store.Integer,
		called: "`smallint`, `integer`, `bigint`, `oid`", form: "digits"},
	{bases: []string{"numeric"}, kind: store.Numeric,
		called: "`numeric`", form: "digits without zeros at the end", note: "`1.50` and `1.5` are equal; a column's own scale puts them back"},
	{bases: []string{"float4", "float8"}, kind: store.Real,
		called: "`real`, `double precision`", form: "the shortest text that reads back the same", note: "a negative zero equals zero"},
	{bases: []string{"bool"}, kind: store.Bool,
		called: "`boolean`", form: "`true`, `false`", note: "SQLite: 1, 0"},
	{bases: []string{"bytea"}, kind: store.Blob,
		called: "`bytea`", form: "bytes"},
	{bases: []string{"date"}, kind: store.Date,
		called: "`date`", form: "ISO"},
	{bases: []string{"time"}, kind: store.Time,
		called: "`time`", form: "ISO"},
	{bases: []string{"timestamp"}, kind: store.Timestamp,
		called: "`timestamp`", form: "ISO"},
	{bases: []string{"timestamptz"}, kind: store.TimestampTZ,
		called: "`timestamptz`", form: "ISO, in UTC, with `Z`"},
	{bases: []string{"uuid"}, kind: store.UUID,
		called: "`uuid`", form: "as PostgreSQL writes it"},
	{bases: []string{"jsonb"}, kind: store.JSON,
		called: "`jsonb`", form: "as PostgreSQL writes it"},
	{bases: []string{"json"}, kind: store.JSON, byText: true,
		called: "`json`", form: "as it was written", note: "compared as text"},
	{bases: []string{"bpchar"}, kind: store.Text,
		called: "`char(n)`", form: "without blanks at the end"},
	{bases: []string{"text", "varchar", "name", "inet", "macaddr", "macaddr8", "bit", "varbit"}, kind: store.Text,
		called: "`text`, `varchar(n)`, `name`, `inet`, `macaddr`, `macaddr8`, `bit`, `varbit`", form: "as PostgreSQL writes them", note: "on SQLite they are text"},
	{kind: store.Text, byText: true,
		called: "all others (arrays, ranges, enums, domains, `interval`, `xml`, `tsvector`, …)", form: "as PostgreSQL writes them",
		note: "compared as text; on SQLite they are text"},
}

// formOf is the form of a base type.
func formOf(base string) *typeForm {
	last := len(typeForms) - 1
	if i := slices.IndexFunc(typeForms[:last], func(f typeForm) bool { return slices.Contains(f.bases, base) }); i >= 0 {
		return &typeForms[i]
	}
	return &typeForms[last]
}
