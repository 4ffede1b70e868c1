package e2e_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// The customers of most tests: other names and other surrogate ids on each side.
const (
	leftCustomers = `CREATE TABLE custtable (
		recid INTEGER PRIMARY KEY, account TEXT NOT NULL UNIQUE, name TEXT, credit INTEGER NOT NULL DEFAULT 0);`
	rightCustomers = `CREATE TABLE account (
		accountid INTEGER PRIMARY KEY AUTOINCREMENT, accountnumber TEXT NOT NULL UNIQUE, fullname TEXT, creditlimit INTEGER NOT NULL DEFAULT 0);`
	customers = `customers:
  tables: {finops: custtable, dataverse: account}
  key:
    - {finops: account, dataverse: accountnumber}
  columns:
    - {finops: name, dataverse: fullname}
    - {finops: credit, dataverse: creditlimit}
`
	// A second pair of tables in the same link.
	notes    = `CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT);`
	notesMap = "note: {}\n"

	allLeft  = "SELECT account, name, credit FROM custtable ORDER BY account"
	allRight = "SELECT accountnumber, fullname, creditlimit FROM account ORDER BY accountnumber"
)

// Audits of the tables of customers: every write that the table sees, whoever makes it.
const (
	auditLeft = `CREATE TABLE audit (n INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT, op TEXT, account TEXT, name TEXT);
		CREATE TRIGGER audit_i AFTER INSERT ON custtable BEGIN INSERT INTO audit (at, op, account, name) VALUES (strftime('%Y-%m-%dT%H:%M:%fZ'), 'i', NEW.account, NEW.name); END;
		CREATE TRIGGER audit_u AFTER UPDATE ON custtable BEGIN INSERT INTO audit (at, op, account, name) VALUES (strftime('%Y-%m-%dT%H:%M:%fZ'), 'u', NEW.account, NEW.name); END;
		CREATE TRIGGER audit_d AFTER DELETE ON custtable BEGIN INSERT INTO audit (at, op, account, name) VALUES (strftime('%Y-%m-%dT%H:%M:%fZ'), 'd', OLD.account, OLD.name); END;`
	auditRight = `CREATE TABLE audit (n INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT, op TEXT, account TEXT, name TEXT);
		CREATE TRIGGER audit_i AFTER INSERT ON account BEGIN INSERT INTO audit (at, op, account, name) VALUES (strftime('%Y-%m-%dT%H:%M:%fZ'), 'i', NEW.accountnumber, NEW.fullname); END;
		CREATE TRIGGER audit_u AFTER UPDATE ON account BEGIN INSERT INTO audit (at, op, account, name) VALUES (strftime('%Y-%m-%dT%H:%M:%fZ'), 'u', NEW.accountnumber, NEW.fullname); END;
		CREATE TRIGGER audit_d AFTER DELETE ON account BEGIN INSERT INTO audit (at, op, account, name) VALUES (strftime('%Y-%m-%dT%H:%M:%fZ'), 'd', OLD.accountnumber, OLD.fullname); END;`
)

// leftRange and rightRange insert the customers from one number to another, all with the same name.
func leftRange(from, to int, name string) string {
	return numbers(from, to) + fmt.Sprintf("INSERT INTO custtable (account, name) SELECT printf('C-%%06d', n), '%s' FROM number", name)
}

func rightRange(from, to int, name string) string {
	return numbers(from, to) + fmt.Sprintf("INSERT INTO account (accountnumber, fullname) SELECT printf('C-%%06d', n), '%s' FROM number", name)
}

func numbers(from, to int) string {
	return fmt.Sprintf("WITH RECURSIVE number (n) AS (SELECT %d UNION ALL SELECT n + 1 FROM number WHERE n < %d) ", from, to)
}

// customersLink is a link with customers, and more SQL for each side.
func customersLink(t *testing.T, pair harness.Pair, left, right string) *harness.Link {
	t.Helper()
	return harness.New(t, harness.Setup{Pair: pair, Left: leftCustomers + left, Right: rightCustomers + right, Maps: customers})
}

// beside is a link with customers and a second map, which runs and shows how far the streams have read.
func beside(t *testing.T, pair harness.Pair) *harness.Link {
	t.Helper()
	return harness.New(t, harness.Setup{Pair: pair, Left: leftCustomers + notes, Right: rightCustomers + notes, Maps: customers + notesMap})
}

// passed waits until both streams have read all that was committed so far: a note written now has come across.
func passed(t *testing.T, l *harness.Link) {
	t.Helper()
	require.Equal(t, harness.Running, l.Status("note").Status, "notes show how far the streams are")
	left := 1 + l.Left.Int("SELECT coalesce(max(id), 0) FROM note WHERE id % 2 = 1")/2*2 + 2
	l.Left.Exec(fmt.Sprintf("INSERT INTO note (id, text) VALUES (%d, 'from finops')", left))
	l.Right.Exec(fmt.Sprintf("INSERT INTO note (id, text) VALUES (%d, 'from dataverse')", left+1))
	l.Right.Becomes(fmt.Sprintf("SELECT count(*) FROM note WHERE id = %d", left), "1")
	l.Left.Becomes(fmt.Sprintf("SELECT count(*) FROM note WHERE id = %d", left+1), "1")
}
