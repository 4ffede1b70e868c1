package sqlite

import (
	"database/sql/driver"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

// missingParent makes the fault of a foreign key say which, if it is known.
func missingParent(fault *store.RowError, key *store.ForeignKey) {
	if key != nil {
		fault.Code, fault.Key, fault.Column = store.CodeMissingParent, *key, strings.Join(key.Columns, ", ")
	}
}

// orphan returns the foreign key whose parent a write would miss, nil if it misses none. SQLite does not tell.
func (a *applier) orphan(w *store.Write) (*store.ForeignKey, error) {
	for i := range a.p.info.ForeignKeys {
		key := &a.p.info.ForeignKeys[i]
		values, err := a.valuesOf(w, key.Columns)
		if err != nil {
			return nil, err
		}
		if values == nil || len(values) != len(key.References) || a.itself(w, key, values) {
			continue
		}
		var match []string
		for _, c := range key.References {
			match = append(match, quote(key.Table)+"."+quote(c)+" = ?")
		}
		n, err := a.tx.c.number(a.ctx, "SELECT EXISTS(SELECT 1 FROM main."+quote(key.Table)+" WHERE "+strings.Join(match, " AND ")+")", values...)
		if err != nil {
			return nil, fault(err)
		}
		if n == 0 {
			return key, nil
		}
	}
	return nil, nil
}

// valuesOf returns what columns of the row hold once it is written, nil if one is null or not known.
func (a *applier) valuesOf(w *store.Write, columns []string) ([]driver.Value, error) {
	out := make([]driver.Value, len(columns))
	for i, name := range columns {
		v, ok := a.written(w, name)
		if !ok {
			// The column keeps what it has, or takes its default, which is not looked for.
			err := a.tx.c.query(a.ctx, "SELECT +"+quote(a.p.info.Name)+"."+quote(name)+" FROM "+a.p.table+" WHERE "+a.p.match,
				bindRow(w.Key), func(row []driver.Value) error {
					v = row[0]
					return nil
				})
			if err != nil {
				return nil, tableFault(a.rel.Table, err)
			}
		}
		if v == nil {
			return nil, nil
		}
		out[i] = v
	}
	return out, nil
}

// written is what a write itself puts into a column.
func (a *applier) written(w *store.Write, name string) (driver.Value, bool) {
	for i, c := range a.p.columns {
		if strings.EqualFold(c.Name, name) {
			return toSQL(stored(w.After[i], c.Type)), true
		}
	}
	for i, c := range a.p.defaults {
		if strings.EqualFold(c.Name, name) {
			return toSQL(stored(w.Relation.Defaults[i].Value, c.Type)), true
		}
	}
	return nil, false
}

// itself reports whether the row is its own parent.
func (a *applier) itself(w *store.Write, key *store.ForeignKey, values []driver.Value) bool {
	if !strings.EqualFold(key.Table, a.p.info.Name) {
		return false
	}
	own, err := a.valuesOf(w, key.References)
	if err != nil || own == nil {
		return false
	}
	for i := range own {
		x, xErr := fromSQL(own[i])
		y, yErr := fromSQL(values[i])
		if xErr != nil || yErr != nil || x != y {
			return false
		}
	}
	return true
}

// unsettled looks for foreign keys that are checked at the commit and would fail there. It returns the write at fault.
func (a *applier) unsettled() (int, error) {
	open, err := a.tx.c.unresolved()
	if err != nil || !open {
		return 0, fault(err)
	}
	last := 0
	for i := range a.writes {
		w := &a.writes[i]
		if err := a.place(i); err != nil {
			return i, err
		}
		if w.After == nil {
			if len(a.p.info.ForeignKeys) == 0 {
				last = i // a parent, perhaps
			}
			continue
		}
		if row, err := a.one(w.After[:a.p.key]); err != nil {
			return i, err
		} else if row == nil {
			continue
		}
		key, err := a.orphan(&store.Write{Relation: w.Relation, Key: w.After[:a.p.key], After: w.After})
		if err != nil {
			return i, err
		}
		if key != nil {
			found := &store.RowError{Table: w.Relation.Table, Detail: "FOREIGN KEY constraint failed"}
			missingParent(found, key)
			return i, found
		}
	}
	return last, &store.RowError{Table: a.writes[last].Relation.Table, Code: store.CodeForeignKey, Detail: "FOREIGN KEY constraint failed"}
}
