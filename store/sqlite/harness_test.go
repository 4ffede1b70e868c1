package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	driversqlite "modernc.org/sqlite"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/sqlite"
	"github.com/dualwrite/dualwrite/store/storetest"
)

// TestContract runs the suite on tables as they usually are, on strict ones, and on ones without row numbers.
func TestContract(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]string{"usual": "", "strict": " STRICT", "without rowid": " WITHOUT ROWID"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t *testing.T) storetest.Harness { return newUsers(t, options).harness() })
		})
	}
}

// users are an application with a database.
type users struct {
	path    string
	options string // of its tables
	db      *sql.DB
	store   *sqlite.Store
}

func newUsers(t *testing.T, options string) *users {
	t.Helper()
	u := &users{path: filepath.Join(t.TempDir(), "app.db"), options: options}
	require.NoError(t, u.connect())
	require.NoError(t, u.exec("PRAGMA user_version = 1")) // makes the file
	require.NoError(t, u.open())
	t.Cleanup(func() {
		require.NoError(t, u.store.Close())
		require.NoError(t, u.db.Close())
	})
	return u
}

func (u *users) connect() error {
	db, err := sql.Open("sqlite", "file:"+u.path+"?_pragma=busy_timeout(1000)&_pragma=foreign_keys(1)")
	u.db = db
	return err
}

func (u *users) open() error {
	s, err := sqlite.Open(context.Background(), "sqlite:"+u.path)
	u.store = s
	return err
}

func (u *users) exec(query string, args ...any) error {
	_, err := u.db.Exec(query, args...)
	return busy(err)
}

// busy makes an error that a lock caused one that the suite knows.
func busy(err error) error {
	var e *driversqlite.Error
	if errors.As(err, &e) && e.Code()&0xff == 5 {
		return store.Busy(err)
	}
	return err
}

func (u *users) harness() storetest.Harness {
	return storetest.Harness{
		Store: u.store,
		Features: storetest.Features{OneWriter: true, Triggers: true, NulText: true, Strict: u.options == " STRICT",
			Kinds: []store.Kind{store.Integer, store.Real, store.Text, store.Blob}},
		Reopen: u.reopen,
		Create: u.create,
		Begin:  u.begin,
		Lose: func(upTo store.Position) error {
			return u.exec("DELETE FROM dualwrite_outbox WHERE seq <= ?", seq(upTo))
		},
		Backup:     u.backup,
		DropColumn: u.dropColumn,
		Uncapture:  u.uncapture,
	}
}

// seq is the sequence number in a position.
func seq(p store.Position) string { return string(p[:20]) }

func (u *users) reopen() (store.Store, error) {
	if err := u.store.Close(); err != nil {
		return nil, err
	}
	err := u.open()
	return u.store, err
}

func (u *users) backup() (func() (store.Store, error), error) {
	if err := u.exec("VACUUM INTO ?", u.path+".backup"); err != nil {
		return nil, err
	}
	return func() (store.Store, error) {
		if err := errors.Join(u.store.Close(), u.db.Close()); err != nil {
			return nil, err
		}
		for _, end := range []string{"-wal", "-shm"} {
			if err := os.Remove(u.path + end); err != nil && !errors.Is(err, os.ErrNotExist) {
				return nil, err
			}
		}
		if err := errors.Join(os.Rename(u.path+".backup", u.path), u.connect(), u.open()); err != nil {
			return nil, err
		}
		return u.store, nil
	}, nil
}

// dropColumn does what the owner of a table does: where SQLite refuses because a trigger names the column, the table
// is made anew.
func (u *users) dropColumn(table, column string) error {
	if err := u.exec("ALTER TABLE " + quote(table) + " DROP COLUMN " + quote(column)); err == nil {
		return nil
	}
	var create string
	if err := u.db.QueryRow("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", table).Scan(&create); err != nil {
		return err
	}
	rows, err := u.db.Query("SELECT name FROM pragma_table_info(?)", table)
	if err != nil {
		return err
	}
	var keep []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		if name != column {
			keep = append(keep, quote(name))
		}
	}
	if err := rows.Close(); err != nil {
		return err
	}
	lines := slices.DeleteFunc(strings.Split(create, "\n"), func(line string) bool { return strings.HasPrefix(line, quote(column)+" ") })
	create = strings.Replace(strings.Join(lines, "\n"), quote(table), quote(table+"_new"), 1)
	list := strings.Join(keep, ", ")
	return u.exec("BEGIN IMMEDIATE; " + create + "; INSERT INTO " + quote(table+"_new") + " SELECT " + list + " FROM " + quote(table) +
		"; DROP TABLE " + quote(table) + "; ALTER TABLE " + quote(table+"_new") + " RENAME TO " + quote(table) + "; COMMIT")
}

func (u *users) uncapture(table string) error {
	rows, err := u.db.Query("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", table)
	if err != nil {
		return err
	}
	var drop string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		drop += "DROP TRIGGER " + quote(name) + ";"
	}
	return errors.Join(rows.Close(), u.exec(drop))
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func quoted(names []string) string {
	var out []string
	for _, n := range names {
		out = append(out, quote(n))
	}
	return strings.Join(out, ", ")
}

// create makes a table, a column per line.
func (u *users) create(def storetest.Table) error {
	var parts []string
	for _, c := range def.Columns {
		part := quote(c.Name) + " " + strings.ToUpper(c.Kind.String())
		if c.NotNull {
			part += " NOT NULL"
		}
		if !c.Default.IsNull() {
			part += " DEFAULT " + literal(c.Default)
		}
		parts = append(parts, part)
	}
	auto := slices.ContainsFunc(def.Columns, func(c storetest.Column) bool { return c.Auto })
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
	options := u.options
	if options == " WITHOUT ROWID" && (auto || def.Key == nil) {
		options = ""
	}
	statements := []string{"CREATE TABLE " + quote(def.Name) + " (\n" + strings.Join(parts, ",\n") + "\n)" + options}
	for _, tr := range def.Triggers {
		statements = append(statements, trigger(def, tr, "INSERT"), trigger(def, tr, "UPDATE"))
	}
	return u.exec(strings.Join(statements, ";\n"))
}

func trigger(def storetest.Table, tr storetest.Trigger, event string) string {
	when := " ON " + quote(def.Name) + " WHEN NEW." + quote(tr.When) + " = " + literal(tr.Value)
	name := quote(tr.Name + "_" + strings.ToLower(event))
	if tr.Set == "" {
		return "CREATE TRIGGER " + name + " BEFORE " + event + when + " BEGIN SELECT RAISE(ABORT, " + literal(tr.Value) + "); END"
	}
	var same []string
	for _, k := range def.Key {
		same = append(same, quote(k)+" = NEW."+quote(k))
	}
	return "CREATE TRIGGER " + name + " AFTER " + event + when + " AND NEW." + quote(tr.Set) + " IS NOT " + literal(tr.To) + " BEGIN UPDATE " +
		quote(def.Name) + " SET " + quote(tr.Set) + " = " + literal(tr.To) + " WHERE " + strings.Join(same, " AND ") + "; END"
}

func literal(v store.Value) string {
	switch v.Kind {
	case store.Null:
		return "NULL"
	case store.Integer, store.Real:
		return v.S
	case store.Blob:
		return fmt.Sprintf("x'%x'", v.S)
	}
	return "'" + strings.ReplaceAll(v.S, "'", "''") + "'"
}

// userTx is a transaction of users on a connection of its own.
type userTx struct {
	conn *sql.Conn
	done bool
}

func (u *users) begin() (storetest.UserTx, error) {
	c, err := u.db.Conn(context.Background())
	if err != nil {
		return nil, err
	}
	tx := &userTx{conn: c}
	return tx, tx.run("BEGIN")
}

func (tx *userTx) run(query string, args ...any) error {
	_, err := tx.conn.ExecContext(context.Background(), query, args...)
	return busy(err)
}

func (tx *userTx) Exec(s storetest.Statement) error {
	var args []any
	each := func(v storetest.Values, between, form string) string {
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, strings.ReplaceAll(form, "%", quote(name)))
			args = append(args, bound(v[name]))
		}
		return strings.Join(parts, between)
	}
	query := ""
	switch s.Op {
	case store.Insert:
		columns := each(s.Set, ", ", "%")
		query = "INSERT INTO " + quote(s.Table) + " (" + columns + ") VALUES (?" + strings.Repeat(", ?", len(s.Set)-1) + ")"
	case store.Update:
		query = "UPDATE " + quote(s.Table) + " SET " + each(s.Set, ", ", "% = ?")
	case store.Delete:
		query = "DELETE FROM " + quote(s.Table)
	default:
		return fmt.Errorf("no statement %s", s.Op)
	}
	if len(s.Where) > 0 {
		query += " WHERE " + each(s.Where, " AND ", "% IS ?")
	}
	return tx.run(query, args...)
}

func bound(v store.Value) any {
	switch v.Kind {
	case store.Null:
		return nil
	case store.Integer:
		return v.Int64()
	case store.Real:
		return v.Float64()
	case store.Blob:
		return []byte(v.S)
	}
	return v.S
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
	return errors.Join(tx.run("ROLLBACK"), tx.end())
}

func (tx *userTx) end() error {
	tx.done = true
	return tx.conn.Close()
}
