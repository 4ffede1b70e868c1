package sqlite

import "strings"

// Names of our own tables beside the ledger's.
const (
	outboxTable = prefix + "outbox" // the log: one row per change, written by triggers and by our transactions
	layoutTable = prefix + "layout" // what the columns of a row of the outbox mean
	logTable    = prefix + "log"    // one row: how far the log has been confirmed
)

const (
	sqlBegin          = "BEGIN"
	sqlBeginImmediate = "BEGIN IMMEDIATE"
	sqlCommit         = "COMMIT"
	sqlRollback       = "ROLLBACK"
	sqlSavepointPart  = "SAVEPOINT dualwrite_part"
	sqlRollbackToPart = "ROLLBACK TO dualwrite_part"
	sqlReleasePart    = "RELEASE dualwrite_part"
	sqlSavepoint      = "SAVEPOINT dualwrite"
	sqlRollbackTo     = "ROLLBACK TO dualwrite"
	sqlRelease        = "RELEASE dualwrite"
	sqlSchemaVersion  = "PRAGMA schema_version"
	sqlDataVersion    = "PRAGMA data_version"
)

// The catalog. Tables of users are those that are neither SQLite's nor ours.
const (
	sqlUsers = ` l.schema = 'main' AND l.type = 'table' AND lower(substr(l.name, 1, 7)) <> 'sqlite_'
		AND lower(substr(l.name, 1, 10)) <> '` + prefix + `'`
	sqlTableNames = `SELECT l.name FROM pragma_table_list AS l WHERE` + sqlUsers + ` ORDER BY l.name`
	sqlTable      = `SELECT l.name, l.wr, l.strict, m.sql FROM pragma_table_list(?1) AS l
		JOIN main.sqlite_master AS m ON m.type = 'table' AND m.name = l.name WHERE` + sqlUsers
	sqlColumns = `SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?1, 'main') ORDER BY cid`
	// The primary key's index first, the others in the order of their creation.
	sqlUniqueIndexes = `SELECT l.name, l.origin, m.sql FROM pragma_index_list(?1, 'main') AS l
		LEFT JOIN main.sqlite_master AS m ON m.type = 'index' AND m.name = l.name
		WHERE l."unique" ORDER BY l.origin <> 'pk', l.seq DESC`
	sqlIndexColumns = `SELECT name, coll FROM pragma_index_xinfo(?1, 'main') WHERE key ORDER BY seqno`
	sqlForeignKeys  = `SELECT id, "table", "from", "to", on_update, on_delete
		FROM pragma_foreign_key_list(?1, 'main') ORDER BY id DESC, seq`
	sqlPrimaryKey = `SELECT name FROM pragma_table_info(?1, 'main') WHERE pk > 0 ORDER BY pk`
	sqlTriggers   = `SELECT name FROM main.sqlite_master WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE ORDER BY name`
	// Whether a trigger of users or a cascade can change rows that a statement does not name.
	sqlHasEffects = `SELECT EXISTS(SELECT 1 FROM main.sqlite_master WHERE type = 'trigger'
			AND lower(substr(name, 1, 10)) <> '` + prefix + `')
		OR EXISTS(SELECT 1 FROM main.sqlite_master AS m, pragma_foreign_key_list(m.name, 'main') AS k
			WHERE m.type = 'table' AND (k.on_update IN ('CASCADE', 'SET NULL', 'SET DEFAULT')
			OR k.on_delete IN ('CASCADE', 'SET NULL', 'SET DEFAULT')))`
	sqlLedgerExists = `SELECT count(*) FROM main.sqlite_master WHERE type = 'table' AND name = '` + logTable + `'`
)

// connectionPragmas are for every connection of ours.
func connectionPragmas() []string {
	return []string{
		"PRAGMA busy_timeout=2000", // readers only wait for a recovery of the WAL
		"PRAGMA trusted_schema=OFF",
		"PRAGMA foreign_keys=ON",
		"PRAGMA temp_store=MEMORY",
		"PRAGMA cache_size=-8000",
	}
}

// writerPragmas are for the connection that writes. It waits for the lock by itself (see writer.lock).
func writerPragmas() []string {
	return []string{"PRAGMA busy_timeout=0", "PRAGMA synchronous=FULL"}
}

// quote makes a name an identifier.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// quoteAll quotes names and joins them, each after a prefix such as "NEW.".
func quoteAll(before string, names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = before + quote(n)
	}
	return strings.Join(out, ", ")
}

// marks are n parameters.
func marks(n int) string {
	if n == 0 {
		return ""
	}
	return strings.Repeat("?, ", n-1) + "?"
}
