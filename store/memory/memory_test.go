package memory_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/memory"
	"github.com/dualwrite/dualwrite/store/storetest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	for name, letsGo := range map[string]bool{"keeps its log": false, "lets go of its log": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t *testing.T) storetest.Harness { return open(t, letsGo) })
		})
	}
}

func open(t *testing.T, letsGo bool) storetest.Harness {
	db := memory.New(memory.Options{Filters: storetest.Filters(), Clock: func() int64 { return time.Now().UnixMilli() }, LetsGo: letsGo, QuietRows: 1})
	s := db.Store()
	t.Cleanup(func() { _ = s.Close() })
	reopen := func() (store.Store, error) {
		if err := s.Close(); err != nil {
			return nil, err
		}
		s = db.Store()
		return s, nil
	}
	return storetest.Harness{
		Store: s,
		Features: storetest.Features{Strict: true, OneWriter: true, Whole: true, Truncate: true, Triggers: true, NulText: true, Kinds: []store.Kind{
			store.Integer, store.Real, store.Text, store.Blob, store.Numeric, store.Bool, store.Date, store.Time,
			store.Timestamp, store.TimestampTZ, store.UUID, store.JSON}},
		Reopen: reopen,
		Create: func(def storetest.Table) error { return db.Create(table(def)) },
		Begin: func() (storetest.UserTx, error) {
			u, err := db.Begin()
			return userTx{u}, err
		},
		Lose: db.LoseLog,
		Backup: func() (func() (store.Store, error), error) {
			backup := db.Backup()
			return func() (store.Store, error) {
				db.Restore(backup)
				return reopen()
			}, nil
		},
		DropColumn: db.DropColumn,
		Uncapture:  db.Uncapture,
	}
}

// table makes the suite's table one of the database's.
func table(def storetest.Table) memory.Table {
	out := memory.Table{Name: def.Name, Key: def.Key, Unique: def.Unique}
	for _, c := range def.Columns {
		out.Columns = append(out.Columns, memory.Column{Name: c.Name, NotNull: c.NotNull, Auto: c.Auto, Default: c.Default,
			Type: store.Type{Name: c.Kind.String(), Kind: c.Kind, Strict: true}})
	}
	for _, fk := range def.ForeignKeys {
		key := memory.ForeignKey{Columns: fk.Columns, Table: fk.Table, References: fk.References}
		if fk.Cascade {
			key.OnDelete = memory.Cascade
		}
		out.ForeignKeys = append(out.ForeignKeys, key)
	}
	for _, c := range def.Checks {
		at := column(def, c.Column)
		out.Checks = append(out.Checks, memory.Check{Column: c.Column, Holds: func(row store.Row) bool {
			return row[at].IsNull() || row[at].Int64() >= c.Min
		}})
	}
	for _, tr := range def.Triggers {
		out.Triggers = append(out.Triggers, trigger(def, tr))
	}
	return out
}

func column(def storetest.Table, name string) int {
	for i, c := range def.Columns {
		if c.Name == name {
			return i
		}
	}
	panic("the suite names a column that it has not defined: " + name)
}

func trigger(def storetest.Table, tr storetest.Trigger) memory.Trigger {
	when := column(def, tr.When)
	return memory.Trigger{Name: tr.Name, Before: func(_ store.Op, _, row store.Row) (store.Row, error) {
		switch {
		case row == nil || row[when] != tr.Value:
		case tr.Set == "":
			return nil, fmt.Errorf("%s: %s is refused", tr.Name, tr.Value.S)
		default:
			row[column(def, tr.Set)] = tr.To
		}
		return row, nil
	}}
}

type userTx struct{ *memory.User }

func (u userTx) Rollback() error {
	u.User.Rollback()
	return nil
}

func (u userTx) Exec(s storetest.Statement) error {
	var err error
	switch s.Op {
	case store.Insert:
		return u.Insert(s.Table, s.Set)
	case store.Update:
		_, err = u.Update(s.Table, s.Where, s.Set)
	case store.Delete:
		_, err = u.Delete(s.Table, s.Where)
	case store.Truncate:
		return u.Truncate(s.Table)
	default:
		return fmt.Errorf("no statement %s", s.Op)
	}
	return err
}
