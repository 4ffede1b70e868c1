package replication

import (
	"context"
	flags "flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/memory"
	"github.com/dualwrite/dualwrite/tablemap"
)

var update = flags.Bool("update", false, "write the golden files")

// checked is two databases and a link to check.
type checked struct {
	left, right []memory.Table
	maps        []tablemap.Map
	filters     map[string]func(map[string]store.Value) bool
}

func (c *checked) engine(t *testing.T) *Engine {
	t.Helper()
	e := &Engine{Link: tablemap.Link{Name: "contoso", Sides: [2]string{"finops", "dataverse"}, Maps: c.maps}, Now: time.Now}
	for side, tables := range [][]memory.Table{c.left, c.right} {
		db := memory.New(memory.Options{Filters: c.filters})
		require.NoError(t, db.Create(tables...))
		e.Stores[side] = db.Store()
	}
	return e
}

var (
	integer = store.Type{Name: "bigint", Kind: store.Integer, Strict: true}
	text    = store.Type{Name: "text", Kind: store.Text, Strict: true}
	blobs   = store.Type{Name: "bytea", Kind: store.Blob, Strict: true}
)

func varchar(name string) store.Type { return store.Type{Name: name, Kind: store.Text, Strict: true} }

func col(name string, t store.Type) memory.Column { return memory.Column{Name: name, Type: t} }

func notNull(name string, t store.Type) memory.Column {
	return memory.Column{Name: name, Type: t, NotNull: true}
}

// plain is a table with the primary key id and further columns.
func plain(name string, columns ...memory.Column) memory.Table {
	return memory.Table{Name: name, Key: []string{"id"}, Columns: append([]memory.Column{notNull("id", integer)}, columns...)}
}

func tablesOf(names ...string) []memory.Table {
	tables := make([]memory.Table, len(names))
	for i, n := range names {
		tables[i] = plain(n, col("up", integer))
	}
	return tables
}

func referring(t memory.Table, column, parent string, delete memory.Action) memory.Table {
	t.ForeignKeys = append(t.ForeignKeys, memory.ForeignKey{Columns: []string{column}, Table: parent, References: []string{"id"}, OnDelete: delete})
	return t
}

func withTrigger(t memory.Table) memory.Table {
	t.Triggers = []memory.Trigger{{Name: "stamp"}}
	return t
}

func named(names ...string) []tablemap.Column {
	columns := make([]tablemap.Column, len(names))
	for i, n := range names {
		columns[i].Names = [2]string{n, n}
	}
	return columns
}

func mapOf(name string) tablemap.Map {
	return tablemap.Map{Name: name, Tables: [2]string{name, name}}
}

func twice(t ...memory.Table) checked {
	return checked{left: t, right: t, maps: []tablemap.Map{mapOf("items")}}
}

// checkCase is a link and what is found in its map items: code and side of each finding.
type checkCase struct {
	given checked
	wants string
}

func differ(left, right memory.Table) checked {
	return checked{left: []memory.Table{left}, right: []memory.Table{right}, maps: []tablemap.Map{mapOf("items")}}
}

// with is a link whose map items is as given.
func with(c checked, m tablemap.Map, wants string) checkCase {
	m.Name, m.Tables = "items", [2]string{"items", "items"}
	c.maps = append([]tablemap.Map{m}, c.maps[1:]...)
	return checkCase{c, wants}
}

func keyed(columns ...tablemap.Column) tablemap.Map { return tablemap.Map{Key: columns} }

func keyCases() map[string]checkCase {
	note := col("note", text)
	auto := plain("items", note)
	auto.Columns[0].Auto = true
	coded := memory.Table{Name: "items", Key: []string{"id"}, Unique: [][]string{{"code"}}, Columns: []memory.Column{
		{Name: "id", Type: integer, NotNull: true, Auto: true}, notNull("code", text), note}}
	two := twice(plain("items", note))
	two.maps = append(two.maps, tablemap.Map{Name: "again", Tables: [2]string{"items", "items"}})
	none := memory.Table{Name: "items", Columns: []memory.Column{notNull("id", integer), note}}
	nullable := memory.Table{Name: "items", Key: []string{"id"}, Unique: [][]string{{"note"}}, Columns: []memory.Column{notNull("id", integer), note}}
	binary := memory.Table{Name: "items", Key: []string{"id"}, Columns: []memory.Column{notNull("id", blobs), note}}
	noteKey := keyed(named("note")...)
	return map[string]checkCase{
		"all is well":             {twice(plain("items", note)), ""},
		"table is missing":        {differ(plain("items", note), plain("item", note)), "table_missing dataverse"},
		"two maps on a table":     {two, "table_twice finops, table_twice dataverse"},
		"no primary key":          {differ(plain("items", note), none), "key_missing "},
		"key is not unique":       with(twice(plain("items", notNull("note", text))), noteKey, "key_not_unique finops, key_not_unique dataverse"),
		"key may be null":         with(twice(nullable), noteKey, "key_nullable finops, key_nullable dataverse"),
		"key types never convert": {differ(plain("items", note), binary), "key_type dataverse, key_type finops"},
		"key column is missing":   with(twice(plain("items", note)), keyed(named("idd")...), "column_missing finops, column_missing dataverse"),
		"keys given out by both":  {twice(auto), "generated_key "},
		"alternate key":           with(twice(coded), keyed(named("code")...), "column_left_out "),
	}
}

func columnCases() map[string]checkCase {
	note, value := col("note", text), "42"
	owner := func(side tablemap.Side, name string) tablemap.Map {
		c := tablemap.Column{Default: &value}
		c.Names[side] = name
		return tablemap.Map{Columns: append(named("note"), c)}
	}
	owned := func(owner store.Type) checked {
		return differ(plain("items", note), plain("items", note, notNull("owner", owner)))
	}
	against := func(c memory.Column) checked { return differ(plain("items", note), plain("items", c)) }
	unique := plain("items", note)
	unique.Unique = [][]string{{"note"}}
	return map[string]checkCase{
		"column is missing":          with(twice(plain("items", note)), tablemap.Map{Columns: named("nota")}, "column_missing finops, column_missing dataverse"),
		"column twice":               with(twice(plain("items", note)), tablemap.Map{Columns: named("note", "NOTE")}, "column_twice finops, column_twice dataverse"),
		"columns on one side only":   {differ(plain("items", note, col("a", text)), plain("items", note)), "column_left_out finops"},
		"nothing but the key":        {twice(plain("items")), "no_columns "},
		"types never convert":        {against(col("note", blobs)), "type dataverse, type finops"},
		"types convert sometimes":    {against(col("note", integer)), "type_narrower dataverse"},
		"a shorter text":             {against(col("note", varchar("character varying(5)"))), "type_narrower dataverse"},
		"a padded text":              {against(col("note", varchar("character(5)"))), "type_lossy dataverse"},
		"nulls where none may be":    {against(notNull("note", text)), "nullable dataverse"},
		"a column nobody fills":      {owned(text), "column_left_out dataverse, not_null_unmapped dataverse"},
		"a column filled by default": with(owned(text), owner(tablemap.Right, "owner"), ""),
		"a default of no use":        with(owned(blobs), owner(tablemap.Right, "owner"), "default_type dataverse, not_null_unmapped dataverse"),
		"a default for no column":    with(twice(plain("items", note)), owner(tablemap.Left, "own"), "column_missing finops"),
		"unique on one side":         {differ(plain("items", note), unique), "unique_one_side dataverse"},
	}
}

func tableCases() map[string]checkCase {
	note, child := col("note", text), plain("items", col("up", integer))
	cycle := twice(referring(child, "up", "others", memory.Restrict), referring(plain("others", col("up", integer)), "up", "items", memory.Restrict))
	cycle.maps = append(cycle.maps, mapOf("others"))
	parented := func(left, right memory.Action) checked {
		return checked{left: []memory.Table{plain("others"), referring(child, "up", "others", left)},
			right: []memory.Table{plain("others"), referring(child, "up", "others", right)},
			maps:  []tablemap.Map{mapOf("items"), mapOf("others")}}
	}
	coded := plain("others", notNull("code", text))
	coded.Columns[0].Auto, coded.Unique = true, [][]string{{"code"}}
	surrogate := twice(coded, referring(child, "up", "others", memory.Restrict))
	surrogate.maps = append(surrogate.maps, tablemap.Map{Name: "others", Tables: [2]string{"others", "others"}, Key: named("code")})
	return map[string]checkCase{
		"triggers on one side":               {differ(withTrigger(plain("items", note)), plain("items", note)), "trigger finops"},
		"triggers on both":                   {twice(withTrigger(plain("items", note))), "trigger_both_sides "},
		"truncates are to be carried across": with(twice(plain("items", note)), tablemap.Map{Truncate: tablemap.TruncateApply}, "truncate_apply dataverse"),
		"triggers cannot be skipped":         with(twice(withTrigger(plain("items", note))), tablemap.Map{Triggers: tablemap.TriggersSkip}, "trigger_skip finops, trigger_skip dataverse, trigger_both_sides "),
		"a parent that no map has":           {twice(plain("others"), referring(child, "up", "others", memory.Restrict)), "parent_unmapped finops, parent_unmapped dataverse"},
		"a mapped parent":                    {parented(memory.Restrict, memory.Restrict), ""},
		"cascades":                           {parented(memory.Cascade, memory.SetNull), "cascade finops, cascade dataverse"},
		"cascades on one side":               {parented(memory.Cascade, memory.Restrict), "cascade_one_side finops"},
		"a reference to itself":              {twice(referring(child, "up", "items", memory.Restrict)), "self_reference finops, self_reference dataverse"},
		"a circle":                           {cycle, "cycle "},
		"a reference to what may differ":     {surrogate, "reference_not_carried finops, reference_not_carried dataverse"},
	}
}

func valueCases() map[string]checkCase {
	note := col("note", text)
	filtered := twice(plain("items", note))
	filtered.filters = map[string]func(map[string]store.Value) bool{`"secret" = 'x'`: func(map[string]store.Value) bool { return true }}
	numbers := differ(plain("items", note), plain("items", col("note", integer)))
	valued := func(direction tablemap.Direction, values map[string]string) tablemap.Map {
		c := named("note")[0]
		c.Values, c.Direction = values, direction
		return tablemap.Map{Columns: []tablemap.Column{c}}
	}
	return map[string]checkCase{
		"a filter nobody knows":  with(twice(plain("items", note)), tablemap.Map{Filter: [2]string{"note = 'x'"}}, "filter_invalid finops"),
		"a filter on no column":  with(filtered, tablemap.Map{Filter: [2]string{`"secret" = 'x'`}}, "filter_column finops"),
		"a value of no use":      with(numbers, valued("", map[string]string{"No": "zero"}), "value_map_type dataverse"),
		"one value in two words": with(numbers, valued("", map[string]string{"No": "1", "Never": "01"}), "value_map_twice "),
		"many to one, one way":   with(numbers, valued(tablemap.LeftToRight, map[string]string{"No": "1", "Never": "01"}), ""),
	}
}

func checkCases() map[string]checkCase {
	all := keyCases()
	for _, more := range []map[string]checkCase{columnCases(), tableCases(), valueCases()} {
		maps.Copy(all, more)
	}
	return all
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, c := range checkCases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := c.given.engine(t).Check(context.Background(), "items")
			require.NoError(t, err)
			var got []string
			for _, f := range found {
				require.Equal(t, "items", f.Map)
				require.NotEmpty(t, f.Message)
				require.Equal(t, severities()[rule(f.Code)], f.Severity)
				require.True(t, f.Hint != "" || f.Severity == SeverityInfo, "%s has no mend", f.Code)
				got = append(got, f.Code+" "+f.Side)
			}
			require.Equal(t, c.wants, strings.Join(got, ", "), "%+v", found)
		})
	}
}

// TestCheckFindsEveryRule holds the codes to the golden file, and sees that each but those that the memory store
// has no tables for (TestResolveRefusesWhatIsComputed), and what Diagnose finds, is found in some case above.
func TestCheckFindsEveryRule(t *testing.T) {
	t.Parallel()
	var lines, said []string
	for _, c := range checkCases() {
		for _, want := range strings.Split(c.wants, ", ") {
			code, _, _ := strings.Cut(want, " ")
			said = append(said, code)
		}
	}
	elsewhere := []string{string(ruleColumnGenerated), string(ruleKeyGenerated), string(rulePrimaryNullable), string(ruleDatabaseDown),
		string(ruleOtherLink), string(ruleLedgerVersion)} // TestADatabaseBelongsToOneLink
	for _, r := range storeRemarks() {
		elsewhere = append(elsewhere, string(r)) // their stores find them
	}
	for r, severity := range severities() {
		lines = append(lines, string(r)+" "+severity+"\n")
		require.True(t, slices.Contains(said, string(r)) || slices.Contains(elsewhere, string(r)), "nothing finds %s", r)
	}
	slices.Sort(lines)
	golden := filepath.Join("testdata", "findings.golden")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, []byte(strings.Join(lines, "")), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), strings.Join(lines, ""))
}
