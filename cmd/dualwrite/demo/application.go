package demo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the applications' own way to their databases

	"github.com/dualwrite/dualwrite/examples/customers"
)

// application is one of the two programs that work on the databases, and know nothing of dualwrite.
type application struct {
	name string // of its side
	file string // what people call its database
	tool string // with what people write to it
	db   *sql.DB
	drop func() error // removes the database; nil: its folder does
}

// newApplication makes an application with its database and its first rows.
func newApplication(ctx context.Context, folder, name string) (*application, error) {
	schema, err := fs.ReadFile(customers.Files(), name+".sql")
	if err != nil {
		return nil, fmt.Errorf("read example: %w", err)
	}
	path := (&url.URL{Path: filepath.Join(folder, name+".db")}).EscapedPath()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)")
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	if _, err := db.ExecContext(ctx, "PRAGMA journal_mode = WAL"); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("prepare %s: %w", name, err)
	}
	if err := load(ctx, db, string(schema)); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("load %s: %w", name, err)
	}
	return &application{name: name, file: name + ".db", tool: "sqlite3 " + name + ".db", db: db}, nil
}

// close ends the application.
func (a *application) close() error {
	err := a.db.Close()
	if a.drop != nil {
		err = errors.Join(err, a.drop())
	}
	return err
}

// load carries out a script in one transaction.
func load(ctx context.Context, db *sql.DB, script string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, script); err != nil {
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}

// write carries out statements in one transaction.
func (a *application) write(ctx context.Context, statements ...string) error {
	if err := load(ctx, a.db, strings.Join(statements, ";\n")); err != nil {
		return fmt.Errorf("write to %s: %w", a.name, err)
	}
	return nil
}

// read returns the rows of a query, their columns as text and parted by "|", as the sqlite3 command prints them.
func (a *application) read(ctx context.Context, query string) ([]string, error) {
	rows, err := a.db.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("read from %s: %w", a.name, err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, fmt.Errorf("read from %s: %w", a.name, err)
	}
	var all []string
	for rows.Next() {
		cells := make([]sql.NullString, len(columns))
		targets := make([]any, len(columns))
		for i := range cells {
			targets[i] = &cells[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, fmt.Errorf("read from %s: %w", a.name, err)
		}
		texts := make([]string, len(cells))
		for i, c := range cells {
			texts[i] = c.String
		}
		all = append(all, strings.Join(texts, "|"))
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read from %s: %w", a.name, err)
	}
	return all, nil
}
