package replication

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// Draft is a link made up from two schemas: what a config file can begin with.
type Draft struct {
	Maps    []DraftMap  // parents before children; each can run as it is, as far as the schemas tell
	Refused []DraftMap  // pairs of tables that cannot be mapped; the notes say why
	Alone   [2][]string // tables without a counterpart, by side
}

// DraftMap is one pair of tables.
type DraftMap struct {
	tablemap.Map
	Notes []string // one sentence each: what was left out, what to know
}

// Draft pairs the tables of both databases by name and finds for each pair the key, the columns and the related maps.
// Sides and master are those of the engine's link; its maps are not looked at.
func (e *Engine) Draft(ctx context.Context) (*Draft, error) {
	d := &drafter{engine: Engine{Link: e.Link, Stores: e.Stores, Now: e.Now}}
	d.engine.Link.Maps = nil
	out := new(Draft)
	pairs, err := d.pairs(ctx, out)
	if err != nil {
		return nil, err
	}
	for _, tables := range pairs {
		d.engine.Link.Maps = append(d.engine.Link.Maps, tablemap.Map{Name: d.mapName(tables), Tables: tables})
	}
	if d.schemas, err = d.engine.Describe(ctx, nil); err != nil {
		return nil, err
	}
	for _, m := range slices.Clone(d.engine.Link.Maps) {
		one, ok := d.fit(m)
		if ok {
			out.Maps = append(out.Maps, one)
			continue
		}
		out.Refused = append(out.Refused, one)
	}
	d.relate(out)
	return out, nil
}

// drafter makes one draft. The maps of its engine's link are all pairs of tables.
type drafter struct {
	engine  Engine
	schemas Schemas
}

// pairs finds tables that are called alike: the same, or, where that is unambiguous, the same but for schema and case.
// Names are as short as they can be.
func (d *drafter) pairs(ctx context.Context, out *Draft) ([][2]string, error) {
	var names [2][]string
	for side, s := range d.engine.Stores {
		all, err := s.Describe(ctx)
		if err != nil {
			return nil, fmt.Errorf("describe tables of %s: %w", d.engine.Link.Sides[side], err)
		}
		if names[side], err = shortNames(ctx, s, sortedKeys(all)); err != nil {
			return nil, fmt.Errorf("describe tables of %s: %w", d.engine.Link.Sides[side], err)
		}
	}
	var found [][2]string
	for _, alike := range []func(string) string{func(name string) string { return name }, bareName} {
		for _, left := range slices.Clone(names[tablemap.Left]) {
			is := func(name string) bool { return alike(name) == alike(left) }
			right := slices.IndexFunc(names[tablemap.Right], is)
			if right < 0 || countOf(names[tablemap.Left], is) > 1 || countOf(names[tablemap.Right], is) > 1 {
				continue
			}
			found = append(found, [2]string{left, names[tablemap.Right][right]})
			names[tablemap.Right] = slices.Delete(names[tablemap.Right], right, right+1)
			names[tablemap.Left] = slices.DeleteFunc(names[tablemap.Left], is)
		}
	}
	out.Alone = names
	slices.SortFunc(found, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return found, nil
}

func countOf(names []string, is func(string) bool) int {
	n := 0
	for _, name := range names {
		if is(name) {
			n++
		}
	}
	return n
}

// shortNames leaves schemas out where tables are found without them.
func shortNames(ctx context.Context, s store.Store, names []string) ([]string, error) {
	var bare []string
	for _, name := range names {
		if _, short, ok := strings.Cut(name, "."); ok {
			bare = append(bare, short)
		}
	}
	if len(bare) == 0 {
		return names, nil
	}
	found, err := s.Describe(ctx, bare...)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = name
		if _, short, ok := strings.Cut(name, "."); ok && found[short].Name == name {
			out[i] = short
		}
	}
	return out, nil
}

// bareName is a table's name without its schema, in lower case.
func bareName(name string) string {
	if _, bare, ok := strings.Cut(name, "."); ok {
		name = bare
	}
	return strings.ToLower(name)
}

// mapName makes a name that no other map has.
func (d *drafter) mapName(tables [2]string) string {
	base := regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(bareName(tables[tablemap.Left]), "-")
	base = strings.Trim(base[:min(len(base), 36)], "-")
	if base == "" {
		base = "map"
	}
	name := base
	for n := 2; ; n++ {
		if _, taken := d.engine.Link.Map(name); !taken {
			return name
		}
		name = base + "-" + strconv.Itoa(n)
	}
}

// fit finds a key and the columns of a pair of tables; false when it cannot be mapped.
func (d *drafter) fit(m tablemap.Map) (DraftMap, bool) {
	var first []Finding
	for _, key := range d.keys(&m) {
		m.Key, m.Columns = key, nil
		out := DraftMap{Map: m}
		d.columns(&out)
		_, found := d.engine.Resolve(out.Map, d.schemas)
		if errorsOf(found) == nil {
			for _, f := range found {
				if f.Severity == SeverityWarning || f.Code == string(ruleColumnLeftOut) {
					out.Notes = append(out.Notes, f.text())
				}
			}
			return out, true
		}
		if first == nil {
			first = errorsOf(found)
		}
	}
	if first == nil {
		m.Key = nil
		_, found := d.engine.Resolve(m, d.schemas)
		first = errorsOf(found)
	}
	out := DraftMap{Map: tablemap.Map{Name: m.Name, Tables: m.Tables}}
	for _, f := range first {
		out.Notes = append(out.Notes, f.text())
	}
	return out, false
}

// errorsOf picks the errors.
func errorsOf(found []Finding) []Finding {
	var out []Finding
	for _, f := range found {
		if f.Severity == SeverityError {
			out = append(out, f)
		}
	}
	return out
}

// text is a finding without its mend, as one sentence.
func (f *Finding) text() string {
	if f.Side == "" {
		return f.Message
	}
	return f.Side + ": " + f.Message
}

// keys are the keys that a pair of tables may have: the primary key, then unique indexes of the same columns.
func (d *drafter) keys(m *tablemap.Map) [][]tablemap.Column {
	tables, _ := d.schemas.tables(m)
	var out [][]tablemap.Column
	add := func(names [][2]string) {
		var key []tablemap.Column
		for _, n := range names {
			key = append(key, tablemap.Column{Names: n})
		}
		if key != nil {
			out = append(out, key)
		}
	}
	add(keyNames(m, tables))
	for _, index := range tables[tablemap.Left].Unique {
		add(sameNames(index, tables, tablemap.Left))
	}
	return out
}

// columns names the columns of a map whose tables have some that cannot be mapped; those are left out with a note.
func (d *drafter) columns(m *DraftMap) {
	def, found := d.engine.Resolve(m.Map, d.schemas)
	if errorsOf(found) == nil {
		return
	}
	trial := m.Map
	trial.Columns = []tablemap.Column{}
	_, found = d.engine.Resolve(trial, d.schemas)
	known := make(map[string]bool) // errors that no column is the reason of
	for _, f := range found {
		known[f.text()] = true
	}
	kept := []tablemap.Column{}
	var notes []string
	for _, c := range def.Columns[min(len(m.Key), len(def.Columns)):] {
		trial.Columns = []tablemap.Column{c}
		_, found := d.engine.Resolve(trial, d.schemas)
		wrong := slices.DeleteFunc(errorsOf(found), func(f Finding) bool { return known[f.text()] })
		if len(wrong) == 0 {
			kept = append(kept, c)
			continue
		}
		notes = append(notes, fmt.Sprintf("column %s is left out: %s", c.Names[tablemap.Left], wrong[0].text()))
	}
	if len(notes) > 0 {
		m.Columns, m.Notes = kept, append(m.Notes, notes...)
	}
}

// relate names the related maps that foreign keys lead to and puts parents first.
func (d *drafter) relate(out *Draft) {
	d.engine.Link.Maps = nil
	byName := make(map[string]DraftMap)
	for _, m := range out.Maps {
		d.engine.Link.Maps = append(d.engine.Link.Maps, m.Map)
		byName[m.Name] = m
	}
	g := tablemap.Graph{Edges: d.engine.edges(&d.schemas)}
	for _, m := range out.Maps {
		g.Names = append(g.Names, m.Name)
	}
	order := g.Sorted(g.Names)
	out.Maps = nil
	for _, name := range order {
		m := byName[name]
		m.Related = g.Parents(name)
		out.Maps = append(out.Maps, m)
	}
}
