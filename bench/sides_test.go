package bench

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/dualwrite/dualwrite/e2e/harness"
	"github.com/dualwrite/dualwrite/store/postgres/postgrestest"
)

// patience is how long anything may take.
const patience = 30 * time.Minute

// run carries out SQL.
func run(b testing.TB, url string, statements ...string) {
	b.Helper()
	for _, s := range statements {
		query(b, url, s)
	}
}

// query carries out SQL and returns the first value of the first row of the last result.
func query(b testing.TB, url, sql string) string {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgconn.Connect(ctx, url)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	return ask(b, conn, sql)
}

func ask(b testing.TB, conn *pgconn.PgConn, sql string) string {
	b.Helper()
	all, err := conn.Exec(context.Background(), sql).ReadAll()
	if err != nil {
		b.Fatalf("%s: %v", sql, err)
	}
	if last := all[len(all)-1]; len(last.Rows) > 0 {
		return string(last.Rows[0][0])
	}
	return ""
}

func number(b testing.TB, url, sql string) int64 {
	b.Helper()
	n, err := strconv.ParseInt(query(b, url, sql), 10, 64)
	if err != nil {
		b.Fatalf("%s: %v", sql, err)
	}
	return n
}

// becomes polls until a query has an answer, every few milliseconds so that asking costs little.
func becomes(b testing.TB, url, sql, want string) {
	b.Helper()
	conn, err := pgconn.Connect(context.Background(), url)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		got := ask(b, conn, sql)
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("%s: %s, not %s", sql, got, want)
		}
	}
}

// program is the path of one of PostgreSQL's.
func program(b testing.TB, name string) string {
	b.Helper()
	path, err := postgrestest.Client(name)
	if err != nil {
		b.Fatal(err)
	}
	return path
}

// shell carries out a command line.
func shell(b testing.TB, line string) string {
	b.Helper()
	out, err := exec.Command("bash", "-o", "pipefail", "-c", line).CombinedOutput()
	if err != nil {
		b.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// table is one of a benchmark, the same on both sides.
type table struct {
	name    string
	create  string
	columns []string // beside the key
	fill    string   // an INSERT of rows numbered by %d, %d
}

// wide is a table of 12 columns of mixed types, about 190 bytes a row.
func wide() table {
	return table{
		name: "wide",
		create: `CREATE TABLE wide (id bigint PRIMARY KEY, code text NOT NULL, name varchar(80), amount numeric(12,2), quantity integer,
			price double precision, active boolean, created timestamptz, birthday date, ref uuid, note text, data jsonb)`,
		columns: []string{"code", "name", "amount", "quantity", "price", "active", "created", "birthday", "ref", "note", "data"},
		fill: `INSERT INTO wide SELECT n, 'C-' || n, 'Customer number ' || n, n %% 100000 / 7.0, n %% 1000, n / 3.0, n %% 2 = 0,
			'2026-01-01 00:00:00Z'::timestamptz + n * interval '1 second', '1970-01-01'::date + (n %% 20000)::int, md5(n::text)::uuid,
			repeat('x', (n %% 40)::int), jsonb_build_object('n', n, 'tag', 't' || n %% 10) FROM generate_series(%d::bigint, %d) AS n`,
	}
}

// account is a small table that is written row by row.
func account() table {
	return table{
		name:    "account",
		create:  `CREATE TABLE account (id bigint PRIMARY KEY, balance bigint NOT NULL, name text, changed timestamptz)`,
		columns: []string{"balance", "name", "changed"},
		fill:    `INSERT INTO account SELECT n, n, 'name of ' || n, now() FROM generate_series(%d::bigint, %d) AS n`,
	}
}

// kind of a map.
const (
	oneWay = "oneWay"
	twoWay = "twoWay"
)

// mapName is the name of the table's map, which takes no underscore.
func (t table) mapName() string { return strings.ReplaceAll(t.name, "_", "-") }

// mapped is the table's map.
func (t table) mapped(kind string) string {
	text := t.mapName() + ":\n  tables: {finops: " + t.name + ", dataverse: " + t.name + "}\n"
	if kind == twoWay {
		return text
	}
	text += "  columns:\n"
	for _, c := range t.columns {
		text += fmt.Sprintf("    - {finops: %s, dataverse: %s, direction: finops-to-dataverse}\n", c, c)
	}
	return text
}

// filled makes rows, and statistics of them.
func (t table) filled(b testing.TB, url string, from, to int) {
	b.Helper()
	run(b, url, fmt.Sprintf(t.fill, from, to), "VACUUM ANALYZE "+t.name, "CHECKPOINT")
}

// link is one of ours between two new databases.
func link(b *testing.B, kind string, tables ...table) *harness.Link {
	b.Helper()
	create, maps := "", ""
	for _, t := range tables {
		create, maps = create+t.create+";\n", maps+t.mapped(kind)+"\n"
	}
	return harness.New(b, harness.Setup{Pair: harness.Postgres, Left: create, Right: create, Maps: maps, Master: "finops"})
}

// two are two new databases, of one name, on two servers.
type two struct {
	servers     [2]*postgrestest.Cluster
	left, right string // URLs
	name        string
}

// pair makes two databases with the tables.
func pair(b *testing.B, servers [2]*postgrestest.Cluster, tables ...table) *two {
	b.Helper()
	d := &two{servers: servers, name: fmt.Sprintf("native_%x", time.Now().UnixNano())}
	for i, url := range []*string{&d.left, &d.right} {
		*url = servers[i].URL(d.name)
		run(b, servers[i].URL("postgres"), "CREATE DATABASE "+d.name)
		for _, t := range tables {
			run(b, *url, t.create)
		}
	}
	return d
}

func (d *two) databases() *two { return d }

// drop removes them when the benchmark ends.
func (d *two) drop(b *testing.B) *two {
	b.Helper()
	for _, server := range d.servers {
		b.Cleanup(func() { run(b, server.URL("postgres"), "DROP DATABASE "+d.name+" WITH (FORCE)") })
	}
	return d
}

// native is a subscription between two new databases.
type native struct{ *two }

// pairing makes two databases with the tables.
func pairing(b *testing.B, tables ...table) *native {
	b.Helper()
	return &native{pair(b, clusters, tables...).drop(b)}
}

// subscribe begins native replication, without copying what is there, and waits until it runs.
func (n *native) subscribe(b *testing.B) {
	b.Helper()
	run(b, n.left, "CREATE PUBLICATION native FOR ALL TABLES")
	run(b, n.right, fmt.Sprintf("CREATE SUBSCRIPTION %s CONNECTION '%s' PUBLICATION native WITH (copy_data = false)", n.name, n.left))
	becomes(b, n.left, "SELECT count(*) FROM pg_stat_replication WHERE application_name = '"+n.name+"' AND state = 'streaming'", "1")
}

func (n *native) enable(b *testing.B, on bool) {
	b.Helper()
	if on {
		run(b, n.right, "ALTER SUBSCRIPTION "+n.name+" ENABLE")
		return
	}
	run(b, n.right, "ALTER SUBSCRIPTION "+n.name+" DISABLE")
	becomes(b, n.left, "SELECT count(*) FROM pg_replication_slots WHERE slot_name = '"+n.name+"' AND active", "0")
}

func (n *native) unsubscribe(b *testing.B) {
	b.Helper()
	run(b, n.right, "DROP SUBSCRIPTION "+n.name)
}
