package postgres

import (
	"context"
	"fmt"

	"github.com/dualwrite/dualwrite/store"
)

const (
	// Rows that a transaction put there before it, or one before it, made the table a partition.
	sqlAttached = `SELECT count(*) FROM (SELECT 1 FROM %s t, pg_catalog.pg_inherits h
		WHERE h.inhrelid = $1::oid AND pg_catalog.age(t.xmin) >= pg_catalog.age(h.xmin) LIMIT 1) t`
	sqlSetParts = `UPDATE ` + capturedTable + ` SET identities = $2, body = $3 WHERE id = $1::bigint`
)

// lookAtPartitions looks whether the log still tells everything of captured tables that are partitioned. What it does not
// tell is a gap: that a partition has come with rows in it, has gone with its rows, or has been emptied by itself. A
// partition that has come empty is given full old rows, as the others have.
func (s *Store) lookAtPartitions(ctx context.Context) error {
	return s.writing(ctx, func(c *session) error {
		all, err := layouts(ctx, c)
		if err != nil {
			return err
		}
		for _, l := range all {
			if len(l.body.Parts) == 0 {
				continue
			}
			why, err := l.partitions(ctx, c)
			if err != nil {
				return err
			}
			if why != "" {
				return &store.GapError{Table: l.name, Reason: why}
			}
		}
		return nil
	})
}

// partitions compares the partitions with those that are known, and takes in new ones; why says what the log lacks.
func (l *layout) partitions(ctx context.Context, c *session) (why string, err error) {
	found, err := identitiesOf(ctx, c, fmt.Sprint(l.relid))
	if err != nil {
		return "", err
	}
	now := make(map[string]identity, len(found))
	for _, f := range found {
		now[f.oid] = f
	}
	for oid, file := range l.body.Parts {
		switch f, there := now[oid]; {
		case !there:
			return "a partition of it was dropped or detached: its rows are still on the other side", nil
		case f.file != file:
			return "its partition " + f.relation + " was truncated by itself, or rewritten", nil
		}
	}
	fresh := false
	for _, f := range found {
		if _, known := l.body.Parts[f.oid]; known {
			continue
		}
		if why, err := l.join(ctx, c, f); why != "" || err != nil {
			return why, err
		}
		fresh = true
	}
	if !fresh {
		return "", nil
	}
	return "", l.resave(ctx, c)
}

// join takes in a partition.
func (l *layout) join(ctx context.Context, c *session, f identity) (why string, err error) {
	name := quote(f.schema) + "." + quote(f.relation)
	if f.file != "" {
		rows, err := c.number(ctx, fmt.Sprintf(sqlAttached, name), textParam(f.oid))
		if err != nil {
			return "", tableFault(l.name, err)
		}
		if rows > 0 {
			return "its partition " + f.relation + " came with rows in it, which are not in the log", nil
		}
	}
	l.body.Parts[f.oid] = f.file
	if f.ident == identityFull {
		return "", nil
	}
	l.identities[f.oid] = f.ident + f.index
	if err := c.exec(ctx, "SET LOCAL lock_timeout = '"+lockPatience+"'; ALTER TABLE "+name+" REPLICA IDENTITY FULL"); err != nil {
		return "", l.refused(err, &tableInfo{Table: store.Table{Name: l.name}, schema: f.schema, relation: f.relation})
	}
	return "", nil
}

// resave writes down which partitions there are.
func (l *layout) resave(ctx context.Context, c *session) error {
	identities, body, err := l.texts()
	if err != nil {
		return err
	}
	_, err = c.change(ctx, sqlSetParts, numberParam(l.id), identities, body)
	return fault(err)
}
