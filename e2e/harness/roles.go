package harness

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// variableOwner lets the links of tests be those of a superuser, as a person begins who tries dualwrite out.
const variableOwner = "DUALWRITE_E2E_SUPERUSER"

// asRoles gives a PostgreSQL database two roles without any right, for the config: one to read the log, one for the rest.
func (d *Database) asRoles(admin func(sql string) error) {
	d.t.Helper()
	at, err := url.Parse(d.url)
	if err != nil {
		d.t.Fatal(err)
	}
	name := strings.Trim(at.Path, "/")
	apply, reads := *at, *at
	apply.User, reads.User = url.User(name+"_apply"), url.User(name+"_repl")
	d.named = fmt.Sprintf("{url: %q, replication: %q}", apply.String(), reads.String())
	d.roles = []string{name + "_apply", name + "_repl"}
	for _, role := range d.roles {
		if err := admin("CREATE ROLE " + role + " LOGIN"); err != nil {
			d.t.Fatal(err)
		}
	}
	d.Exec("REVOKE ALL ON SCHEMA public FROM public")
}

// dropRoles removes them, once the database is gone.
func (d *Database) dropRoles(admin func(sql string) error) {
	for _, role := range d.roles {
		if err := admin("DROP OWNED BY " + role + "; DROP ROLE " + role); err != nil {
			d.t.Error(err)
		}
	}
}

// privileges are what `check` says of rights, each with the SQL that grants them.
var privileges = []string{"role_replication", "ledger_privilege", "privilege", "owner_needed", "trigger_privilege", "sequence_privilege"}

// grant does what `check` asks for, as a person would who owns the databases.
func (l *Link) grant() {
	l.t.Helper()
	if l.Left.named == "" && l.Right.named == "" {
		return
	}
	sides := map[string]*Database{l.Left.Side: l.Left, l.Right.Side: l.Right}
	for range 3 {
		var found []struct{ Code, Side, Hint string }
		if json.Unmarshal([]byte(l.Try("check", "-o", "json").Out), &found) != nil {
			return // the config is wrong on purpose
		}
		asked := false
		for _, f := range found {
			if slices.Contains(privileges, f.Code) {
				sides[f.Side].insist(f.Hint)
				asked = true
			}
		}
		if !asked {
			return
		}
	}
}

// insist carries out SQL that the server refuses while another test grants something.
func (d *Database) insist(sql string) {
	d.t.Helper()
	_, err := d.try(sql + ";\n")
	for tick, end := time.NewTicker(20*time.Millisecond), time.Now().Add(Patience); err != nil && time.Now().Before(end); {
		if !strings.Contains(err.Error(), "concurrently") {
			break
		}
		<-tick.C
		_, err = d.try(sql + ";\n")
	}
	if err != nil {
		d.t.Fatalf("%s: %v", d.Side, err)
	}
}

// superuser reports whether links are those of a superuser.
func superuser() bool { return os.Getenv(variableOwner) != "" }
