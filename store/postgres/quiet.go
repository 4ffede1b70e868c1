package postgres

import (
	"context"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

// quietRows is how many rows make it worth while that every session forgets what it knew of the captured tables: what a
// publication publishes is part of that.
const quietRows = 500

const (
	// Triggers of foreign keys are internal; those that only check are harmless.
	sqlMayBeQuiet = `SELECT p.oid FROM pg_catalog.pg_publication p
		WHERE p.pubname = '` + usersPublication + `' AND p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate
			AND pg_catalog.pg_has_role(p.pubowner, 'USAGE')
			AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid
				WHERE t.tgenabled <> 'D'
					AND (NOT t.tgisinternal OR f.proname LIKE 'RI\_FKey\_cascade\_%' OR f.proname LIKE 'RI\_FKey\_set%')
					AND t.tgrelid IN (SELECT r.relid FROM pg_catalog.unnest($1::oid[]) AS r (relid)
						UNION SELECT b.relid FROM pg_catalog.unnest($1::oid[]) AS r (relid), pg_catalog.pg_partition_tree(r.relid::regclass) b))`
	// One at a time: others do not wait, and are not quiet.
	sqlQuietLock = `SELECT pg_catalog.pg_try_advisory_xact_lock(7391005)`
	sqlQuiet     = `ALTER PUBLICATION ` + usersPublication + ` SET (publish = '')`
	sqlLoud      = `ALTER PUBLICATION ` + usersPublication + ` SET (publish = 'insert, update, delete, truncate')`
)

// Quiet lets the publication publish nothing until the transaction ends. Decoding goes by what the publication was where a
// change was made, for the transaction itself what it has made of it: others' changes are published as ever.
func (tx *Tx) Quiet(ctx context.Context, relations ...*store.Relation) (bool, error) {
	if err := tx.usable(); err != nil {
		return false, err
	}
	if tx.s.loud.Load() {
		return false, nil
	}
	quiet, err := tx.hush(ctx, relations)
	tx.quiet = quiet
	return quiet, tx.fail(err)
}

// hush tries, in a savepoint: what the server refuses, for lack of a privilege or by somebody's event trigger, the writes
// that follow may do without.
func (tx *Tx) hush(ctx context.Context, relations []*store.Relation) (bool, error) {
	tables, oids := make([]string, len(relations)), make([]string, len(relations))
	for i, rel := range relations {
		p, err := tx.s.plans.plan(ctx, tx.c, rel)
		if err != nil {
			return false, err
		}
		tables[i], oids[i] = p.table, p.info.oid
	}
	// As any write of a row does; nobody can add a trigger from here on.
	err := tx.c.exec(ctx, sqlSavepoint+"; LOCK TABLE "+strings.Join(tables, ", ")+" IN ROW EXCLUSIVE MODE")
	quiet := false
	if err == nil {
		quiet, err = tx.unpublish(ctx, oids)
	}
	if err == nil {
		tx.c.postpone(statement{sql: sqlRelease})
		return quiet, nil
	}
	if !final(err) {
		return false, fault(err)
	}
	return false, tx.undo(ctx)
}

// unpublish changes the publication, if nothing is against it.
func (tx *Tx) unpublish(ctx context.Context, oids []string) (bool, error) {
	n, err := tx.c.change(ctx, sqlMayBeQuiet, textParam("{"+strings.Join(oids, ",")+"}"))
	if err != nil || n == 0 {
		return false, err
	}
	if got, err := tx.c.text(ctx, sqlQuietLock); err != nil || got != "t" {
		return false, err
	}
	if _, err = tx.c.change(ctx, sqlQuiet); final(err) {
		tx.s.loud.Store(true) // it need not be asked again
	}
	return err == nil, err
}
