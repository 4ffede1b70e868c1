package postgres

import "strings"

const (
	schema = "dualwrite" // of the ledger and of everything else of ours

	sqlBegin     = "BEGIN"
	sqlBeginRead = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
	sqlCommit    = "COMMIT"
	sqlRollback  = "ROLLBACK"

	sqlSavepoint  = "SAVEPOINT dualwrite"
	sqlRollbackTo = "ROLLBACK TO dualwrite"
	sqlRelease    = "RELEASE dualwrite"

	sqlSavepointPart  = "SAVEPOINT dualwrite_part"
	sqlRollbackToPart = "ROLLBACK TO dualwrite_part"
	sqlReleasePart    = "RELEASE dualwrite_part"
)

// quote makes a name an identifier.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// quoteAll quotes names, each after a prefix such as "t.", and joins them.
func quoteAll(before string, names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = before + quote(n)
	}
	return strings.Join(out, ", ")
}
