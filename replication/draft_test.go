package replication

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/memory"
	"github.com/dualwrite/dualwrite/tablemap"
)

// The tables of two schemas as they may be: called alike but for schema and case, with and without keys, referring to
// each other, with columns that do not go together.
func TestDraft(t *testing.T) {
	t.Parallel()
	coded := func(name string, extra ...memory.Column) memory.Table {
		return memory.Table{Name: name, Key: []string{"row"}, Unique: [][]string{{"code"}},
			Columns: append([]memory.Column{{Name: "row", Type: integer, NotNull: true, Auto: true}, notNull("code", text)}, extra...)}
	}
	right := coded("Customers", col("name", text), col("grp", integer))
	right.Columns[0] = notNull("guid", text)
	right.Key = []string{"guid"}
	right.Columns[0].Default = store.Value{Kind: store.Text, S: "x"}
	c := checked{
		left: []memory.Table{
			referring(coded("sales.customers", col("name", text), col("grp", integer)), "grp", "groups", memory.Restrict),
			plain("groups", col("name", text)), plain("pictures", col("data", blobs), col("title", text)),
			{Name: "log", Columns: []memory.Column{col("line", text)}}, plain("here"), plain("a.same"), plain("b.same"),
			plain("strict", col("name", text)),
		},
		right: []memory.Table{
			right, plain("groups", col("name", text)), plain("pictures", col("data", integer), col("title", text)),
			{Name: "log", Columns: []memory.Column{col("line", text)}}, plain("there"), plain("same"),
			plain("strict", col("name", text), notNull("must", text)),
		},
	}
	d, err := c.engine(t).Draft(t.Context())
	require.NoError(t, err)
	column := func(name string) tablemap.Column { return tablemap.Column{Names: [2]string{name, name}} }
	id := []tablemap.Column{column("id")}
	require.Equal(t, []DraftMap{
		{Map: tablemap.Map{Name: "groups", Tables: [2]string{"groups", "groups"}, Key: id}},
		{Map: tablemap.Map{Name: "pictures", Tables: [2]string{"pictures", "pictures"}, Key: id, Columns: []tablemap.Column{column("title")}},
			Notes: []string{"column data is left out: dataverse: values of data (finops, bytea) cannot become data (bigint)"}},
		{Map: tablemap.Map{Name: "customers", Tables: [2]string{"sales.customers", "Customers"}, Key: []tablemap.Column{column("code")}, Related: []string{"groups"}},
			Notes: []string{"finops: left out, since only this side has them: row", "dataverse: left out, since only this side has them: guid"}},
	}, d.Maps)
	require.Equal(t, []DraftMap{
		{Map: tablemap.Map{Name: "log", Tables: [2]string{"log", "log"}},
			Notes: []string{"the two tables have no primary key of the same columns (finops: none; dataverse: none)"}},
		{Map: tablemap.Map{Name: "strict", Tables: [2]string{"strict", "strict"}},
			Notes: []string{"dataverse: column must of table strict must not be null, has no default and is not written: no row can be inserted"}},
	}, d.Refused)
	require.Equal(t, [2][]string{{"a.same", "b.same", "here"}, {"same", "there"}}, d.Alone)
}
