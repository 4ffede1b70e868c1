package tablemap_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/tablemap"
)

func pair(left, right string) tablemap.Column { return tablemap.Column{Names: [2]string{left, right}} }

// invalid is a change that makes a link invalid.
type invalid struct {
	change func(*tablemap.Link)
	at     string // path of the problem; "": there is none
	says   string
}

func invalidLinks() map[string]invalid {
	type link = tablemap.Link
	return map[string]invalid{
		"all is well":        {func(*link) {}, "", ""},
		"name of the link":   {func(l *link) { l.Name = "Contoso" }, "link", `"Contoso"`},
		"long name":          {func(l *link) { l.Name = strings.Repeat("a", 41) }, "link", "name of a link"},
		"no maps":            {func(l *link) { l.Maps = nil }, "maps", "no maps"},
		"name of a side":     {func(l *link) { l.Sides[0] = "a b" }, "sides a b", "name of a side"},
		"side like a word":   {func(l *link) { l.Sides[1] = "default" }, "sides default", "name of a side"},
		"equal sides":        {func(l *link) { l.Sides[1] = "finops" }, "sides finops", "both sides"},
		"equal directions":   {func(l *link) { l.Sides = [2]string{"x-to-x", "x"} }, "sides x", "both sides"},
		"master":             {func(l *link) { l.Master = 7 }, "master", "neither"},
		"name of a map":      {func(l *link) { l.Maps[1].Name = "a_b" }, "maps a_b", "name of a map"},
		"two maps":           {func(l *link) { l.Maps[1].Name, l.Maps[1].Related = "groups", nil }, "maps groups", "two maps groups"},
		"no table":           {func(l *link) { l.Maps[1].Tables[0] = "" }, "maps customers tables finops", "no table"},
		"one table twice":    {func(l *link) { l.Maps[1].Tables[1] = "group" }, "maps customers tables dataverse", "groups and customers"},
		"related to nothing": {func(l *link) { l.Maps[1].Related = []string{"group"} }, "maps customers related 0", `"group"`},
		"related to itself":  {func(l *link) { l.Maps[1].Related = []string{"customers"} }, "maps customers related 0", "itself"},
		"related twice":      {func(l *link) { l.Maps[1].Related = []string{"groups", "groups"} }, "maps customers related 1", "twice"},
		"triggers":           {func(l *link) { l.Maps[1].Triggers = "never" }, "maps customers triggers", `"never"`},
		"truncate":           {func(l *link) { l.Maps[1].Truncate = "never" }, "maps customers truncate", `"never"`},
	}
}

func invalidColumns() map[string]invalid {
	text := "x"
	type link = tablemap.Link
	column := func(c tablemap.Column) func(*link) {
		return func(l *link) { l.Maps[1].Columns = []tablemap.Column{c} }
	}
	return map[string]invalid{
		"half a key":        {func(l *link) { l.Maps[1].Key[0].Names[1] = "" }, "maps customers key 0", "dataverse"},
		"key with default":  {func(l *link) { l.Maps[1].Key[0].Default = &text }, "maps customers key 0 default", "default"},
		"key and column":    {column(pair("account", "other")), "maps customers columns 0 finops", "twice"},
		"no names":          {column(pair("", "")), "maps customers columns 0", "no name"},
		"half a column":     {column(pair("a", "")), "maps customers columns 0", "no column on dataverse"},
		"needless default":  {column(tablemap.Column{Names: [2]string{"a", "b"}, Default: &text}), "maps customers columns 0 default", "has a default"},
		"flowing default":   {column(tablemap.Column{Names: [2]string{"a", ""}, Default: &text, Direction: tablemap.LeftToRight}), "maps customers columns 0", "nothing flows"},
		"bad direction":     {column(tablemap.Column{Names: [2]string{"a", "b"}, Direction: "up"}), "maps customers columns 0 direction", `"up"`},
		"many to one":       {column(tablemap.Column{Names: [2]string{"a", "b"}, Values: map[string]string{"x": "1", "y": "1"}}), "maps customers columns 0 values", `"x", "y" all become "1"`},
		"many to one, away": {column(tablemap.Column{Names: [2]string{"a", "b"}, Values: map[string]string{"x": "1", "y": "1"}, Direction: tablemap.LeftToRight}), "", ""},
		"many to one, back": {column(tablemap.Column{Names: [2]string{"a", "b"}, Values: map[string]string{"x": "1", "y": "1"}, Direction: tablemap.RightToLeft}), "maps customers columns 0 values", "read back"},
		"many to one key":   {func(l *link) { l.Maps[1].Key[0].Values = map[string]string{"x": "1", "y": "1"} }, "maps customers key 0 values", "read back"},
		"key one way":       {func(l *link) { l.Maps[1].Key[0].Direction = tablemap.LeftToRight }, "maps customers columns 0 direction", "one way only"},
		"key one way, all by name": {func(l *link) {
			l.Maps[1].Key[0].Direction, l.Maps[1].Columns = tablemap.LeftToRight, nil
		}, "", ""},
		"key in two ways": {func(l *link) {
			l.Maps[1].Key = append(l.Maps[1].Key, tablemap.Column{Names: [2]string{"k", "k"}, Direction: tablemap.RightToLeft})
		}, "maps customers key 1 direction", "different directions"},
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	text, cases := "x", invalidLinks()
	maps.Copy(cases, invalidColumns())
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &tablemap.Link{Name: "contoso", Sides: [2]string{"finops", "dataverse"}, Master: tablemap.Right, Maps: []tablemap.Map{
				{Name: "groups", Tables: [2]string{"custgroup", "group"}},
				{Name: "customers", Tables: [2]string{"custtable", "account"}, Key: []tablemap.Column{pair("account", "number")},
					Columns: []tablemap.Column{pair("name", "fullname"), {Names: [2]string{"", "owner"}, Default: &text}}, Related: []string{"groups"}},
			}}
			c.change(l)
			problems := l.Validate()
			if c.at == "" {
				require.Empty(t, problems)
				return
			}
			require.Len(t, problems, 1, "%+v", problems)
			require.Equal(t, c.at, strings.Join(problems[0].Path, " "))
			require.Contains(t, problems[0].Message, c.says)
			require.NotEmpty(t, problems[0].Hint)
		})
	}
}
