package tablemap

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Problem is one thing that is wrong with a link, whatever the two databases look like.
type Problem struct {
	Path    []string // where: the config's keys from its root, as in maps, customers, columns, 2 (positions count from 0)
	Message string
	Hint    string // the mend
}

// Validate finds all that is wrong with a link by itself.
func (l *Link) Validate() []Problem {
	v := &validation{link: l}
	if !validName(l.Name) {
		v.at("link").add(nameMend, "%q cannot be the name of a link", l.Name)
	}
	v.sides()
	if len(l.Maps) == 0 {
		v.at("maps").add("name at least one table under maps, as in `currencies: {}`", "there are no maps")
	}
	for i := range l.Maps {
		v.mapped(&l.Maps[i], l.Maps[:i])
	}
	return v.problems
}

const nameMend = "use 1 to 40 lower-case letters, digits and hyphens"

func validName(s string) bool {
	return regexp.MustCompile(`^[a-z0-9-]{1,40}$`).MatchString(s)
}

// ColumnWords are the keys of a column in the config that are not names of sides.
func ColumnWords() []string { return []string{"direction", "values", "default"} }

// ArrowWord is how the config spells the direction that leads from a side to the other.
func (l *Link) ArrowWord(from Side) string { return l.Sides[from] + "-to-" + l.Sides[from.Other()] }

// validation collects problems.
type validation struct {
	link     *Link
	problems []Problem
}

// place is where problems are.
type place struct {
	v    *validation
	path []string
}

func (v *validation) at(path ...string) place { return place{v, path} }

func (p place) at(path ...string) place { return place{p.v, append(slices.Clone(p.path), path...)} }

func (p place) add(hint, format string, args ...any) {
	p.v.problems = append(p.v.problems, Problem{p.path, fmt.Sprintf(format, args...), hint})
}

func (v *validation) sides() {
	names := v.link.Sides
	for _, name := range names {
		switch {
		case !regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,39}$`).MatchString(name):
			v.at("sides", name).add("use 1 to 40 letters, digits, hyphens, dots and underscores", "%q cannot be the name of a side", name)
		case slices.Contains(ColumnWords(), name):
			v.at("sides", name).add("call it otherwise: the word has a meaning in columns", "%q cannot be the name of a side", name)
		}
	}
	if names[Left] == names[Right] || v.link.ArrowWord(Left) == v.link.ArrowWord(Right) {
		v.at("sides", names[Right]).add("give them names that can be told apart", "both sides are called %q", names[Right])
	}
	if v.link.Master != Left && v.link.Master != Right {
		v.at("master").add("name one of the two sides", "the master is neither of the sides")
	}
}

// mapped validates one map; earlier are the maps before it.
func (v *validation) mapped(m *Map, earlier []Map) {
	at := v.at("maps", m.Name)
	if !validName(m.Name) {
		at.add(nameMend+"; the tables' own names go under tables", "%q cannot be the name of a map", m.Name)
	}
	if slices.ContainsFunc(earlier, func(o Map) bool { return o.Name == m.Name }) {
		at.add("give each map a name of its own", "there are two maps %s", m.Name)
	}
	v.tables(at, m, earlier)
	v.columns(at, m)
	v.related(at, m)
	if m.Triggers != TriggersFire && m.Triggers != TriggersSkip {
		at.at("triggers").add("write fire or skip", "triggers of map %s cannot be %q", m.Name, m.Triggers)
	}
	if m.Truncate != TruncateRefuse && m.Truncate != TruncateApply {
		at.at("truncate").add("write refuse or apply", "truncate of map %s cannot be %q", m.Name, m.Truncate)
	}
}

func (v *validation) tables(at place, m *Map, earlier []Map) {
	for s, table := range m.Tables {
		side := v.link.Sides[s]
		if table == "" {
			at.at("tables", side).add("name it under tables", "map %s has no table on %s", m.Name, side)
			continue
		}
		for _, o := range earlier {
			if o.Tables[s] == table {
				at.at("tables", side).add("a table can be in one map only: drop one of them, or put the columns into one map",
					"maps %s and %s are both on table %s of %s", o.Name, m.Name, table, side)
			}
		}
	}
}

func (v *validation) columns(at place, m *Map) {
	seen := [2]map[string]bool{{}, {}}
	for i := range m.Key {
		c, here := &m.Key[i], at.at("key", strconv.Itoa(i))
		v.keyColumn(here, m, c)
		v.repeated(here, m, c, seen)
	}
	for i := range m.Columns {
		c, here := &m.Columns[i], at.at("columns", strconv.Itoa(i))
		v.column(here, m, c)
		v.repeated(here, m, c, seen)
	}
}

// repeated refuses a column that is in the map already.
func (v *validation) repeated(at place, m *Map, c *Column, seen [2]map[string]bool) {
	for s, name := range c.Names {
		if name != "" && seen[s][name] {
			at.at(v.link.Sides[s]).add("name each column once", "column %s of %s is twice in map %s", name, v.link.Sides[s], m.Name)
		}
		seen[s][name] = true
	}
}

func (v *validation) keyColumn(at place, m *Map, c *Column) {
	for s, name := range c.Names {
		if name == "" {
			at.add("name the column of "+v.link.Sides[s]+" too", "key of map %s lacks the column of %s", m.Name, v.link.Sides[s])
		}
	}
	if c.Default != nil {
		at.at("default").add("take it out: rows pair by their key, so both sides have it", "key of map %s has a default", m.Name)
	}
	v.direction(at, m, c)
	v.values(at, m, c)
	if c.Direction == m.Key[0].Direction {
		return
	}
	at.at("direction").add("give all key columns the same direction, or none", "key columns of map %s flow in different directions", m.Name)
}

func (v *validation) column(at place, m *Map, c *Column) {
	one := c.Names[Left] == "" || c.Names[Right] == ""
	switch {
	case c.Names[Left] == "" && c.Names[Right] == "":
		at.add(fmt.Sprintf("as in {%s: name, %s: name}", v.link.Sides[Left], v.link.Sides[Right]), "a column of map %s has no name on either side", m.Name)
		return
	case one && c.Default == nil:
		s := Left
		if c.Names[Left] != "" {
			s = Right
		}
		at.add(fmt.Sprintf("name the column of %s too, or give a default", v.link.Sides[s]),
			"column %s of map %s has no column on %s", c.Names[s.Other()], m.Name, v.link.Sides[s])
	case !one && c.Default != nil:
		at.at("default").add("take the default out, or one of the two columns",
			"column %s of map %s has a default, which is for a column that the other side does not have", c.Names[Left], m.Name)
	case one && (c.Direction != Both || len(c.Values) > 0):
		at.add("take direction and values out", "column %s of map %s only has a default: nothing flows", c.Names[Left]+c.Names[Right], m.Name)
	}
	v.direction(at, m, c)
	v.values(at, m, c)
	if len(m.Key) > 0 && m.Key[0].Direction != Both && c.Default == nil && c.Direction != m.Key[0].Direction {
		at.at("direction").add("give the key no direction, or all columns that of the key", "the key of map %s flows one way only, its column %s does not", m.Name, c.Names[Left])
	}
}

func (v *validation) direction(at place, m *Map, c *Column) {
	switch c.Direction {
	case Both, LeftToRight, RightToLeft:
		return
	}
	at.at("direction").add(fmt.Sprintf("write both, %s or %s", v.link.ArrowWord(Left), v.link.ArrowWord(Right)),
		"column %s of map %s cannot flow %q", c.Names[Left], m.Name, c.Direction)
}

// values refuses value maps that cannot be read backwards, where values flow back, or where they tell rows apart.
func (v *validation) values(at place, m *Map, c *Column) {
	lefts := make(map[string][]string)
	for left, right := range c.Values {
		lefts[right] = append(lefts[right], left)
	}
	if !c.Direction.Flows(Right) && !slices.Contains(m.keyNames(), c.Names) {
		return
	}
	for _, right := range sorted(lefts) {
		if len(lefts[right]) < 2 {
			continue
		}
		slices.Sort(lefts[right])
		at.at("values").add(fmt.Sprintf("give each its own value, or let the column flow only %s", v.link.ArrowWord(Left)),
			"values of column %s of map %s: %s all become %q, which cannot be read back", c.Names[Left], m.Name,
			quoteAll(lefts[right]), right)
	}
}

func (m *Map) keyNames() [][2]string {
	names := make([][2]string, len(m.Key))
	for i, c := range m.Key {
		names[i] = c.Names
	}
	return names
}

func (v *validation) related(at place, m *Map) {
	names := make([]string, len(v.link.Maps))
	for i, o := range v.link.Maps {
		names[i] = o.Name
	}
	for i, parent := range m.Related {
		here := at.at("related", strconv.Itoa(i))
		switch {
		case parent == m.Name:
			here.add("take it out", "map %s is related to itself", m.Name)
		case !slices.Contains(names, parent):
			here.add(DidYouMean("map", parent, names), "map %s is related to %q, which is no map", m.Name, parent)
		case slices.Contains(m.Related[:i], parent):
			here.add("name it once", "map %s names %s twice under related", m.Name, parent)
		}
	}
}

func sorted(lefts map[string][]string) []string {
	keys := make([]string, 0, len(lefts))
	for k := range lefts {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func quoteAll(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = strconv.Quote(t)
	}
	return strings.Join(quoted, ", ")
}
