package bench

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dualwrite/dualwrite/store/postgres/postgrestest"
)

// peer is another program between two databases of its own.
type peer interface {
	databases() *two
	subscribe(b *testing.B) // begins to carry what is changed from now on
	enable(b *testing.B, on bool)
	unsubscribe(b *testing.B)
}

// BenchmarkPeers measures beside what people use apart from PostgreSQL's own, where it is installed (apt-get install
// postgresql-15-pglogical bucardo postgresql-plperl-15): pglogical, one way, from the log; Bucardo, both ways, by triggers.
func BenchmarkPeers(b *testing.B) {
	for name, other := range map[string]struct {
		files []string // that tell whether it is installed
		begin func(b *testing.B) func() peer
	}{
		"pglogical": {[]string{extension("pglogical")}, withPglogical},
		"Bucardo":   {[]string{bucardoProgram(), extension("plperlu")}, withBucardo},
	} {
		b.Run(name, func(b *testing.B) {
			for _, file := range other.files {
				if _, err := os.Stat(file); err != nil {
					b.Logf("%s is not installed: %v", name, err)
					return
				}
			}
			beside(b, name, other.begin(b))
		})
	}
}

// beside measures a backlog and latency.
func beside(b *testing.B, name string, other func() peer) {
	for _, w := range loads()[:2] {
		b.Run(w.name, func(b *testing.B) {
			m := &measurement{Name: "drain " + w.name, Peer: name, Rows: w.changes}
			for range *rounds {
				m.Peers = append(m.Peers, w.peer(b, other()))
				m.Ours = append(m.Ours, w.drain(b))
			}
			m.rates(b)
		})
	}
	b.Run("latency", func(b *testing.B) {
		latency(b, name, other)
	})
}

// parsed is a URL's parts.
func parsed(b *testing.B, address string) *url.URL {
	b.Helper()
	u, err := url.Parse(address)
	if err != nil {
		b.Fatal(err)
	}
	return u
}

// extension is where an installed extension has its description.
func extension(name string) string {
	psql, err := postgrestest.Client("psql")
	if err != nil {
		return name
	}
	config := filepath.Join(filepath.Dir(psql), "pg_config")
	out, err := exec.Command(config, "--sharedir").Output()
	if err != nil {
		return name
	}
	return filepath.Join(strings.TrimSpace(string(out)), "extension", name+".control")
}

// pglogical is a subscription of the extension's.
type pglogical struct{ *two }

// withPglogical starts two more servers, which have the extension loaded. Databases stay there until they end: while it is
// loaded, PostgreSQL 15 waits for ever for pglogical 2.4's processes when one is dropped.
func withPglogical(b *testing.B) func() peer {
	b.Helper()
	settings := serverSettings()
	settings.Settings["shared_preload_libraries"] = "pglogical"
	settings.Settings["max_worker_processes"] = "32"
	var servers [2]*postgrestest.Cluster
	for i := range servers {
		c, err := postgrestest.Start(settings)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = c.Remove() })
		servers[i] = c
	}
	return func() peer { return &pglogical{pair(b, servers, account())} }
}

func (p *pglogical) subscribe(b *testing.B) {
	b.Helper()
	for name, url := range map[string]string{"provider": p.left, "subscriber": p.right} {
		run(b, url, "CREATE EXTENSION pglogical", fmt.Sprintf("SELECT pglogical.create_node('%s', '%s')", name, url))
	}
	run(b, p.left, "SELECT pglogical.replication_set_add_all_tables('default', '{public}')")
	run(b, p.right, fmt.Sprintf("SELECT pglogical.create_subscription('peer', '%s', '{default}', false, false)", p.left))
	p.await(b, "replicating")
}

func (p *pglogical) await(b *testing.B, status string) {
	b.Helper()
	becomes(b, p.right, "SELECT status FROM pglogical.show_subscription_status('peer')", status)
}

func (p *pglogical) enable(b *testing.B, on bool) {
	b.Helper()
	if on {
		run(b, p.right, "SELECT pglogical.alter_subscription_enable('peer', true)")
		return
	}
	run(b, p.right, "SELECT pglogical.alter_subscription_disable('peer', true)")
	p.await(b, "disabled")
	becomes(b, p.left, "SELECT count(*) FROM pg_replication_slots WHERE database = current_database() AND active", "0")
}

func (p *pglogical) unsubscribe(b *testing.B) {
	b.Helper()
	run(b, p.right, "SELECT pglogical.drop_subscription('peer')")
}

// bucardo is a two-way sync of Bucardo's.
type bucardo struct {
	*two
	folder string // of its settings, pid files and log
}

func bucardoProgram() string {
	path, err := exec.LookPath("bucardo")
	if err != nil {
		return "bucardo"
	}
	return path
}

// withBucardo installs Bucardo's own database on the first server.
func withBucardo(b *testing.B) func() peer {
	b.Helper()
	folder := b.TempDir()
	u := parsed(b, clusters[0].URL("bucardo"))
	text := fmt.Sprintf("dbhost=%s\ndbport=%s\ndbname=bucardo\ndbuser=bucardo\npiddir=%s\n", u.Hostname(), u.Port(), folder)
	if err := os.WriteFile(filepath.Join(folder, "rc"), []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	shell(b, fmt.Sprintf("cd %[1]s && HOME=%[1]s bucardo install --batch --dbhost=%s --dbport=%s --dbuser=%s --piddir=%s", folder, u.Hostname(), u.Port(), u.User.Username(), folder))
	b.Cleanup(func() {
		run(b, clusters[0].URL("postgres"), "DROP DATABASE bucardo WITH (FORCE)", "DROP ROLE bucardo")
	})
	return func() peer { return &bucardo{pair(b, clusters, account()).drop(b), folder} }
}

// do carries out one of its commands.
func (p *bucardo) do(b *testing.B, format string, args ...any) {
	b.Helper()
	shell(b, "cd "+p.folder+" && bucardo --bucardorc rc "+fmt.Sprintf(format, args...)) // it leaves files where it runs
}

// runs waits until its first process has begun or ended.
func (p *bucardo) runs(b *testing.B, want bool) {
	b.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		if _, err := os.Stat(filepath.Join(p.folder, "bucardo.mcp.pid")); (err == nil) == want {
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("Bucardo has not begun or ended: %v", want)
		}
	}
}

func (p *bucardo) subscribe(b *testing.B) {
	b.Helper()
	for i, url := range []string{p.left, p.right} {
		u := parsed(b, url)
		p.do(b, "add db %s_%d dbhost=%s dbport=%s dbname=%s dbuser=%s", p.name, i, u.Hostname(), u.Port(), p.name, u.User.Username())
	}
	p.do(b, "add all tables db=%[1]s_0 relgroup=%[1]s", p.name)
	p.do(b, "add sync %[1]s relgroup=%[1]s dbs=%[1]s_0:source,%[1]s_1:source conflict_strategy=bucardo_latest", p.name)
	p.enable(b, true)
}

func (p *bucardo) enable(b *testing.B, on bool) {
	b.Helper()
	if on {
		p.do(b, "start --log-destination=%s", p.folder)
		p.runs(b, true)
		return
	}
	p.do(b, "stop")
	p.runs(b, false)
}

func (p *bucardo) unsubscribe(b *testing.B) {
	b.Helper()
	p.enable(b, false)
	p.do(b, "remove sync %s", p.name)
}
