package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// The same customer with different values: the default master's stay, or those of the side that --master names, also in
// live conflicts of that run, of which both images are kept.
func TestAcceptance16Master(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, masterWins, harness.Postgres, harness.PostgresSQLite)
}

func masterWins(t *testing.T, pair harness.Pair) {
	for _, master := range []string{"dataverse", "finops"} {
		t.Run(master, func(t *testing.T) {
			t.Parallel()
			l := customersLink(t, pair, leftRange(1, 100, "finops"), rightRange(1, 100, "dataverse"))
			w := l.Work()
			if master == "dataverse" {
				l.Do("run", "customers")
			} else {
				l.Do("run", "customers", "--master", master)
			}
			require.Equal(t, master, l.Status("customers").Master)
			require.Equal(t, 100, l.Left.Int("SELECT count(*) FROM custtable WHERE name = '"+master+"'"))
			require.Equal(t, 100, l.Right.Int("SELECT count(*) FROM account WHERE fullname = '"+master+"'"))
			w.Stop()
			l.Left.Exec("UPDATE custtable SET name = 'live finops' WHERE account = 'C-000007'")
			l.Right.Exec("UPDATE account SET fullname = 'live dataverse' WHERE accountnumber = 'C-000007'")
			l.Work()
			l.Until("both have the master's", func() bool {
				return l.Left.Text("SELECT name FROM custtable WHERE account = 'C-000007'") == "live "+master &&
					l.Right.Text("SELECT fullname FROM account WHERE accountnumber = 'C-000007'") == "live "+master
			})
			var conflicts []harness.Conflict
			l.Until("the conflict is recorded", func() bool {
				l.Read(&conflicts, "conflicts", "customers")
				conflicts = slices.DeleteFunc(conflicts, func(c harness.Conflict) bool {
					return c.Key["account"] != "C-000007" && c.Key["accountnumber"] != "C-000007"
				})
				for _, c := range conflicts {
					images := fmt.Sprint(c.Winning) + fmt.Sprint(c.Losing)
					if c.Winner == master && len(c.Winning) > 0 && len(c.Losing) > 0 && len(images) > 0 &&
						containsAll(fmt.Sprint(c.Winning), "live "+master) && containsAll(images, "live finops", "live dataverse") {
						return true
					}
				}
				return false
			})
			l.Equal("customers")
		})
	}
}

// Without initial sync no row that was there before moves; later changes flow, and an update of a row that the other
// side lacks arrives as a whole row.
func TestAcceptance17NoInitialSync(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, noInitialSync, harness.Postgres, harness.PostgresSQLite)
}

func noInitialSync(t *testing.T, pair harness.Pair) {
	l := customersLink(t, pair, leftRange(1, 100, "finops"), rightRange(201, 300, "dataverse"))
	l.Work()
	l.Do("run", "customers", "--no-initial-sync")
	s := l.Status("customers")
	require.Equal(t, harness.Running, s.Status)
	require.Equal(t, "skipped", s.InitialSync.State)
	l.Left.Exec("UPDATE custtable SET name = 'changed' WHERE account = 'C-000001'", "INSERT INTO custtable (account, name, credit) VALUES ('N-1', 'new', 5)")
	l.Right.Exec("UPDATE account SET creditlimit = 9 WHERE accountnumber = 'C-000201'")
	l.Right.Becomes("SELECT fullname || creditlimit FROM account WHERE accountnumber = 'N-1'", "new5")
	l.Right.Becomes("SELECT fullname || creditlimit FROM account WHERE accountnumber = 'C-000001'", "changed0")
	l.Left.Becomes("SELECT name || credit FROM custtable WHERE account = 'C-000201'", "dataverse9")
	require.Equal(t, 102, l.Left.Int("SELECT count(*) FROM custtable"))
	require.Equal(t, 102, l.Right.Int("SELECT count(*) FROM account"))
}

// A map without a key that is unique and not null on both sides is refused before anything begins, with the columns and
// the mend. Composite keys of other names and types pair as declared; surrogate ids may differ.
func TestAcceptance22AlternateKey(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, alternateKey, harness.Postgres, harness.PostgresSQLite)
}

func alternateKey(t *testing.T, pair harness.Pair) {
	const (
		left  = `CREATE TABLE person (company TEXT NOT NULL, number INTEGER NOT NULL, name TEXT, UNIQUE (company, number)); CREATE TABLE loose (code TEXT NOT NULL UNIQUE, name TEXT);`
		right = `CREATE TABLE contact (id INTEGER PRIMARY KEY, area TEXT NOT NULL, no TEXT NOT NULL, fullname TEXT, UNIQUE (area, no)); CREATE TABLE loose (code TEXT NOT NULL, name TEXT);`
		maps  = `person:
  tables: {finops: person, dataverse: contact}
  key: [{finops: company, dataverse: area}, {finops: number, dataverse: no}]
  columns: [{finops: name, dataverse: fullname}]
loose:
  key: [{finops: code, dataverse: code}]
`
	)
	l := harness.New(t, harness.Setup{Pair: pair, Left: left + "INSERT INTO person VALUES ('usmf', 7, 'seven'), ('usmf', 8, 'eight'), ('demf', 7, 'sieben');",
		Right: right + "INSERT INTO contact VALUES (99, 'usmf', '7', 'seven'), (98, 'demf', '9', 'neun');", Maps: maps})
	l.Work()
	r := l.Exits(3, "run", "loose")
	require.True(t, containsAll(r.Err, "code", "unique", "dataverse"), r.Err)
	require.Equal(t, harness.NotRunning, l.Status("loose").Status)
	require.Equal(t, []string{"Not running"}, past(t, l, "loose"))
	require.Empty(t, l.Left.Captured())
	findings := read[[]harness.Finding](t, l.Exits(4, "check", "loose", "-o", "json").Out)
	require.True(t, slices.ContainsFunc(findings, func(f harness.Finding) bool {
		return f.Severity == "error" && f.Side == "dataverse" && containsAll(f.Message+f.Hint, "code", "unique index")
	}), "%+v", findings)

	l.Do("run", "person")
	require.Equal(t, 4, l.Equal("person"))
	require.Equal(t, []string{"demf|7|sieben", "demf|9|neun", "usmf|7|seven", "usmf|8|eight"},
		l.Same("SELECT company, number, name FROM person ORDER BY company, number", "SELECT area, no, fullname FROM contact ORDER BY area, no"))
	require.Equal(t, "99", l.Right.Text("SELECT id FROM contact WHERE area = 'usmf' AND no = '7'"))
}

// The example: customers pair by CustomerAccount and accountnumber, with groups and currencies, by one command.
func TestAcceptance23Example(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(harness.Repository(t), "examples", "customers")
	text := func(name string) string {
		data, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		return string(data)
	}
	_, maps, found := strings.Cut(text("dualwrite.yaml"), "maps:\n")
	require.True(t, found)
	l := harness.New(t, harness.Setup{Left: text("finops.sql"), Right: text("dataverse.sql"), Maps: dedent(maps)})
	l.Left.Exec("UPDATE CustomersV3 SET OrganizationName = 'mended' WHERE OrganizationName IS NULL", "UPDATE CustomersV3 SET CreditLimit = 0 WHERE CreditLimit < 0")
	l.Right.Exec("UPDATE contact SET emailaddress1 = 'own' WHERE accountnumber = 'C-09999'")
	l.Work()
	l.Do("run", "customers", "--related")
	stands(t, l, "customers Running, customer-groups Running, currencies Running")
	require.Equal(t, 10500, l.Equal("customers"))
	l.Same("SELECT CustomerAccount, OrganizationName, CustomerGroupId, SalesCurrencyCode, CreditLimit, Email FROM CustomersV3 ORDER BY 1",
		"SELECT accountnumber, fullname, customergroupid, currencycode, creditlimit, emailaddress1 FROM contact ORDER BY 1")
	l.Left.Exec("UPDATE CustomersV3 SET OrganizationName = 'live' WHERE CustomerAccount = 'C-00001'")
	l.Right.Becomes("SELECT fullname FROM contact WHERE accountnumber = 'C-00001'", "live")
}

// Other names, a one-way column, a default, a value map, a filter. A changed config is reported until the map's next
// run, at which it takes effect.
func TestAcceptance24CustomMapping(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, customMapping, harness.Postgres, harness.PostgresSQLite)
}

func customMapping(t *testing.T, pair harness.Pair) {
	const (
		left  = `CREATE TABLE custtable (account TEXT NOT NULL PRIMARY KEY, name TEXT, credit INTEGER, blocked TEXT, area TEXT, phone TEXT);`
		right = `CREATE TABLE account (number TEXT NOT NULL PRIMARY KEY, fullname TEXT, creditlimit INTEGER, statecode INTEGER, ownerid INTEGER NOT NULL, dataarea TEXT, tel TEXT);`
		maps  = `customers:
  tables: {finops: custtable, dataverse: account}
  key: [{finops: account, dataverse: number}]
  columns:
    - {finops: name, dataverse: fullname}
    - {finops: credit, dataverse: creditlimit, direction: finops-to-dataverse}
    - {finops: blocked, dataverse: statecode, values: {"No": "0", "All": "1"}}
    - {finops: area, dataverse: dataarea}
    - {dataverse: ownerid, default: "42"}
  filter: {finops: "area = 'usmf'"}
`
	)
	l := harness.New(t, harness.Setup{Pair: pair, Superuser: true, Left: left + "INSERT INTO custtable VALUES ('A', 'a', 1, 'No', 'usmf', '1'), ('B', 'b', 2, 'All', 'usmf', '2'), ('C', 'c', 3, 'No', 'demf', '3');", Right: right, Maps: maps})
	w := l.Work()
	l.Do("run", "customers")
	const rows = "SELECT number, fullname, creditlimit, statecode, ownerid FROM account ORDER BY number"
	require.Equal(t, []string{"A|a|1|0|42", "B|b|2|1|42"}, l.Right.Rows(rows))
	l.Right.Exec("UPDATE account SET creditlimit = 99, fullname = 'changed', statecode = 1 WHERE number = 'A'")
	l.Left.Becomes("SELECT name || credit || blocked FROM custtable WHERE account = 'A'", "changed1All")
	l.Left.Exec("UPDATE custtable SET area = 'demf' WHERE account = 'B'", "UPDATE custtable SET area = 'usmf' WHERE account = 'C'")
	l.Right.Becomes("SELECT count(*) FROM account WHERE number = 'B'", "0")
	l.Right.Becomes("SELECT fullname FROM account WHERE number = 'C'", "c")

	w.Stop()
	l.Configure(maps[:len(maps)-len("  filter: {finops: \"area = 'usmf'\"}\n")] + "    - {finops: phone, dataverse: tel}\n")
	l.Work()
	l.Until("the change is reported", func() bool { return l.Status("customers").Pending != "" })
	l.Left.Exec("UPDATE custtable SET phone = '111', name = 'still the old' WHERE account = 'A'")
	l.Right.Becomes("SELECT fullname FROM account WHERE number = 'A'", "still the old")
	require.Empty(t, l.Right.Text("SELECT tel FROM account WHERE number = 'A'"))
	l.Do("stop", "customers")
	l.Do("run", "customers", "--master", "finops")
	require.Empty(t, l.Status("customers").Pending)
	require.Equal(t, []string{"A|111", "B|2", "C|3"}, l.Right.Rows("SELECT number, tel FROM account ORDER BY number"))
}

// One write is one write on the other side and none back: audits on both sides count them.
func TestAcceptance26NoEcho(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, noEcho, harness.Postgres, harness.PostgresSQLite)
}

func noEcho(t *testing.T, pair harness.Pair) {
	writes := harness.Scale(10000, 100000)
	l := customersLink(t, pair, auditLeft, auditRight)
	l.Work()
	l.Do("run", "customers")
	const batch = 1000
	for i := range writes / batch {
		l.Left.Exec(leftRange(i*batch+1, (i+1)*batch-500, "written"), fmt.Sprintf("UPDATE custtable SET credit = 1 WHERE account BETWEEN 'C-%06d' AND 'C-%06d'", i*batch+1, (i+1)*batch-500))
	}
	require.Equal(t, writes/2, l.Equal("customers"))
	require.Equal(t, writes, l.Left.Int("SELECT count(*) FROM audit"), "none back")
	require.Equal(t, writes, l.Right.Int("SELECT count(*) FROM audit"), "each once")
	l.Right.Exec("UPDATE account SET creditlimit = 2 WHERE accountnumber = 'C-000001'")
	l.Left.Becomes("SELECT credit FROM custtable WHERE account = 'C-000001'", "2")
	l.Equal("customers")
	require.Equal(t, writes+1, l.Left.Int("SELECT count(*) FROM audit"))
	require.Equal(t, writes+1, l.Right.Int("SELECT count(*) FROM audit"))
}

// While one side does not answer, and while no worker runs, the other side's writes neither fail nor wait; afterwards
// everything is caught up without a command.
func TestAcceptance27SideDown(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, sideDown, harness.Postgres)
}

func sideDown(t *testing.T, pair harness.Pair) {
	l := customersLink(t, pair, "", "")
	w := l.Work()
	l.Do("run", "customers")
	release := l.Right.Hold()
	l.Left.Exec(leftRange(1, 500, "dataverse down"))
	began := time.Now()
	l.Left.Exec(leftRange(501, 1000, "dataverse down"))
	require.Less(t, time.Since(began), 10*time.Second)
	require.Equal(t, 0, l.Right.Int("SELECT count(*) FROM account"))
	l.AwaitHealth("customers", "retrying")
	release()
	l.Right.Becomes("SELECT count(*) FROM account", "1000")
	l.AwaitHealth("customers", "ok")
	w.Kill()
	l.Left.Exec(leftRange(1001, 2000, "no worker"))
	l.Right.Exec(rightRange(3001, 4000, "no worker"))
	l.Work()
	l.Right.Becomes("SELECT count(*) FROM account", "3000")
	l.Left.Becomes("SELECT count(*) FROM custtable", "3000")
	require.Equal(t, 3000, l.Equal("customers"))
	require.Equal(t, harness.Running, l.Status("customers").Status)
}
