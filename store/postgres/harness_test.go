package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/postgres"
	"github.com/dualwrite/dualwrite/store/postgres/postgrestest"
	"github.com/dualwrite/dualwrite/store/storetest"
)

// servers are what the tests of this package share.
type servers struct{ a *postgrestest.Shared }

// shared is made by TestMain and never changed.
var shared servers

func TestMain(m *testing.M) {
	shared = servers{postgrestest.NewShared("DUALWRITE_TEST_POSTGRES_A")}
	code := m.Run()
	if err := shared.a.Remove(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// TestContract runs the suite.
func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Harness { return newUsers(t).harness() })
}

// TestContractLeastPrivilege runs the contract as two roles that have no right but those that docs/postgresql.md gives them.
func TestContractLeastPrivilege(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Harness { return newUsersWithRoles(t).harness() })
}

// users are an application with a database.
type users struct {
	url   string
	store *postgres.Store
	apply string // the role that the store is, and that owns the tables; "": a superuser
}

func newUsers(t *testing.T) *users {
	t.Helper()
	u := &users{url: shared.a.Database(t)}
	require.NoError(t, u.open())
	t.Cleanup(func() { require.NoError(t, u.store.Close()) })
	return u
}

// parameters is held while privileges on parameters change, which a server does not let two do at a time.
var parameters sync.Mutex

// newUsersWithRoles is newUsers for a store that is no superuser.
func newUsersWithRoles(t *testing.T) *users {
	t.Helper()
	u := new(users)
	t.Cleanup(func() { // when the database is gone
		parameters.Lock()
		defer parameters.Unlock()
		require.NoError(t, shared.a.Admin("DROP OWNED BY "+u.apply+"; DROP ROLE "+u.apply+", "+u.replicates()))
	})
	u.url = shared.a.Database(t)
	u.apply = u.name() + "_apply"
	require.NoError(t, u.exec(fmt.Sprintf(`CREATE ROLE %[1]s LOGIN; CREATE ROLE %[2]s LOGIN REPLICATION; REVOKE ALL ON SCHEMA public FROM public;
		GRANT CONNECT ON DATABASE %[3]s TO %[1]s, %[2]s; GRANT CREATE ON DATABASE %[3]s TO %[1]s; CREATE SCHEMA dualwrite AUTHORIZATION %[1]s;
		GRANT USAGE ON SCHEMA public TO %[1]s`, u.apply, u.replicates(), u.name())))
	parameters.Lock()
	err := u.exec("DO $$ BEGIN IF current_setting('server_version_num')::int >= 150000 THEN " +
		"EXECUTE 'GRANT SET ON PARAMETER session_replication_role TO " + u.apply + "'; END IF; END $$")
	parameters.Unlock()
	require.NoError(t, err)
	require.NoError(t, u.open())
	t.Cleanup(func() { require.NoError(t, u.store.Close()) })
	return u
}

// replicates is the role that reads the log.
func (u *users) replicates() string { return strings.TrimSuffix(u.apply, "_apply") + "_repl" }

func (u *users) open() (err error) {
	if u.apply == "" {
		u.store, err = postgres.Open(context.Background(), u.url)
		return err
	}
	address, err := url.Parse(u.url)
	if err != nil {
		return err
	}
	apply, replicates := *address, *address
	apply.User, replicates.User = url.User(u.apply), url.User(u.replicates())
	u.store, err = postgres.OpenAs(context.Background(), apply.String(), replicates.String())
	return err
}

func (u *users) name() string {
	_, rest, _ := strings.Cut(u.url, "//")
	_, path, _ := strings.Cut(rest, "/")
	name, _, _ := strings.Cut(path, "?")
	return name
}

func (u *users) connect() (*pgconn.PgConn, error) {
	c, err := pgconn.Connect(context.Background(), u.url)
	if err == nil {
		_, err = c.Exec(context.Background(), "SET lock_timeout = '1s'").ReadAll()
	}
	return c, err
}

func (u *users) exec(sql string) error {
	c, err := u.connect()
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(context.Background()) }()
	_, err = c.Exec(context.Background(), sql).ReadAll()
	return busy(err)
}

// busy makes an error that a lock caused one that the suite knows.
func busy(err error) error {
	var e *pgconn.PgError
	if errors.As(err, &e) && slices.Contains([]string{"55P03", "40P01", "57014"}, e.Code) {
		return store.Busy(err)
	}
	return err
}

func (u *users) harness() storetest.Harness {
	return storetest.Harness{
		Store: u.store,
		Features: storetest.Features{Whole: true, Strict: true, Truncate: true, Triggers: true, Kinds: []store.Kind{store.Integer, store.Real, store.Text,
			store.Blob, store.Numeric, store.Bool, store.Date, store.Time, store.Timestamp, store.TimestampTZ, store.UUID, store.JSON}},
		Reopen: u.reopen,
		Create: u.create,
		Begin:  u.begin,
		Lose:   u.lose,
		Backup: u.backup,
		DropColumn: func(table, column string) error {
			return u.exec("ALTER TABLE " + quote(table) + " DROP COLUMN " + quote(column))
		},
		Uncapture: func(table string) error {
			return u.exec("ALTER PUBLICATION dualwrite_tables DROP TABLE " + quote(table))
		},
	}
}

func (u *users) reopen() (store.Store, error) {
	if err := u.store.Close(); err != nil {
		return nil, err
	}
	err := u.open()
	return u.store, err
}

// lose moves the slot behind the store's back.
func (u *users) lose(upTo store.Position) error {
	head, _, _ := strings.Cut(string(upTo), "-")
	var lsn uint64
	if _, err := fmt.Sscanf(head, "%X", &lsn); err != nil {
		return err
	}
	end := "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = current_database() AND active_pid IS NOT NULL"
	move := fmt.Sprintf("SELECT pg_replication_slot_advance(slot_name, '%s') FROM pg_replication_slots WHERE database = current_database()",
		pglogrepl.LSN(lsn+1))
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var err error
	for range 1000 {
		if err = errors.Join(u.exec(end), u.exec(move)); err == nil {
			return nil
		}
		<-tick.C
	}
	return err
}

// backup copies the database into another one.
func (u *users) backup() (func() (store.Store, error), error) {
	name := u.name()
	others := "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + name + "' AND pid <> pg_backend_pid()"
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var err error
	for range 1000 {
		err = errors.Join(shared.a.Admin(others), shared.a.Admin("CREATE DATABASE "+name+"_copy TEMPLATE "+name))
		if err == nil {
			break
		}
		<-tick.C
	}
	if err != nil {
		return nil, err
	}
	return func() (store.Store, error) {
		err := errors.Join(u.store.Close(), shared.a.Drop(name), shared.a.Admin("ALTER DATABASE "+name+"_copy RENAME TO "+name), u.open())
		return u.store, err
	}, nil
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func quoted(names []string) string {
	var out []string
	for _, n := range names {
		out = append(out, quote(n))
	}
	return strings.Join(out, ", ")
}

func typeOf(k store.Kind) string {
	switch k {
	case store.Integer:
		return "bigint"
	case store.Real:
		return "double precision"
	case store.Blob:
		return "bytea"
	case store.JSON:
		return "jsonb"
	}
	return k.String()
}

// create makes a table.
func (u *users) create(def storetest.Table) error {
	var parts []string
	for _, c := range def.Columns {
		part := quote(c.Name) + " " + typeOf(c.Kind)
		if c.Auto {
			part += " GENERATED BY DEFAULT AS IDENTITY"
		}
		if c.NotNull {
			part += " NOT NULL"
		}
		if !c.Default.IsNull() {
			part += " DEFAULT " + literal(c.Default)
		}
		parts = append(parts, part)
	}
	if def.Key != nil {
		parts = append(parts, "PRIMARY KEY ("+quoted(def.Key)+")")
	}
	for _, unique := range def.Unique {
		parts = append(parts, "UNIQUE ("+quoted(unique)+")")
	}
	for _, c := range def.Checks {
		parts = append(parts, fmt.Sprintf("CONSTRAINT %s CHECK (%s >= %d)", quote(c.Column), quote(c.Column), c.Min))
	}
	for _, k := range def.ForeignKeys {
		part := "FOREIGN KEY (" + quoted(k.Columns) + ") REFERENCES " + quote(k.Table) + " (" + quoted(k.References) + ")"
		if k.Cascade {
			part += " ON DELETE CASCADE"
		}
		parts = append(parts, part)
	}
	statements := []string{"CREATE TABLE " + quote(def.Name) + " (" + strings.Join(parts, ", ") + ")"}
	for _, tr := range def.Triggers {
		statements = append(statements, trigger(def, tr)...)
	}
	if u.apply != "" {
		statements = append(statements, "ALTER TABLE "+quote(def.Name)+" OWNER TO "+u.apply)
	}
	return u.exec(strings.Join(statements, ";\n"))
}

func trigger(def storetest.Table, tr storetest.Trigger) []string {
	body := "IF NEW." + quote(tr.When) + " = " + literal(tr.Value) + " THEN "
	if tr.Set == "" {
		body += "RAISE EXCEPTION '%', NEW." + quote(tr.When) + ";"
	} else {
		body += "NEW." + quote(tr.Set) + " := " + literal(tr.To) + ";"
	}
	name := quote(def.Name + "_" + tr.Name)
	return []string{
		"CREATE FUNCTION " + name + "() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN " + body + " END IF; RETURN NEW; END $f$",
		"CREATE TRIGGER " + quote(tr.Name) + " BEFORE INSERT OR UPDATE ON " + quote(def.Name) + " FOR EACH ROW EXECUTE FUNCTION " + name + "()",
	}
}

func literal(v store.Value) string {
	switch v.Kind {
	case store.Null:
		return "NULL"
	case store.Integer, store.Real:
		return v.S
	case store.Blob:
		return fmt.Sprintf(`'\x%x'`, v.S)
	}
	return "'" + strings.ReplaceAll(v.S, "'", "''") + "'"
}

// userTx is a transaction of users on a connection of its own.
type userTx struct {
	conn *pgconn.PgConn
	done bool
}

func (u *users) begin() (storetest.UserTx, error) {
	c, err := u.connect()
	if err != nil {
		return nil, err
	}
	tx := &userTx{conn: c}
	return tx, tx.run("BEGIN")
}

func (tx *userTx) run(query string, args ...[]byte) error {
	if len(args) == 0 {
		_, err := tx.conn.Exec(context.Background(), query).ReadAll()
		return busy(err)
	}
	return busy(tx.conn.ExecParams(context.Background(), query, args, nil, nil, nil).Read().Err)
}

func (tx *userTx) Exec(s storetest.Statement) error {
	var args [][]byte
	each := func(v storetest.Values, between, form string) string {
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			args = append(args, bound(v[name]))
			part := strings.ReplaceAll(form, "%", quote(name))
			parts = append(parts, strings.ReplaceAll(part, "?", fmt.Sprintf("$%d", len(args))))
		}
		return strings.Join(parts, between)
	}
	query := ""
	switch s.Op {
	case store.Insert:
		names := slices.Sorted(maps.Keys(s.Set))
		query = "INSERT INTO " + quote(s.Table) + " (" + quoted(names) + ") VALUES (" + each(s.Set, ", ", "?") + ")"
	case store.Update:
		query = "UPDATE " + quote(s.Table) + " SET " + each(s.Set, ", ", "% = ?")
	case store.Delete:
		query = "DELETE FROM " + quote(s.Table)
	case store.Truncate:
		query = "TRUNCATE TABLE " + quote(s.Table)
	default:
		return fmt.Errorf("no statement %s", s.Op)
	}
	if len(s.Where) > 0 {
		query += " WHERE " + each(s.Where, " AND ", "% IS NOT DISTINCT FROM ?")
	}
	return tx.run(query, args...)
}

func bound(v store.Value) []byte {
	switch v.Kind {
	case store.Null:
		return nil
	case store.Blob:
		return []byte(fmt.Sprintf(`\x%x`, v.S))
	}
	return []byte(v.S)
}

func (tx *userTx) Commit() error {
	err := tx.run("COMMIT")
	if err == nil {
		err = tx.end()
	}
	return err
}

func (tx *userTx) Rollback() error {
	if tx.done {
		return nil
	}
	return tx.end()
}

func (tx *userTx) end() error {
	tx.done = true
	return tx.conn.Close(context.Background())
}
