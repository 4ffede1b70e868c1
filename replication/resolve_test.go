package replication

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

func stored(name string, t store.Type) store.Column { return store.Column{Name: name, Type: t} }

func keyColumn(name string, t store.Type) store.Column {
	return store.Column{Name: name, Type: t, NotNull: true}
}

// contoso is a link of two schemas that use most of what a map can say.
func contoso() (*Engine, Schemas) {
	groups := tablemap.Map{Name: "groups", Tables: [2]string{"custgroup", "msdyn_group"},
		Key: []tablemap.Column{{Names: [2]string{"area", "region"}}, {Names: [2]string{"groupid", "msdyn_groupid"}}}}
	owner := "42"
	customers := tablemap.Map{Name: "customers", Tables: [2]string{"custtable", "public.account"},
		Key: []tablemap.Column{{Names: [2]string{"ACCOUNT", "accountnumber"}}},
		Columns: []tablemap.Column{
			{Names: [2]string{"account", "accountnumber"}, Direction: tablemap.Both},
			{Names: [2]string{"area", "region"}},
			{Names: [2]string{"groupid", "groupid"}},
			{Names: [2]string{"credit", "creditlimit"}, Direction: tablemap.LeftToRight},
			{Names: [2]string{"blocked", "state"}, Values: map[string]string{"No": "00", "All": "1"}},
			{Names: [2]string{"", "ownerid"}, Default: &owner},
		},
		Filter: [2]string{"dataareaid = 'area' and Credit > 0 -- blocked", ""}}
	customers.Key[0].Names[0] = "Account"
	customers.Columns[0].Names[0] = "Account"
	left := map[string]store.Table{
		"custgroup": {Name: "custgroup", Columns: []store.Column{keyColumn("area", text), keyColumn("groupid", text)}, Unique: [][]string{{"groupid", "area"}}},
		"custtable": {Name: "custtable", PrimaryKey: []string{"recid"}, Unique: [][]string{{"recid"}, {"account"}, {"groupid", "credit"}},
			Columns: []store.Column{{Name: "recid", Type: integer, NotNull: true, Auto: true}, keyColumn("account", text), stored("area", text),
				stored("groupid", text), stored("credit", integer), stored("blocked", text), stored("dataareaid", text)},
			ForeignKeys: []store.ForeignKey{{Columns: []string{"groupid", "area"}, Table: "custgroup", References: []string{"groupid", "area"}}}},
	}
	right := map[string]store.Table{
		"msdyn_group": {Name: "public.msdyn_group", Columns: []store.Column{keyColumn("region", text), keyColumn("msdyn_groupid", text)}, Unique: [][]string{{"region", "msdyn_groupid"}}},
		"public.account": {Name: "public.account", PrimaryKey: []string{"id"}, Unique: [][]string{{"accountnumber"}}, Triggers: []string{"stamp"},
			Columns: []store.Column{{Name: "id", Type: integer, NotNull: true, Auto: true}, keyColumn("accountnumber", text), stored("region", text),
				stored("groupid", text), stored("creditlimit", integer), stored("state", integer), keyColumn("ownerid", integer), stored("parent", integer)},
			ForeignKeys: []store.ForeignKey{{Columns: []string{"parent"}, Table: "public.account", References: []string{"id"}}}},
	}
	e := &Engine{Link: tablemap.Link{Sides: [2]string{"finops", "dataverse"}, Maps: []tablemap.Map{groups, customers}}}
	return e, Schemas{{Tables: left}, {Tables: right}}
}

func TestResolveFillsTheWholeDefinition(t *testing.T) {
	t.Parallel()
	e, schemas := contoso()
	def, found := e.Resolve(e.Link.Maps[1], schemas)
	for _, f := range found {
		require.NotEqual(t, SeverityError, f.Severity, "%+v", f)
	}
	left, right := def.Relations[tablemap.Left], def.Relations[tablemap.Right]
	require.Equal(t, []string{"account", "area", "groupid", "credit", "blocked"}, left.Names())
	require.Equal(t, []string{"accountnumber", "region", "groupid", "creditlimit", "state"}, right.Names())
	require.Equal(t, [2]string{"custtable", "public.account"}, [2]string{left.Table, right.Table})
	require.Equal(t, [2]int{1, 1}, [2]int{left.Key, right.Key})
	require.Equal(t, [2]string{"account", "accountnumber"}, def.Columns[0].Names, "the catalog's spelling")
	require.Equal(t, map[string]string{"No": "0", "All": "1"}, def.Columns[4].Values, "as the database spells them")
	require.Equal(t, [][]int{{2, 3}}, left.Unique)
	require.Empty(t, right.Unique)
	require.Equal(t, []int{3}, left.Free)
	require.Equal(t, []int{3}, right.Free)
	require.Equal(t, []store.Column{stored("dataareaid", text)}, left.Extra)
	require.Empty(t, right.Extra)
	require.Empty(t, left.Defaults)
	require.Equal(t, []store.ColumnDefault{{Column: keyColumn("ownerid", integer), Value: store.Int(42)}}, right.Defaults)
	require.Equal(t, [2]bool{false, true}, def.Effects)
	require.Equal(t, [2]bool{}, def.AutoKey)
	require.Equal(t, e.Link.Maps[1], def.Map, "as configured")
	require.Equal(t, []Parent{{Map: "groups", Table: "custgroup", Columns: []int{1, 2}, References: []string{"area", "groupid"}, Key: true}}, def.Parents[tablemap.Left])
	require.Equal(t, []Parent{{Map: "customers", Table: "public.account", References: []string{"id"}, Circle: true}}, def.Parents[tablemap.Right])
}

func TestResolveTakesColumnsByName(t *testing.T) {
	t.Parallel()
	table := func(columns ...store.Column) store.Table {
		return store.Table{Name: "items", PrimaryKey: []string{"id"}, Unique: [][]string{{"id"}}, Columns: columns, Generated: []string{"sum"}}
	}
	id := keyColumn("id", integer)
	schemas := Schemas{
		{Tables: map[string]store.Table{"items": table(stored("b", text), id, stored("Note", text), stored("sum", integer), stored("mine", text))}},
		{Tables: map[string]store.Table{"items": table(id, stored("note", text), stored("b", text), stored("sum", integer), stored("yours", text))}},
	}
	e := &Engine{}
	m := mapOf("items")
	def, _ := e.Resolve(m, schemas)
	require.Equal(t, []string{"id", "b", "Note"}, def.Relations[tablemap.Left].Names())
	require.Equal(t, []string{"id", "b", "note"}, def.Relations[tablemap.Right].Names())

	m.Key = []tablemap.Column{{Names: [2]string{"id", "id"}, Direction: tablemap.LeftToRight}}
	def, _ = e.Resolve(m, schemas)
	require.Equal(t, tablemap.LeftToRight, def.Columns[2].Direction, "columns flow as the key does")
	require.Equal(t, []int{1, 2}, def.Relations[tablemap.Right].Free)

	m.Key, m.Columns = nil, []tablemap.Column{}
	def, _ = e.Resolve(m, schemas)
	require.Equal(t, []string{"id"}, def.Relations[tablemap.Left].Names())
}

func TestResolveRefusesWhatIsComputed(t *testing.T) {
	t.Parallel()
	table := store.Table{Name: "items", PrimaryKey: []string{"id"}, Generated: []string{"sum"}, Unique: [][]string{{"id"}, {"sum"}},
		Columns: []store.Column{stored("id", text), keyColumn("sum", integer)}}
	schemas := Schemas{{Tables: map[string]store.Table{"items": table}}, {Tables: map[string]store.Table{"items": table}}}
	codes := func(m tablemap.Map) (out []string) {
		m.Name, m.Tables = "items", [2]string{"items", "items"}
		e := &Engine{}
		_, found := e.Resolve(m, schemas)
		for _, f := range found {
			out = append(out, f.Code)
		}
		return out
	}
	require.Equal(t, []string{"primary_key_nullable", "primary_key_nullable", "column_generated", "column_generated"}, codes(tablemap.Map{Columns: named("sum")}))
	require.Equal(t, []string{"key_generated", "key_generated"}, codes(tablemap.Map{Key: named("sum"), Columns: []tablemap.Column{}}))
}

func TestEffectsOfOtherTables(t *testing.T) {
	t.Parallel()
	link := []tablemap.Map{mapOf("items"), mapOf("others")}
	c := checked{left: tablesOf("items", "others"), right: tablesOf("items", "others"), maps: link}
	effects := func() [2]bool {
		e := c.engine(t)
		schemas, err := e.Describe(context.Background(), nil)
		require.NoError(t, err)
		def, _ := e.Resolve(link[0], schemas)
		return def.Effects
	}
	require.Equal(t, [2]bool{false, false}, effects())
	c.right[1] = withTrigger(c.right[1])
	require.Equal(t, [2]bool{false, true}, effects(), "the trigger may write to this table")
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	up := col("up", integer)
	items := plain("items", up)
	items.ForeignKeys = referring(items, "up", "others", 0).ForeignKeys
	c := checked{left: append(tablesOf("others"), items), right: tablesOf("others", "items"), maps: []tablemap.Map{mapOf("items"), mapOf("others"), mapOf("missing")}}
	c.maps[1].Related = []string{"items"}
	edges, err := c.engine(t).Dependencies(context.Background())
	require.NoError(t, err)
	require.Equal(t, []tablemap.Edge{
		{Child: "items", Parent: "others", Reason: "foreign key items.up → others.id on finops"},
		{Child: "others", Parent: "items", Reason: "declared in the config"},
	}, edges)
}

func TestConditionNames(t *testing.T) {
	t.Parallel()
	cases := []struct {
		condition     string
		words, quoted []string
	}{
		{"", nil, nil},
		{"a = 'it''s b' AND _c1>=2e5", []string{"a", "AND", "_c1"}, nil},
		{`"a ""b""" = [c d] or ` + "`e`" + ` is null`, []string{"or", "is", "null"}, []string{`a "b"`, "c d", "e"}},
		{"a -- b\n/* c */ = d", []string{"a", "d"}, nil},
		{"t.größe > 0 and 'unfinished", []string{"t", "größe", "and"}, nil},
		{`"`, nil, nil},
		{"--", nil, nil},
		{"/*/ a", nil, nil},
	}
	for _, c := range cases {
		words, quoted := conditionNames(c.condition)
		require.Equal(t, c.words, words, "%s", c.condition)
		require.Equal(t, c.quoted, quoted, "%s", c.condition)
	}
}

func FuzzConditionNames(f *testing.F) {
	f.Add("a = 'b' -- c")
	f.Fuzz(func(t *testing.T, condition string) {
		words, quoted := conditionNames(condition)
		require.LessOrEqual(t, len(words)+len(quoted), len(condition))
	})
}

func TestFit(t *testing.T) {
	t.Parallel()
	strict := func(name string, k store.Kind) store.Type { return store.Type{Name: name, Kind: k, Strict: true} }
	loose := func(name string, k store.Kind) store.Type { return store.Type{Name: name, Kind: k} }
	number := func(name string) store.Type { return strict(name, store.Numeric) }
	at := func(name string) store.Type { return strict(name, store.Timestamp) }
	cases := []struct {
		from, to store.Type
		want     fits
	}{
		{integer, integer, fitsExactly},
		{integer, strict("integer", store.Integer), fitsNarrowly},
		{integer, strict("INTEGER", store.Integer), fitsExactly},
		{loose("INTEGER", store.Integer), strict("integer", store.Integer), fitsNarrowly},
		{strict("int(11)", store.Integer), integer, fitsExactly},
		{strict("int(11) unsigned", store.Integer), strict("int(11)", store.Integer), fitsNarrowly},
		{integer, text, fitsExactly},
		{text, integer, fitsNarrowly},
		{integer, strict("boolean", store.Bool), fitsNarrowly},
		{strict("boolean", store.Bool), integer, fitsExactly},
		{integer, strict("date", store.Date), fitsNever},
		{strict("date", store.Date), text, fitsExactly},
		{blobs, text, fitsNever},
		{text, blobs, fitsNever},
		{loose("", store.Null), integer, fitsNarrowly},
		{integer, loose("", store.Null), fitsExactly},
		{integer, strict("double precision", store.Real), fitsNarrowly},
		{strict("double precision", store.Real), strict("real", store.Real), fitsLossily},
		{number("numeric(10,2)"), strict("double precision", store.Real), fitsLossily},
		{number("numeric(10,2)"), number("numeric(12,2)"), fitsExactly},
		{number("numeric(10,2)"), number("numeric(10,4)"), fitsNarrowly},
		{number("numeric(10,4)"), number("numeric(10,2)"), fitsLossily},
		{number("numeric"), number("numeric(10,2)"), fitsLossily},
		{number("numeric(10,2)"), number("numeric"), fitsExactly},
		{number("numeric"), loose("NUMERIC", store.Numeric), fitsNarrowly},
		{number("numeric(16,2)"), loose("DECIMAL(16,2)", store.Numeric), fitsNarrowly},
		{number("numeric(15,2)"), loose("DECIMAL(15,2)", store.Numeric), fitsExactly},
		{loose("NUMERIC", store.Numeric), loose("DECIMAL", store.Numeric), fitsExactly},
		{text, strict("uuid", store.UUID), fitsNarrowly},
		{loose("DATE", store.Numeric), strict("date", store.Date), fitsNarrowly},
		{strict("timestamp with time zone", store.TimestampTZ), loose("datetime", store.Numeric), fitsExactly},
		{text, strict("int4range", store.Text), fitsNarrowly},
		{text, strict("json", store.Text), fitsExactly},
		{text, strict("public.citext", store.Text), fitsExactly},
		{strict("int4range", store.Text), strict("int4range", store.Text), fitsExactly},
		{integer, number("numeric(10,2)"), fitsNarrowly},
		{integer, number("numeric"), fitsExactly},
		{text, loose("VARCHAR(5)", store.Text), fitsExactly},
		{varchar("character varying(10)"), varchar("varchar(20)"), fitsExactly},
		{varchar("character varying(10)"), varchar("varchar(5)"), fitsNarrowly},
		{varchar("varchar(5)"), varchar("char(5)"), fitsLossily},
		{varchar("char(5)"), varchar("character(5)"), fitsExactly},
		{at("timestamp without time zone"), at("datetime"), fitsLossily},
		{at("datetime(6)"), at("timestamp without time zone"), fitsExactly},
		{at("datetime"), at("timestamp(3) without time zone"), fitsExactly},
	}
	for _, c := range cases {
		require.Equal(t, c.want, fit(c.from, c.to), "%s → %s", c.from.Name, c.to.Name)
	}
}

// A key that the other database would write in another form does not pair with its row there.
func TestAKeyThatWouldBeWrittenDifferently(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind        store.Kind
		same        string
		differently []string
	}{
		{store.UUID, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", []string{"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}"}},
		{store.Date, "0044-03-15 BC", []string{"15.3.2024", "2024-3-15"}},
		{store.Time, "24:00:00", []string{"12:00", "12:00:00.50"}},
		{store.Timestamp, "2024-02-29 12:00:00.5", []string{"2024-02-29T12:00:00", "2024-02-29"}},
		{store.TimestampTZ, "-infinity", []string{"2024-02-29 12:00:00", "2024-02-29 12:00:00+00"}},
	} {
		column := store.Column{Name: "k", Type: store.Type{Name: c.kind.String(), Kind: c.kind, Strict: true}}
		f := &flow{def: &Definition{Columns: make([]tablemap.Column, 1)}, cols: []int{0}, target: store.Relation{Key: 1, Columns: []store.Column{column}}}
		row, bad := f.translate(store.Row{store.Str(c.same)})
		require.Nil(t, bad, c.same)
		require.Equal(t, store.Row{{Kind: c.kind, S: c.same}}, row)
		for _, text := range c.differently {
			_, bad = f.translate(store.Row{store.Str(text)})
			require.NotNil(t, bad, text)
			require.Equal(t, store.CodeType, bad.code)
		}
		f.target.Key = 0
		_, bad = f.translate(store.Row{store.Str(c.differently[0])})
		require.Nil(t, bad, "no key: it flows back")
	}
}
