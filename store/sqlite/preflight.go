package sqlite

import (
	"context"
	"fmt"
	"slices"

	"github.com/dualwrite/dualwrite/store"
)

// Preflight looks at what applications and tables have to be like. What a file lacks to be opened at all, Open has said.
func (s *Store) Preflight(ctx context.Context, uses ...store.Use) ([]store.Remark, error) {
	var out []store.Remark
	written := slices.ContainsFunc(uses, func(u store.Use) bool { return u.Written })
	if written {
		out = append(out, store.Remark{Code: store.RemarkBusyTimeout, Hint: "PRAGMA busy_timeout = 5000, or your library's, in each of them",
			Message: "our writes hold the database's lock for about 20 ms, or for as long as a large transaction of the other side takes: " +
				"applications without a busy timeout will meet SQLITE_BUSY"})
	}
	var names []string
	for _, u := range uses {
		if u.Captured {
			names = append(names, u.Relation.Table)
		}
	}
	if len(names) == 0 {
		return out, nil
	}
	tables, err := s.Describe(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("preflight: %w", err)
	}
	for _, name := range names {
		t := tables[name]
		if index := unseen(&t); index != nil {
			out = append(out, store.Remark{Code: store.RemarkReplaceBlind, Table: name,
				Hint:    "give the index columns that are stored, or see that no application uses REPLACE on it",
				Message: fmt.Sprintf("a REPLACE without a row number may remove rows by its unique index on %v without our seeing it", index)})
		}
	}
	return out, nil
}

// unseen is a unique index on a computed column of a table whose rows SQLite numbers, if there is one: the triggers
// before a REPLACE cannot know the number, and so not the computed value.
func unseen(t *store.Table) []string {
	if !slices.ContainsFunc(t.Columns, func(c store.Column) bool { return c.Auto }) {
		return nil
	}
	i := slices.IndexFunc(t.Unique, func(index []string) bool {
		return slices.ContainsFunc(index, func(name string) bool { return slices.Contains(t.Generated, name) })
	})
	if i < 0 {
		return nil
	}
	return t.Unique[i]
}
