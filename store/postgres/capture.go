package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"

	"github.com/dualwrite/dualwrite/store"
)

// Users' statements queue behind a lock that we wait for, so we wait briefly, and again.
const (
	lockPatience = "200ms"
	lockTries    = 4
	lockPause    = 150 * time.Millisecond
)

// Capture installs the ledger, publications and slot, and puts relations under capture. The lock that it takes waits for
// the transactions that have written the table: what they did is not decoded with the table, so it must be visible.
func (s *Store) Capture(ctx context.Context, relations ...store.Relation) error {
	err := s.install(ctx)
	if err == nil && len(relations) > 0 {
		err = s.alone(ctx, func() error { return s.pullAll(ctx, relations) })
	}
	if err != nil {
		return fmt.Errorf("capture tables: %w", err)
	}
	return nil
}

func (s *Store) pullAll(ctx context.Context, relations []store.Relation) error {
	if err := s.provideSlot(ctx); err != nil {
		return err
	}
	for i := range relations {
		if err := s.patiently(ctx, func(c *session) error { return capture(ctx, c, &relations[i]) }); err != nil {
			return err
		}
	}
	return nil
}

// patiently repeats a transaction that waits for the lock of a table.
func (s *Store) patiently(ctx context.Context, work func(c *session) error) error {
	for try := 1; ; try++ {
		err := s.writing(ctx, func(c *session) error {
			if err := c.exec(ctx, "SET LOCAL lock_timeout = '"+lockPatience+"'"); err != nil {
				return err
			}
			return work(c)
		})
		if !errors.Is(err, store.ErrBusy) || try == lockTries {
			return err
		}
		if err := wait(ctx, lockPause); err != nil {
			return err
		}
	}
}

// wait lets time pass, or returns the context's error when that ends.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func capture(ctx context.Context, c *session, rel *store.Relation) error {
	info, err := describeOne(ctx, c, rel.Table)
	switch {
	case err != nil:
		return err
	case info == nil:
		return missing(rel.Table, "there is no such table")
	case !info.capturable():
		return missing(rel.Table, "it is no ordinary table: a view, a foreign, temporary or unlogged table, or a partition cannot be captured")
	}
	fresh, err := newLayout(info, rel)
	if err != nil {
		return err
	}
	all, err := layouts(ctx, c)
	if err != nil {
		return err
	}
	for _, old := range all {
		if old.name != info.Name {
			continue
		}
		lost, err := old.lost(ctx, c)
		if err != nil {
			return err
		}
		if lost == "" && old.same(fresh) {
			return nil
		}
		fresh.identities, fresh.body.Theirs = old.identities, old.body.Theirs
		if _, err := c.change(ctx, sqlEndLayout, numberParam(old.id)); err != nil {
			return fault(err)
		}
	}
	return fresh.pull(ctx, c, info)
}

func (t *tableInfo) capturable() bool {
	return (t.kind == "r" || t.kind == "p") && t.persisted == "p" && !t.leaf
}

const (
	sqlIdentities = `SELECT c.oid, c.relreplident::text, n.nspname, c.relname,
			coalesce((SELECT x.relname FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
				WHERE i.indrelid = c.oid AND i.indisreplident), ''), coalesce(pg_catalog.pg_relation_filenode(c.oid)::text, '')
		FROM (SELECT $1::oid AS relid UNION SELECT relid FROM pg_catalog.pg_partition_tree($1::oid::regclass)) t
			JOIN pg_catalog.pg_class c ON c.oid = t.relid
			JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace ORDER BY c.oid`
	identityFull = "f"
)

// identity is how the old row of an update or delete of a table gets into the log.
type identity struct{ oid, ident, schema, relation, index, file string }

func identitiesOf(ctx context.Context, c *session, relid string) ([]identity, error) {
	var out []identity
	err := c.query(ctx, sqlIdentities, []param{textParam(relid)}, func(values [][]byte) error {
		row := texts(values)
		out = append(out, identity{row[0], row[1], row[2], row[3], row[4], row[5]})
		return nil
	})
	return out, fault(err)
}

// pull puts the table into the publication, with full old rows.
func (l *layout) pull(ctx context.Context, c *session, info *tableInfo) error {
	if err := c.exec(ctx, "LOCK TABLE "+info.quoted()+" IN SHARE ROW EXCLUSIVE MODE"); err != nil {
		return l.refused(err, info)
	}
	found, err := identitiesOf(ctx, c, info.oid)
	if err != nil {
		return err
	}
	if info.kind == "p" {
		l.body.Parts = make(map[string]string, len(found))
	}
	for _, f := range found {
		if l.body.Parts != nil {
			l.body.Parts[f.oid] = f.file
		}
		if f.ident == identityFull {
			continue
		}
		if _, ours := l.identities[f.oid]; !ours {
			l.identities[f.oid] = f.ident + f.index
		}
		if err := c.exec(ctx, "ALTER TABLE "+quote(f.schema)+"."+quote(f.relation)+" REPLICA IDENTITY FULL"); err != nil {
			return l.refused(err, info)
		}
	}
	if err := l.enter(ctx, c, info); err != nil {
		return err
	}
	since, err := c.text(ctx, "SELECT pg_catalog.pg_current_wal_insert_lsn()")
	if err != nil {
		return fault(err)
	}
	lsn, err := pglogrepl.ParseLSN(since)
	if err != nil {
		return fmt.Errorf("read position of the log: %w", err)
	}
	l.body.Since = uint64(lsn)
	return l.save(ctx, c)
}

// enter makes the publication's entry. One that is there, with the same filter, is left: its owner may have made it.
func (l *layout) enter(ctx context.Context, c *session, info *tableInfo) error {
	entry, err := c.text(ctx, sqlEntry, textParam(info.oid))
	if err != nil {
		return fault(err)
	}
	if entry != "" {
		same, err := l.sameFilter(ctx, c, info)
		if err != nil {
			return err
		}
		if same {
			l.entry = entry
			return nil
		}
	}
	var statements []string
	if entry != "" {
		statements = append(statements, "ALTER PUBLICATION "+usersPublication+" DROP TABLE "+info.quoted())
	}
	add := "ALTER PUBLICATION " + usersPublication + " ADD TABLE " + info.quoted()
	if l.body.Filter != "" {
		add += " WHERE (" + l.body.Filter + "\n)"
	}
	if err := c.exec(ctx, strings.Join(append(statements, add), "; ")); err != nil {
		return l.refused(err, info)
	}
	l.body.Theirs = false
	l.entry, err = c.text(ctx, sqlEntry, textParam(info.oid))
	return fault(err)
}

// sameFilter reports whether the publication's entry publishes the rows that are asked for, whole. Whether two conditions are
// the same the server tells, by how it writes them: ours is given to a publication of a table of the same columns, in passing.
func (l *layout) sameFilter(ctx context.Context, c *session, info *tableInfo) (bool, error) {
	theirs, err := c.text(ctx, sqlFilter, textParam(usersPublication), textParam(info.oid))
	if err != nil {
		return false, fault(err)
	}
	if theirs == "" || l.body.Filter == "" {
		return theirs == l.body.Filter, nil
	}
	if err := c.exec(ctx, sqlSavepoint); err != nil {
		return false, fault(err)
	}
	ours := ""
	err = c.exec(ctx, "CREATE TABLE "+filterTable+" (LIKE "+info.quoted()+"); CREATE PUBLICATION "+filterPublication+" FOR TABLE "+filterTable+
		" WHERE ("+l.body.Filter+"\n)")
	if err == nil {
		oid := ""
		if oid, err = c.text(ctx, "SELECT '"+filterTable+"'::pg_catalog.regclass::oid"); err == nil {
			ours, err = c.text(ctx, sqlFilter, textParam(filterPublication), textParam(oid))
		}
	}
	if err != nil && !final(err) {
		return false, fault(err)
	}
	if err := c.exec(ctx, sqlRollbackTo+"; "+sqlRelease); err != nil {
		return false, fault(err)
	}
	return err == nil && ours == theirs, nil
}

const (
	filterTable       = schema + ".filter"
	filterPublication = "dualwrite_filter"

	// The condition of a publication's entry; that it leaves columns out is no condition that anybody asks for. Before version 15
	// entries have neither: the names then are those of the row without a value.
	sqlFilter = `SELECT (SELECT CASE WHEN prattrs IS NULL THEN coalesce(pg_catalog.pg_get_expr(prqual, prrelid), '') ELSE 'columns' END
			FROM pg_catalog.pg_publication_rel WHERE prrelid = $2::oid AND prpubid = (SELECT p.oid FROM pg_catalog.pg_publication p WHERE p.pubname = $1::text))
		FROM (SELECT NULL::pg_catalog.pg_node_tree AS prqual, NULL::pg_catalog.int2vector AS prattrs) AS neither`
)

// refused is an error of putting a table under capture.
func (l *layout) refused(err error, info *tableInfo) error {
	if state(err) == statePrivilege {
		where := ""
		if l.body.Filter != "" {
			where = " WHERE (" + l.body.Filter + ")"
		}
		return &store.MapError{Table: info.Name, Err: err, Reason: "our role does not own it: its owner must run ALTER TABLE " + info.quoted() +
			" REPLICA IDENTITY FULL; ALTER PUBLICATION " + usersPublication + " ADD TABLE " + info.quoted() + where}
	}
	if e := pgError(err); e != nil && l.body.Filter != "" && (e.Code == stateFeature || e.Code[:2] == "42" || e.Code[:2] == "22") {
		return missing(info.Name, "its filter cannot be used: %s", e.Message)
	}
	return tableFault(info.Name, err)
}

// lost says why changes of the table may be missing from the log; "" when none is.
func (l *layout) lost(ctx context.Context, c *session) (string, error) {
	relid := fmt.Sprint(l.relid)
	found, err := identitiesOf(ctx, c, relid)
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "the table is gone", nil // one of that name may have taken its place
	}
	entry, err := c.text(ctx, sqlEntry, textParam(relid))
	if err != nil {
		return "", fault(err)
	}
	switch entry {
	case l.entry:
	case "":
		return "it is not in the publication " + usersPublication + " any more", nil
	default:
		return "it was taken out of the publication " + usersPublication + " for a while", nil
	}
	for _, f := range found {
		if f.ident != identityFull {
			return "its REPLICA IDENTITY is not FULL any more", nil
		}
	}
	return "", nil
}

// Release takes tables from capture. With the last one the slot goes too, or when its reader ends, and with it the publications.
func (s *Store) Release(ctx context.Context, tables ...string) error {
	err := s.patiently(ctx, func(c *session) error {
		all, err := layouts(ctx, c)
		if err != nil {
			return err
		}
		for _, l := range all {
			if !l.named(tables) {
				continue
			}
			if err := l.push(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, errNoLedger) {
		return nil
	}
	if err == nil {
		err = s.dropIdleSlot(ctx)
	}
	if err != nil {
		return fmt.Errorf("release tables: %w", err)
	}
	return nil
}

// push undoes pull. What is gone already, or is another table by now, is left.
func (l *layout) push(ctx context.Context, c *session) error {
	found, err := identitiesOf(ctx, c, fmt.Sprint(l.relid))
	if err != nil {
		return err
	}
	entry, err := c.text(ctx, sqlEntry, textParam(fmt.Sprint(l.relid)))
	if err != nil {
		return fault(err)
	}
	var statements []string
	for _, f := range found {
		name := quote(f.schema) + "." + quote(f.relation)
		if entry != "" && !l.body.Theirs && f.oid == fmt.Sprint(l.relid) {
			statements = append(statements, "ALTER PUBLICATION "+usersPublication+" DROP TABLE "+name)
		}
		if before, ours := l.identities[f.oid]; ours && f.ident == identityFull {
			statements = append(statements, "ALTER TABLE "+name+" REPLICA IDENTITY "+identityClause(before))
		}
	}
	if len(statements) > 0 {
		err := c.exec(ctx, strings.Join(statements, "; "))
		if err != nil && state(err) != statePrivilege {
			return tableFault(l.name, err)
		}
		if err != nil {
			return l.refused(err, &tableInfo{Table: store.Table{Name: l.name}, schema: found[0].schema, relation: found[0].relation})
		}
	}
	_, err = c.change(ctx, sqlEndLayout, numberParam(l.id))
	return fault(err)
}

// identityClause is the end of ALTER TABLE … REPLICA IDENTITY for what was kept of one.
func identityClause(kept string) string {
	switch kept[:1] {
	case "n":
		return "NOTHING"
	case "i":
		if kept[1:] != "" {
			return "USING INDEX " + quote(kept[1:])
		}
	}
	return "DEFAULT"
}
