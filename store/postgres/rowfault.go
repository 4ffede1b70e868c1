package postgres

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

const (
	sqlConstraint = `SELECT k.contype::text, k.conrelid = $1::oid, coalesce(` + sqlNamesOf + `k.conkey` + sqlNamesIn + `k.conrelid), '')
		FROM pg_catalog.pg_constraint k WHERE k.conname = $2 AND $1::oid IN (k.conrelid, k.confrelid) ORDER BY 2 DESC LIMIT 1`
	sqlIndex = `SELECT ` + sqlNamesOf + `(i.indkey::int2[])[0:i.indnkeyatts - 1]` + sqlNamesIn + `i.indrelid)
		FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = $1::oid AND c.relname = $2`
)

// fault classifies an error of one write. What is to be looked up is looked up on another connection: in a transaction
// that has failed nothing can be.
func (a *applier) fault(ctx context.Context, i int, err error) error {
	if err == nil {
		return nil
	}
	w := &a.writes[i]
	p := a.plans[w.Relation]
	if tells := state(err); tells == "42703" || tells == stateUndefinedTable || tells == "42804" {
		a.tx.s.plans.forget()
	}
	cause := pgError(err)
	err = rowFault(w.Relation.Table, err)
	var found *store.RowError
	if !errors.As(err, &found) {
		return err
	}
	found.Index = i
	look := a.tx.s.reading(ctx, func(c *session) error { return rowFinding{w, p, found}.complete(ctx, c, cause.ConstraintName) })
	if look != nil {
		return look
	}
	return found
}

// rowFinding is a fault that is being completed.
type rowFinding struct {
	w     *store.Write
	p     *plan
	fault *store.RowError
}

// complete adds columns and the foreign key.
func (f rowFinding) complete(ctx context.Context, c *session, constraint string) error {
	switch f.fault.Code {
	case store.CodeUnique, store.CodeCheck, store.CodeForeignKey:
		return f.constraint(ctx, c, constraint)
	case store.CodeType:
		return f.typed(ctx, c)
	}
	return nil
}

func (f rowFinding) constraint(ctx context.Context, c *session, name string) error {
	params := []param{textParam(f.p.info.oid), textParam(name)}
	var columns []string
	kind, ours := "", false
	err := c.query(ctx, sqlConstraint, params, func(values [][]byte) error {
		row := texts(values)
		kind, ours, columns = row[0], row[1] == "t", splitArray(row[2])
		return nil
	})
	if err == nil && kind == "" {
		var list string
		if list, err = c.text(ctx, sqlIndex, params...); list != "" {
			columns = splitArray(list)
		}
	}
	if err != nil {
		return err
	}
	if f.fault.Code != store.CodeForeignKey {
		f.fault.Column = joined(columns)
		return nil
	}
	if !ours || f.w.After == nil {
		f.fault.Column = ""
		return nil
	}
	f.missingParent(columns)
	return nil
}

func (f rowFinding) missingParent(columns []string) {
	f.fault.Column = joined(columns)
	for _, k := range f.p.info.ForeignKeys {
		if joined(k.Columns) == joined(columns) {
			f.fault.Code, f.fault.Key = store.CodeMissingParent, k
		}
	}
}

// typed finds the column whose value the server cannot read.
func (f rowFinding) typed(ctx context.Context, c *session) error {
	row := f.w.After
	if row == nil {
		row = f.w.Key
	}
	for i, v := range row {
		if v.IsNull() {
			continue
		}
		if err := c.exec(ctx, sqlSavepoint); err != nil {
			return err
		}
		if strings.Contains(v.S, "\x00") && v.Kind != store.Blob {
			f.fault.Column = f.p.names[i]
			return nil
		}
		_, err := c.change(ctx, "SELECT $1::text::"+f.p.types[i].cast(), valueParam(v))
		if err == nil && f.tooLong(i, v) {
			f.fault.Column = f.p.names[i]
			return nil
		}
		undo := c.exec(ctx, sqlRollbackTo+"; "+sqlRelease)
		if err != nil && unreadable(err) {
			f.fault.Column = f.p.names[i]
			return undo
		}
		if err != nil {
			return err
		}
		if undo != nil {
			return undo
		}
	}
	return nil
}

// tooLong reports whether a text has more characters than its column takes.
func (f rowFinding) tooLong(i int, v store.Value) bool {
	limit, err := strconv.Atoi(f.p.types[i].modifier)
	base := f.p.types[i].base
	const header = 4
	return err == nil && limit > header && (base == "varchar" || base == "bpchar") && len([]rune(v.S)) > limit-header
}

const sqlParentThere = `SELECT pg_catalog.count(*) FROM `

// parents checks the foreign keys of a row where the server does not: while triggers are skipped.
func (a *applier) parents(ctx context.Context, i int) error {
	w := &a.writes[i]
	if !w.Relation.SkipTriggers {
		return nil
	}
	p := a.plans[w.Relation]
	for _, k := range p.info.ForeignKeys {
		parent, err := describeOne(ctx, a.tx.c, k.Table)
		if err != nil {
			return err
		}
		if parent == nil {
			continue
		}
		var where []string
		var params []param
		for n, name := range k.Columns {
			at := -1
			for j, own := range p.names {
				if own == name {
					at = j
				}
			}
			if at < 0 || w.After[at].IsNull() {
				where = nil
				break
			}
			params = append(params, valueParam(w.After[at]))
			t := parent.types[k.References[n]]
			where = append(where, quote(k.References[n])+" = $"+strconv.Itoa(n+1)+"::text::"+t.cast())
		}
		if len(where) == 0 {
			continue
		}
		n, err := a.tx.c.number(ctx, sqlParentThere+parent.quoted()+" WHERE "+strings.Join(where, " AND "), params...)
		if err != nil {
			return a.fault(ctx, i, err)
		}
		if n == 0 {
			return &store.RowError{Index: i, Code: store.CodeMissingParent, Table: w.Relation.Table, Column: joined(k.Columns), Key: k,
				Detail: "the parent in " + k.Table + " is not there"}
		}
	}
	return nil
}
