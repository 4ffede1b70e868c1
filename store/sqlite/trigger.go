package sqlite

import (
	"slices"
	"strconv"
	"strings"
)

// The triggers run in the users' own SQLite, of 3.24 or later: nothing newer may stand in them, and nothing that is an
// option of its build.

// sqlNow is the time in milliseconds.
const sqlNow = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"

// maxCompared bounds an expression's depth, which is limited to 1,000 terms.
const maxCompared = 300

// trigger is one of the triggers of a layout.
type trigger struct {
	name string
	sql  string // as the catalog has it
	main bool   // without it changes are lost
}

// touch is a way in which a REPLACE can find rows to remove.
type touch struct {
	signature string
	op        int64
	match     string   // of the table's row, as o, and NEW
	columns   []string // whose change can bring it about; nil: any
}

// touches are all the ways of a table, one for each unique index and one for the row number.
func (t *tableInfo) touches() []touch {
	var out []touch
	switch {
	case t.alias != "":
		c := quote(t.alias)
		out = append(out, touch{"row number", opNumber, "o." + c + " = NEW." + c, []string{t.alias}})
	case t.rowid != "":
		out = append(out, touch{"row number", opSuspect, "o." + t.rowid + " = NEW." + t.rowid, []string{t.rowid}})
	}
	for _, u := range t.indexes {
		one := touch{signature: u.signature(), op: opTouch, match: t.matchOf(u)}
		if u.plain() {
			one.columns = u.columns
		} else {
			one.op = opSuspect
		}
		if !slices.ContainsFunc(out, func(x touch) bool { return x.signature == one.signature }) {
			out = append(out, one)
		}
	}
	return out
}

// matchOf says that a row and NEW cannot both be in the index; where it has a condition or expressions, about so.
func (t *tableInfo) matchOf(u uniqueIndex) string {
	var parts []string
	if u.where != "" {
		parts = append(parts, "("+u.where+"\n)")
	}
	for i, c := range u.columns {
		collate := " COLLATE " + quote(u.collations[i])
		if c != "" {
			parts = append(parts, "o."+quote(c)+collate+" = NEW."+quote(c))
			continue
		}
		if i < len(u.terms) {
			parts = append(parts, "("+u.terms[i]+"\n)"+collate+" = (SELECT "+u.terms[i]+"\nFROM (SELECT "+t.newRow()+"))")
		}
	}
	return strings.Join(parts, " AND ")
}

// newRow lists NEW so that its columns can be named without it.
func (t *tableInfo) newRow() string {
	out := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		out[i] = "NEW." + quote(c.Name) + " AS " + quote(c.Name)
	}
	return strings.Join(out, ", ")
}

// triggers are those that a layout has on its table as it is now.
func (l *layout) triggers(t *tableInfo) []trigger {
	names := l.captured()
	after, before := quoteAll("NEW.", names), quoteAll("OLD.", names)
	insert := func(op int64, values string, n int) string {
		return "INSERT INTO " + outboxTable + " (layout, op, at, " + valueColumns(0, n) + ") VALUES (" + l.number() + ", " +
			strconv.FormatInt(op, 10) + ", " + sqlNow + ", " + values + ");"
	}
	n := len(names)
	out := []trigger{
		l.trigger(t, event{"insert", "AFTER INSERT", ""}, insert(opInsert, after, n)),
		l.trigger(t, event{"update", "AFTER UPDATE", l.differs(names)}, insert(opUpdate, before+", "+after, 2*n)),
		l.trigger(t, event{"delete", "AFTER DELETE", ""}, insert(opDelete, before, n)),
	}
	for i := range out {
		out[i].main = true
	}
	if touches := t.touches(); len(touches) > 0 {
		out = append(out, l.trigger(t, event{"before_insert", "BEFORE INSERT", ""}, l.touch(touches, "")),
			l.trigger(t, event{"before_update", "BEFORE UPDATE", t.canTouch(touches)}, l.touch(onUpdate(touches), " AND "+t.other(names))))
	}
	return out
}

func (l *layout) number() string { return strconv.FormatInt(l.id, 10) }

// event is when a trigger fires.
type event struct {
	name string
	on   string
	when string // "": always
}

func (l *layout) trigger(t *tableInfo, e event, body string) trigger {
	name := prefix + l.number() + "_" + e.name
	when := ""
	if e.when != "" {
		when = "WHEN " + e.when + " "
	}
	return trigger{name: name, sql: quote(name) + " " + e.on + " ON " + quote(t.Name) + " " + when + "BEGIN " + body + " END"}
}

// touch logs the rows that a write would remove.
func (l *layout) touch(touches []touch, other string) string {
	names := l.captured()
	var out []string
	for _, t := range touches {
		out = append(out, "INSERT INTO "+outboxTable+" (layout, op, at, "+valueColumns(0, 2*len(names))+") SELECT "+l.number()+", "+
			strconv.FormatInt(t.op, 10)+", "+sqlNow+", "+quoteAll("o.", names)+", "+quoteAll("NEW.", names)+
			" FROM "+quote(l.Table)+" AS o WHERE "+t.match+other+";")
	}
	return strings.Join(out, " ")
}

// onUpdate knows the number of the row written, which an insert may leave to the database.
func onUpdate(touches []touch) []touch {
	out := slices.Clone(touches)
	for i := range out {
		if out[i].op == opNumber {
			out[i].op = opTouch
		}
	}
	return out
}

// differs says that an update changes a captured column.
func (l *layout) differs(names []string) string {
	if len(names) > maxCompared {
		return ""
	}
	var out []string
	for i, name := range names {
		out = append(out, "NEW."+quote(name)+" IS NOT OLD."+quote(name)+" COLLATE BINARY")
		if affinityOf(l.Columns[i].Type.Name, l.Columns[i].Type.Strict) == affinityNone { // 1 and 1.0 are two values there
			out = append(out, "typeof(NEW."+quote(name)+") <> typeof(OLD."+quote(name)+")")
		}
	}
	return strings.Join(out, " OR ")
}

// canTouch says that an update changes a column of a unique index.
func (t *tableInfo) canTouch(touches []touch) string {
	var out []string
	for _, one := range touches {
		if one.columns == nil || len(out) > maxCompared {
			return ""
		}
		for _, name := range one.columns {
			if one.signature == "row number" && t.alias == "" {
				out = append(out, "NEW."+name+" <> OLD."+name)
				continue
			}
			if s := "NEW." + quote(name) + " IS NOT OLD." + quote(name) + " COLLATE BINARY"; !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return strings.Join(out, " OR ")
}

// other says that o is not the row that is updated.
func (t *tableInfo) other(captured []string) string {
	if t.rowid != "" {
		return "o." + t.rowid + " <> OLD." + t.rowid
	}
	names := t.PrimaryKey
	if !t.withoutRowid {
		names = captured
	}
	var out []string
	for _, name := range names {
		out = append(out, "o."+quote(name)+" IS OLD."+quote(name))
	}
	return "NOT (" + strings.Join(out, " AND ") + ")"
}
