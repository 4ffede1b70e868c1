package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// Tables that depend on each other: orders on customers, these on groups and currencies; orders also on price lists,
// which only the config says.
const (
	shop = `CREATE TABLE grp (id TEXT NOT NULL PRIMARY KEY, name TEXT);
		CREATE TABLE currency (code TEXT NOT NULL PRIMARY KEY, name TEXT);
		CREATE TABLE pricelist (id TEXT NOT NULL PRIMARY KEY, name TEXT);
		CREATE TABLE customer (account TEXT NOT NULL PRIMARY KEY, name TEXT,
			grp TEXT NOT NULL REFERENCES grp (id), currency TEXT NOT NULL REFERENCES currency (code));
		CREATE TABLE orders (id TEXT NOT NULL PRIMARY KEY, customer TEXT NOT NULL REFERENCES customer (account), amount INTEGER);`
	shopMaps = "orders: {related: [pricelist]}\ncustomer: {}\ngrp: {}\ncurrency: {}\npricelist: {}\n"
	goods    = `INSERT INTO grp VALUES ('10', 'Wholesale'), ('20', 'Retail');
		INSERT INTO currency VALUES ('EUR', 'Euro'), ('USD', 'US dollar');
		INSERT INTO pricelist VALUES ('P', 'List');
		INSERT INTO customer SELECT printf('C-%03d', value), 'finops', CASE value % 2 WHEN 0 THEN '10' ELSE '20' END, 'EUR' FROM generate_series(1, 300);
		INSERT INTO orders SELECT printf('O-%04d', value), printf('C-%03d', 1 + value % 300), value FROM generate_series(1, 1000);`
	shopAudit = `CREATE TABLE audit (n INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT, what TEXT);
		CREATE TRIGGER audit_c AFTER INSERT ON customer BEGIN INSERT INTO audit (at, what) VALUES (strftime('%Y-%m-%dT%H:%M:%fZ'), 'customer'); END;
		CREATE TRIGGER audit_o AFTER INSERT ON orders BEGIN INSERT INTO audit (at, what) VALUES (strftime('%Y-%m-%dT%H:%M:%fZ'), 'orders'); END;`
)

func shopLink(t *testing.T, pair harness.Pair, left, right string) *harness.Link {
	t.Helper()
	l := harness.New(t, harness.Setup{Pair: pair, Left: shop + left, Right: shop + right, Maps: shopMaps})
	l.Work()
	return l
}

// stands checks the statuses of maps: "grp Running, customer Not running".
func stands(t *testing.T, l *harness.Link, want string) {
	t.Helper()
	for one := range strings.SplitSeq(want, ", ") {
		name, status, _ := strings.Cut(one, " ")
		require.Equal(t, status, string(l.Status(name).Status), name)
	}
}

// The related maps are those of the foreign keys and of the config, and theirs in turn, parents first, each with the
// reason. Circles and maps that refer to themselves are shown, and load.
func TestAcceptance11RelatedMaps(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, relatedMaps, harness.Postgres)
}

func relatedMaps(t *testing.T, pair harness.Pair) {
	const staff = `CREATE TABLE department (id TEXT NOT NULL PRIMARY KEY);
		CREATE TABLE employee (id TEXT NOT NULL PRIMARY KEY, boss TEXT REFERENCES employee (id), department TEXT NOT NULL REFERENCES department (id));
		ALTER TABLE department ADD COLUMN head TEXT REFERENCES employee (id);`
	const people = `INSERT INTO department SELECT 'D-' || value, NULL FROM generate_series(1, 20);
		INSERT INTO employee SELECT 'E-' || value, NULL, 'D-' || (1 + value % 20) FROM generate_series(1, 999);
		UPDATE department SET head = 'E-' || (1000 - CAST(substr(id, 3) AS INTEGER));
		UPDATE employee SET boss = 'E-' || (1000 - CAST(substr(id, 3) AS INTEGER));`
	l := harness.New(t, harness.Setup{Pair: pair, Left: shop + goods + staff + people, Right: shop + staff,
		Maps: shopMaps + "employee: {}\ndepartment: {}\n"})
	l.Work()
	var related []harness.Related
	l.Read(&related, "related", "orders")
	reasons, at := map[string]string{}, map[string]int{}
	for i, r := range related {
		require.Equal(t, harness.NotRunning, r.Status)
		reasons[r.Map], at[r.Map] = r.Reason, i
	}
	require.Len(t, reasons, 4)
	require.Less(t, at["grp"], at["customer"])
	require.Less(t, at["currency"], at["customer"])
	require.Contains(t, reasons["customer"], "orders")
	require.Contains(t, reasons["grp"], "customer")
	require.Contains(t, reasons["currency"], "customer")
	require.Contains(t, reasons["pricelist"], "config")
	l.Read(&related, "related", "grp")
	require.Empty(t, related)
	require.ElementsMatch(t, []string{"grp", "currency"}, l.Status("customer").Related)

	r := l.Exits(0, "related", "employee")
	require.Contains(t, r.Out, "department")
	require.Contains(t, r.Err, "refers to itself")
	require.Contains(t, r.Out, "depends on employee itself")
	l.Do("run", "employee", "--related")
	stands(t, l, "employee Running, department Running")
	require.Equal(t, 999, l.Equal("employee"))
	require.Equal(t, 20, l.Equal("department"))
	l.Right.Sound()
}

// A child that is run alone where the parents are missing: its rows fail and name table, column, value and the map to
// run. When that map has been run, a rerun is clean; so is a retry of a row that came later, while live.
func TestAcceptance12MissingParent(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, missingParent, harness.Postgres)
}

func missingParent(t *testing.T, pair harness.Pair) {
	l := shopLink(t, pair, goods, "")
	l.Do("run", "currency")
	l.Exits(4, "run", "customer")
	stands(t, l, "customer Not running, grp Not running")
	failures := l.Failures("customer")
	require.Len(t, failures, 300)
	for _, f := range failures {
		require.Equal(t, "missing_parent", f.Code)
		require.Equal(t, "initial", f.Phase)
		require.Equal(t, "grp", f.Column)
		require.Contains(t, f.Message, "grp")
		require.Contains(t, f.Message, "run")
		require.Contains(t, []any{"10", "20"}, f.Values["grp"])
		require.Contains(t, f.Message, f.Values["grp"])
	}
	l.Do("run", "grp")
	l.Do("run", "customer")
	require.Empty(t, l.Failures("customer"))
	require.Equal(t, 300, l.Equal("customer"))

	l.Do("pause", "grp")
	l.Left.Exec("INSERT INTO grp VALUES ('30', 'Partners')", "INSERT INTO customer VALUES ('C-999', 'late', '30', 'EUR')")
	l.Until("the row is held", func() bool { return len(l.Failures("customer", "--phase", "live")) == 1 })
	f := l.Failures("customer")[0]
	require.Equal(t, "missing_parent", f.Code)
	require.Contains(t, f.Message, "30")
	require.Equal(t, map[string]any{"account": "C-999"}, f.Key)
	l.Exits(4, "retry", "customer")
	l.Do("resume", "grp")
	l.Do("retry", "customer")
	l.Right.Becomes("SELECT grp FROM customer WHERE account = 'C-999'", "30")
	require.Empty(t, l.Failures("customer"))
	require.Equal(t, 301, l.Equal("customer"))
}

// `related` and the question on a terminal change nothing; the answer chooses: nothing, this map alone, or all.
func TestAcceptance13ShowRelated(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, showRelated, harness.Postgres)
}

func showRelated(t *testing.T, pair harness.Pair) {
	l := shopLink(t, pair, "", "")
	before := l.Left.Schema()
	l.Do("related", "orders")
	shown := l.OnTerminal("q", "run", "customer")
	require.Contains(t, shown, "customer depends on:")
	require.Contains(t, shown, "grp")
	require.Contains(t, shown, "currency")
	stands(t, l, "orders Not running, customer Not running, grp Not running, currency Not running, pricelist Not running")
	require.Equal(t, before, l.Left.Schema())

	l.OnTerminal("n", "run", "customer")
	stands(t, l, "customer Running, grp Not running, currency Not running")
	l.OnTerminal("y", "run", "orders")
	stands(t, l, "orders Running, customer Running, grp Running, currency Running, pricelist Running")
}

// One command runs a map with all that it depends on: a parent is Running before the first row of a child is written,
// and the parent workflow has a child for each map.
func TestAcceptance14RunRelated(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, runRelated, harness.Postgres)
}

func runRelated(t *testing.T, pair harness.Pair) {
	l := shopLink(t, pair, goods, shopAudit)
	var outcomes []harness.Outcome
	l.Read(&outcomes, "run", "orders", "--related")
	require.Len(t, outcomes, 5)
	for _, o := range outcomes {
		require.Equal(t, "done", o.Outcome, o.Map)
		require.Equal(t, harness.Running, o.Status, o.Map)
	}
	require.Equal(t, "orders", outcomes[4].Map)
	for _, dependency := range [][2]string{{"grp", "customer"}, {"currency", "customer"}, {"customer", "orders"}} {
		running, err := time.Parse(time.RFC3339Nano, l.Status(dependency[0]).Since)
		require.NoError(t, err)
		first, err := time.Parse(time.RFC3339Nano, l.Right.Text("SELECT at FROM audit WHERE what = '"+dependency[1]+"' ORDER BY n LIMIT 1"))
		require.NoError(t, err)
		require.False(t, running.After(first.Add(time.Millisecond)), "%s is Running since %s, the first of %s came %s", dependency[0], running, dependency[1], first)
	}
	require.Equal(t, 300, l.Equal("customer"))
	require.Equal(t, 1000, l.Equal("orders"))
	children := ""
	l.Until("Temporal lists a child per map", func() bool {
		children = l.Temporal("workflow", "list", "-q", fmt.Sprintf("WorkflowId STARTS_WITH '%s/run/' AND WorkflowType='RunMap' AND ExecutionStatus='Completed'", l.Name))
		return strings.Count(children, "RunMap") == 5
	})
	for _, name := range []string{"orders", "customer", "grp", "currency", "pricelist"} {
		require.Contains(t, children, "/"+name+" ")
	}
}

// When a map fails, those that depend on it wait, and say for which; the others run. Mended, the same command goes on
// from there.
func TestAcceptance14RelatedMapFails(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, relatedMapFails, harness.Postgres)
}

func relatedMapFails(t *testing.T, pair harness.Pair) {
	rules := strings.Replace(shop, "name TEXT);", "name TEXT CHECK (name <> 'refused by the rules'));", 1)
	l := harness.New(t, harness.Setup{Pair: pair, Left: shop + goods + "INSERT INTO grp VALUES ('99', 'refused by the rules');",
		Right: rules, Maps: shopMaps})
	l.Work()
	r := l.Exits(4, "run", "orders", "--related", "-o", "json")
	outcomes := read[[]harness.Outcome](t, r.Out)
	by := map[string]harness.Outcome{}
	for _, o := range outcomes {
		by[o.Map] = o
	}
	require.Equal(t, "failed", by["grp"].Outcome)
	require.Equal(t, 1, by["grp"].FailedRows)
	require.Equal(t, "waiting", by["customer"].Outcome)
	require.Equal(t, []string{"grp"}, by["customer"].WaitingFor)
	require.Equal(t, "waiting", by["orders"].Outcome)
	require.Equal(t, []string{"customer"}, by["orders"].WaitingFor)
	stands(t, l, "grp Not running, customer Not running, orders Not running, currency Running, pricelist Running")
	l.Left.Exec("UPDATE grp SET name = 'taken' WHERE id = '99'")
	l.Do("run", "orders", "--related")
	stands(t, l, "grp Running, customer Running, orders Running, currency Running, pricelist Running")
	require.Equal(t, 3, l.Equal("grp"))
	require.Equal(t, 1000, l.Equal("orders"))
}

// Pause and stop with related maps take dependants first, resume takes parents first; the answer is per map.
func TestAcceptance15PauseRelated(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, pauseRelated, harness.Postgres)
}

func pauseRelated(t *testing.T, pair harness.Pair) {
	l := shopLink(t, pair, goods, "")
	l.Do("run", "orders", "--related")
	order := func(command, name string, status harness.Status) map[string]int {
		var outcomes []harness.Outcome
		l.Read(&outcomes, command, name, "--related")
		at := map[string]int{}
		for i, o := range outcomes {
			require.Equal(t, status, o.Status, o.Map)
			at[o.Map] = i
		}
		return at
	}
	paused := order("pause", "customer", harness.Paused)
	require.Len(t, paused, 4, "those it depends on, and those that depend on it")
	require.Less(t, paused["orders"], paused["customer"])
	require.Less(t, paused["customer"], paused["grp"])
	require.Less(t, paused["customer"], paused["currency"])
	stands(t, l, "orders Paused, customer Paused, grp Paused, currency Paused, pricelist Running")
	l.Left.Exec("INSERT INTO grp VALUES ('30', 'new')", "INSERT INTO customer VALUES ('C-900', 'new', '30', 'EUR')", "INSERT INTO orders VALUES ('O-9000', 'C-900', 1)")
	resumed := order("resume", "orders", harness.Running)
	require.Less(t, resumed["grp"], resumed["customer"])
	require.Less(t, resumed["customer"], resumed["orders"])
	require.Equal(t, 1001, l.Equal("orders"))
	require.Empty(t, l.Failures("orders"))
	stopped := order("stop", "customer", harness.NotRunning)
	require.Less(t, stopped["orders"], stopped["grp"])
}

// --with takes only those named, --order in that order. An order that breaks a dependency is accepted with a warning,
// and ends consistent.
func TestAcceptance18ChooseAndOrder(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, chooseAndOrder, harness.Postgres)
}

func chooseAndOrder(t *testing.T, pair harness.Pair) {
	l := shopLink(t, pair, goods, goods)
	var outcomes []harness.Outcome
	l.Read(&outcomes, "run", "customer", "--with", "currency,pricelist", "--order", "pricelist,currency,customer")
	var order []string
	for _, o := range outcomes {
		order = append(order, o.Map)
	}
	require.Equal(t, []string{"pricelist", "currency", "customer"}, order)
	stands(t, l, "pricelist Running, currency Running, customer Running, grp Not running, orders Not running")

	l.Do("stop", "customer")
	l.Left.Exec("INSERT INTO grp VALUES ('30', 'new')", "INSERT INTO customer VALUES ('C-900', 'new', '30', 'EUR')")
	r := l.Try("run", "customer", "--with", "grp", "--order", "customer,grp")
	require.Equal(t, 4, r.Exit, r.Err)
	require.Contains(t, r.Err, "customer runs before grp, on which it depends")
	stands(t, l, "customer Not running, grp Running")
	l.Do("run", "customer")
	require.Equal(t, 301, l.Equal("customer"))
	require.Equal(t, 3, l.Equal("grp"))
}
