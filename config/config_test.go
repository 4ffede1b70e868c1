package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/config"
	"github.com/dualwrite/dualwrite/tablemap"
)

const canary = "hunter2canary"

// environment is where the tests' variables come from. Every password in it is the canary.
func environment(name string) (string, bool) {
	value, ok := map[string]string{
		"FINOPS_URL":    "postgres://app:" + canary + "@Finops.example/erp?sslmode=verify-full",
		"DATAVERSE_URL": "mysql://app:" + canary + "@dataverse.example:3306/crm",
		"PASSWORD":      canary,
		"EMPTY":         "",
	}[name]
	return value, ok
}

func parse(t *testing.T, text string) (*config.File, error) {
	t.Helper()
	return config.Parse("/etc/link/dualwrite.yaml", text, environment)
}

func TestContoso(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("testdata", "contoso.yaml"))
	require.NoError(t, err)
	f, err := parse(t, string(text))
	require.NoError(t, err)
	owner := "42"
	both := func(left, right string) tablemap.Column { return tablemap.Column{Names: [2]string{left, right}} }
	require.Equal(t, tablemap.Link{Name: "contoso", Sides: [2]string{"finops", "dataverse"}, Master: tablemap.Right, Maps: []tablemap.Map{
		{Name: "currencies", Tables: [2]string{"currencies", "currencies"}},
		{Name: "customer-groups", Tables: [2]string{"custgroup", "msdyn_customergroup"}, Key: []tablemap.Column{both("groupid", "msdyn_groupid")},
			Columns: []tablemap.Column{both("description", "msdyn_description")}},
		{Name: "customers", Tables: [2]string{"sales.custtable", "public.account"}, Key: []tablemap.Column{both("customeraccount", "accountnumber")},
			Columns: []tablemap.Column{
				both("organizationname", "name"),
				{Names: [2]string{"creditlimit", "creditlimit"}, Direction: tablemap.LeftToRight},
				{Names: [2]string{"blocked", "statecode"}, Values: map[string]string{"No": "0", "All": "1"}},
				{Names: [2]string{"", "ownerid"}, Default: &owner}},
			Filter: [2]string{"dataareaid = 'usmf'", ""}, Related: []string{"customer-groups"}},
	}}, f.Link)
	require.Equal(t, "postgres://app:"+canary+"@Finops.example/erp?sslmode=verify-full", f.URLs[tablemap.Left])
	require.Equal(t, "/etc/link/dualwrite.yaml", f.Path)
	require.Equal(t, [2]string{}, f.Replication)
}

func TestLoad(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "dualwrite.yaml")
	_, err := config.Load(path)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Empty(t, config.Problems(err))
	require.NoError(t, os.WriteFile(path, []byte("\ufefflink: a\nsides: {l: 'sqlite:l.db', r: 'sqlite:sub/../r%20.db'}\nmaps: {items: }\n"), 0o600))
	f, err := config.Load(path)
	require.NoError(t, err)
	require.Equal(t, [2]string{"sqlite:" + filepath.Dir(path) + "/l.db", "sqlite:" + filepath.Dir(path) + "/r%20.db"}, f.URLs)
}

// with is a config with some maps.
func with(maps string) string {
	return "link: contoso\nsides:\n  finops: ${FINOPS_URL}\n  dataverse: ${DATAVERSE_URL}\nmaps:\n" + maps
}

// one is a config with a map of one setting, which stands on line 7.
func one(setting string) string { return with("  customers:\n    " + setting + "\n") }

func between(left, right string) string {
	return "link: contoso\nsides:\n  finops: " + left + "\n  dataverse: " + right + "\nmaps: {items: {}}\n"
}

func TestAccepted(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		text string
		want func(*config.File) any
		is   any
	}{
		"text of what YAML takes for numbers and booleans": {
			one("columns: [{finops: on, dataverse: 1, values: {No: 0, true: 0x10, 1.50: yes}}]"),
			func(f *config.File) any { return f.Link.Maps[0].Columns[0] },
			tablemap.Column{Names: [2]string{"on", "1"}, Values: map[string]string{"No": "0", "true": "0x10", "1.50": "yes"}}},
		"default that looks like a number": {
			one("columns: [{dataverse: a, default: 007}]"), func(f *config.File) any { return *f.Link.Maps[0].Columns[0].Default }, "007"},
		"no columns but the key": {
			one("columns: []"), func(f *config.File) any { return f.Link.Maps[0].Columns }, []tablemap.Column{}},
		"key columns repeated": {
			with("  customers:\n    columns: [{finops: a, dataverse: b}, {finops: c, dataverse: d}]\n    key: [{finops: a, dataverse: b}]\n"),
			func(f *config.File) any { return f.Link.Maps[0].Columns }, []tablemap.Column{{Names: [2]string{"c", "d"}}}},
		"master is the first": {
			strings.Replace(with("  a: {}\n"), "sides", "master: finops\nsides", 1), func(f *config.File) any { return f.Link.Master }, tablemap.Left},
		"options": {
			one("coalesce: true\n    triggers: skip\n    truncate: apply"),
			func(f *config.File) any { m := f.Link.Maps[0]; return []any{m.Coalesce, m.Triggers, m.Truncate} },
			[]any{true, tablemap.TriggersSkip, tablemap.TruncateApply}},
		"anchors and merges": {
			with("  a: &a\n    triggers: skip\n    filter: &f {finops: x = 1}\n  b:\n    <<: *a\n    triggers: fire\n  c: {filter: *f}\n"),
			func(f *config.File) any {
				return []any{f.Link.Maps[1].Triggers, f.Link.Maps[1].Filter[0], f.Link.Maps[2].Filter[0]}
			},
			[]any{tablemap.TriggersFire, "x = 1", "x = 1"}},
		"another role for the log": {
			between("{url: '${FINOPS_URL}', replication: 'postgresql://repl:x@finops.example:5432/erp'}", "${DATAVERSE_URL}"),
			func(f *config.File) any { return f.Replication }, [2]string{"postgresql://repl:x@finops.example:5432/erp", ""}},
		"a variable within a URL": {
			between("postgres://app:${PASSWORD}@db/erp", "${DATAVERSE_URL}"), func(f *config.File) any { return f.URLs[0] }, "postgres://app:" + canary + "@db/erp"},
		"two databases of one server": {
			between("postgres://h/a", "postgres://h/b"), func(f *config.File) any { return f.URLs }, [2]string{"postgres://h/a", "postgres://h/b"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := parse(t, c.text)
			require.NoError(t, err)
			require.Equal(t, c.is, c.want(f))
		})
	}
}

type refusal struct {
	text string
	line int
	says string // part of message or hint
}

func refusals() map[string]refusal {
	secret := "postgres://app:" + canary + "@h/db"
	return map[string]refusal{
		"empty":                    {"", 0, "empty"},
		"comments alone":           {"# nothing\n", 0, "empty"},
		"two documents":            {with("  a: {}\n") + "---\nlink: b\n", 7, "several documents"},
		"a list":                   {"- a\n", 1, "must be a mapping"},
		"a tab":                    {"link: a\nsides:\n\tfinops: " + secret + "\n", 3, "tab"},
		"no YAML":                  {"link: a\nsides: {finops: " + secret + "\n", 2, "not valid YAML"},
		"a variable in braces":     {"link: a\nsides: {a: ${FINOPS_URL}, b: x}\n", 2, "a variable needs quotes"},
		"unknown anchor":           {"link: a\nsides: *" + canary + "\n", 0, "anchor"},
		"unknown key":              {"link: a\nsids: {}\nmaps: {a: {}}\n", 2, "did you mean sides?"},
		"key twice":                {with("  a: {}\n  b: {}\n  a: {}\n"), 8, "on lines 6 and 8"},
		"key twice deep down":      {one("triggers: fire\n    triggers: skip"), 8, "on lines 7 and 8"},
		"link is missing":          {strings.TrimPrefix(with("  a: {}\n"), "link: contoso\n"), 1, "lacks link"},
		"bad link":                 {strings.Replace(with("  a: {}\n"), "contoso", "Con toso", 1), 1, `"Con toso"`},
		"sides are missing":        {"link: a\nmaps: {a: {}}\n", 1, "lacks sides"},
		"one side":                 {"link: a\nsides: {finops: '${FINOPS_URL}'}\n", 2, "1 entries"},
		"three sides":              {"link: a\nsides: {a: x, b: x, c: " + secret + "}\n", 2, "3 entries"},
		"sides without names":      {"link: a\nsides: {" + secret + ", b: '${FINOPS_URL}'}\n", 2, "a name that cannot be one"},
		"bad side":                 {"link: a\nsides: {a b: '${FINOPS_URL}', b: '${DATAVERSE_URL}'}\nmaps: {a: {}}\n", 2, `"a b"`},
		"bad master":               {strings.Replace(with("  a: {}\n"), "sides", "master: dataverze\nsides", 1), 2, "did you mean dataverse?"},
		"no maps":                  {strings.TrimSuffix(with(""), "maps:\n"), 1, "lacks maps"},
		"maps without any":         {with(""), 5, "no maps"},
		"bad map":                  {with("  Cust_Table: {}\n"), 6, `"Cust_Table"`},
		"map is a text":            {with("  a: b\n"), 6, "must be a mapping"},
		"URL for a map":            {with("  " + secret + ": {}\n"), 6, "a name that cannot be one"},
		"unknown key of a map":     {one("colums: []"), 7, "did you mean columns?"},
		"table of one side":        {one("tables: {finops: a}"), 7, "lacks dataverse"},
		"table of no side":         {one("tables: {finops: a, datavers: b}"), 7, "did you mean dataverse?"},
		"table is a list":          {one("tables: {finops: [a], dataverse: b}"), 7, "must be a text"},
		"two maps on a table":      {with("  a: {}\n  b:\n    tables: {finops: a, dataverse: c}\n"), 8, "maps a and b are both on table a of finops"},
		"key on one side":          {one("key: [{finops: a}]"), 7, "lacks the column of dataverse"},
		"key is no list":           {one("key: {finops: a, dataverse: b}"), 7, "must be a list"},
		"column on one side":       {one("columns:\n      - {finops: a, dataverse: a}\n      - {finops: b}"), 9, "no column on dataverse"},
		"column twice":             {one("columns:\n      - {finops: a, dataverse: b}\n      - {finops: c, dataverse: b}"), 9, "is twice"},
		"column is a text":         {one("columns: [name]"), 7, "must be a mapping"},
		"unknown word in a column": {one("columns: [{finops: a, dataverse: b, defalt: x}]"), 7, "did you mean default?"},
		"bad direction":            {one("columns: [{finops: a, dataverse: b, direction: finops-to-dataverze}]"), 7, "did you mean finops-to-dataverse?"},
		"values not one-to-one":    {one("columns: [{finops: a, dataverse: b, values: {x: 1, y: 1}}]"), 7, "cannot be read back"},
		"values with null":         {one("columns: [{finops: a, dataverse: b, values: {~: 1}}]"), 7, "is null"},
		"values to null":           {one("columns: [{finops: a, dataverse: b, values: {a: }}]"), 7, "has no value"},
		"values twice":             {one("columns: [{finops: a, dataverse: b, values: {1: a, \"1\": b}}]"), 7, "twice"},
		"default without a value":  {one("columns: [{finops: a, default: }]"), 7, "has no value"},
		"filter of no side":        {one("filter: {finop: a = 1}"), 7, "did you mean finops?"},
		"related to nothing":       {one("related: [customer]"), 7, "did you mean customers?"},
		"related is a text":        {one("related: customers"), 7, "must be a list"},
		"coalesce":                 {one("coalesce: yes"), 7, "true or false"},
		"triggers":                 {one("triggers: skp"), 7, "did you mean skip?"},
		"truncate":                 {one("truncate: false"), 7, "possible are refuse, apply"},
		"merged text":              {one("<<: abc"), 7, "no mapping"},
	}
}

func urlRefusals() map[string]refusal {
	secret := "postgres://app:" + canary + "@h/db"
	good := "${DATAVERSE_URL}"
	return map[string]refusal{
		"missing variable":          {between("${NOPE}", good), 3, "variable NOPE, which is not set"},
		"empty variable":            {between("${EMPTY}", good), 3, "variable EMPTY, which is empty"},
		"unfinished variable":       {between("postgres://app:"+canary+"@${HOST/db", good), 3, "names no variable"},
		"odd variable":              {between("'${A B}'", good), 3, "names no variable"},
		"no URL":                    {between(canary, good), 3, "is not a URL"},
		"no URL, from a variable":   {between("${PASSWORD}", good), 3, "is not a URL"},
		"secret as a scheme":        {between(canary+"://x", good), 3, "begins with none of"},
		"another database":          {between("mssql://sa:"+canary+"@h/db", good), 3, "mssql:, which is none of postgres, postgresql, mysql, sqlite"},
		"unescaped password":        {between("postgres://app:"+canary+"%zz@h/db", good), 3, "special characters"},
		"no host":                   {between("postgres:///db", good), 3, "names no host"},
		"no database":               {between("mysql://app:"+canary+"@h:3306", good), 3, "names no database"},
		"a hash":                    {between("'postgres://app:pw#"+canary+"@h/db'", good), 3, ""},
		"SQLite with a host":        {between("sqlite://"+canary+"/a.db", good), 3, "names a host"},
		"SQLite without a file":     {between("'sqlite:'", good), 3, "names no file"},
		"SQLite with options":       {between("sqlite:a.db?key="+canary, good), 3, "has options"},
		"no value":                  {between("", good), 3, "has no value"},
		"side without url":          {between("{replication: '"+secret+"'}", good), 3, "lacks url"},
		"unknown key of a side":     {between("{url: '"+secret+"', replicaton: x}", good), 3, "did you mean replication?"},
		"another database to read":  {between("{url: '"+secret+"', replication: 'postgres://r:"+canary+"@h/other'}", good), 3, "another database"},
		"the same database":         {between("postgres://a:"+canary+"@H/db?x=1", "postgresql://b@h:5432/db"), 4, "same database"},
		"the same database at home": {between("mysql://a@localhost/db", "mysql://a@127.0.0.1:3306/db"), 4, "same database"},
		"the same file":             {between("sqlite:a.db", "sqlite:///etc/link/x/../a.db"), 4, "same database"},
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, all := range []map[string]refusal{refusals(), urlRefusals()} {
		for name, c := range all {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				_, err := parse(t, c.text)
				require.Error(t, err)
				require.NotContains(t, err.Error(), canary)
				problems := config.Problems(err)
				require.Len(t, problems, 1, "%v", err)
				require.Equal(t, c.line, problems[0].Line, "%v", err)
				require.Contains(t, err.Error(), c.says)
				require.NotEmpty(t, problems[0].Hint)
				var one *config.Error
				require.True(t, errors.As(err, &one))
			})
		}
	}
}

func TestAllErrorsAreReported(t *testing.T) {
	t.Parallel()
	text := "link: contoso\nmastr: x\nsides:\n  finops: postgres://app:" + canary + "%zz@h/db\n  dataverse: ${NOPE}\nmaps:\n  a: {colums: []}\n  b: {triggers: never}\n"
	_, err := parse(t, text)
	var lines []int
	for _, p := range config.Problems(err) {
		lines = append(lines, p.Line)
	}
	require.Equal(t, []int{2, 4, 5, 7, 8}, lines)
	require.Equal(t, 5, len(strings.Split(err.Error(), "\n")))
	require.Contains(t, err.Error(), `/etc/link/dualwrite.yaml line 2: the config has an unknown key "mastr"; did you mean master?`)
	require.NotContains(t, err.Error(), canary)
	var one *config.Error
	require.True(t, errors.As(err, &one))
}

// FuzzParse sees that no text makes Parse panic or tell the password.
func FuzzParse(f *testing.F) {
	for _, all := range []map[string]refusal{refusals(), urlRefusals()} {
		for _, c := range all {
			f.Add(c.text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := config.Parse("/a/b.yaml", text, environment); err != nil && !strings.Contains(text, canary) {
			require.NotContains(t, err.Error(), canary)
		}
	})
}
