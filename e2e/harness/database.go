package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Database is one side's database, as the users' application sees it: every statement is one of an `sqlite3` process, or
// of `psql`.
type Database struct {
	t    testing.TB
	Side string // its name in the config
	Path string // of an SQLite file
	url  string // of a PostgreSQL database

	asking asking
	named  string   // how the config names it; "": by its URL
	roles  []string // of the config, made for the test
}

// URL is the database as applications name it.
func (d *Database) URL() string {
	if d.url != "" {
		return d.url
	}
	return "sqlite:" + filepath.Base(d.Path)
}

// inConfig is the database as the config has it.
func (d *Database) inConfig() string {
	if d.named != "" {
		return d.named
	}
	return d.URL()
}

// application is the command that carries out statements.
func (d *Database) application(ctx context.Context) *exec.Cmd {
	if d.url != "" {
		return d.psql(ctx)
	}
	return d.sqlite3(ctx)
}

// sqlite3 is the command with what any application does: wait for locks, stop at the first error.
func (d *Database) sqlite3(ctx context.Context) *exec.Cmd {
	return exec.CommandContext(ctx, "sqlite3", "-batch", "-bail", "-cmd", ".timeout 60000", "-cmd", "PRAGMA foreign_keys = ON", d.Path)
}

// try carries out statements and returns what they print.
func (d *Database) try(sql string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	command := d.application(ctx)
	command.Stdin = strings.NewReader(d.translated(sql))
	out, problems := &bytes.Buffer{}, &bytes.Buffer{}
	command.Stdout, command.Stderr = out, problems
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("%w: %s", err, problems)
	}
	return out.String(), nil
}

// Try is the first row of a query, which may fail.
func (d *Database) Try(query string) (string, error) { return d.ask(query) }

// Exec carries out statements; each is a transaction of its own unless they say BEGIN and COMMIT.
func (d *Database) Exec(statements ...string) {
	d.t.Helper()
	if _, err := d.try(strings.Join(statements, ";\n") + ";\n"); err != nil {
		d.t.Fatalf("the application of %s: %v\n%s", d.Side, err, shortened(statements))
	}
}

// Refuses carries out a statement that must fail, and returns the error.
func (d *Database) Refuses(statement string) string {
	d.t.Helper()
	_, err := d.try(statement + ";\n")
	if err == nil {
		d.t.Fatalf("%s took %s", d.Side, statement)
	}
	return err.Error()
}

// Rows are the rows of a query, each its columns separated by |.
func (d *Database) Rows(query string) []string {
	d.t.Helper()
	out, err := d.try(query + ";\n")
	if err != nil {
		d.t.Fatalf("read %s: %v\n%s", d.Side, err, query)
	}
	if out == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(out, "\n"), "\n")
}

// Text is the first row of a query; "" where there is none.
func (d *Database) Text(query string) string {
	d.t.Helper()
	if rows := d.Rows(query); len(rows) > 0 {
		return rows[0]
	}
	return ""
}

// Int is the number that a query gives.
func (d *Database) Int(query string) int {
	d.t.Helper()
	n, err := strconv.Atoi(d.Text(query))
	if err != nil {
		d.t.Fatalf("read a number from %s: %v\n%s", d.Side, err, query)
	}
	return n
}

// Becomes waits until the first row of a query is want.
func (d *Database) Becomes(query, want string) {
	d.t.Helper()
	got, err := "", error(nil)
	if !polled(Patience, func() bool { got, err = d.ask(query); return err != nil || got == want }) || err != nil {
		d.t.Fatalf("%s has %q, not %q: %s: %v", d.Side, got, want, query, err)
	}
}

// Exceeds waits until the number that a query gives is greater than another.
func (d *Database) Exceeds(query string, than int) {
	d.t.Helper()
	got, err := "", error(nil)
	more := func() bool {
		got, err = d.ask(query)
		n, wrong := strconv.Atoi(got)
		err = errors.Join(err, wrong)
		return err != nil || n > than
	}
	if !polled(Patience, more) || err != nil {
		d.t.Fatalf("%s has %q, not more than %d: %s: %v", d.Side, got, than, query, err)
	}
}

// Load has one process of the application carry out statement(0), statement(1), …, each in a transaction of its own,
// until the function that it returns is called. That returns how many were carried out, all of which must have
// succeeded.
func (d *Database) Load(statement func(i int) string) (stop func() int) {
	d.t.Helper()
	command := d.application(context.Background())
	pipe, err := command.StdinPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	p := begin(d.t, d.t.TempDir(), "application-of-"+d.Side, command)
	over, counted := make(chan struct{}), make(chan int)
	go func() { counted <- feed(pipe, over, d.paced(statement)) }()
	return func() int {
		d.t.Helper()
		close(over)
		n := <-counted
		<-p.done
		if p.err != nil || p.Output() != "" {
			d.t.Fatalf("the application of %s: %v\n%s", d.Side, p.err, tail(p.Output(), 20))
		}
		return n
	}
}

// Hold has a process of the application keep all others from writing, in a transaction, until the function that it
// returns is called: to the whole database, or, on PostgreSQL, to the tables named. Readers go on.
func (d *Database) Hold(tables ...string) (release func()) {
	d.t.Helper()
	command, lock := d.application(context.Background()), "BEGIN IMMEDIATE;\n.print held\n"
	switch {
	case d.url != "" && len(tables) > 0:
		lock = "BEGIN;\nLOCK TABLE " + strings.Join(tables, ", ") + " IN EXCLUSIVE MODE;\n\\echo held\n"
	case d.url != "":
		lock = lockTables
	}
	pipe, err := command.StdinPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	p := begin(d.t, d.t.TempDir(), "lock-of-"+d.Side, command)
	if _, err := io.WriteString(pipe, lock); err != nil {
		d.t.Fatal(err)
	}
	p.AwaitLine("held")
	return func() {
		d.t.Helper()
		_, err := io.WriteString(pipe, "COMMIT;\n")
		_ = pipe.Close()
		<-p.done
		if err != nil || p.err != nil {
			d.t.Fatalf("release the lock of %s: %v: %s", d.Side, p.err, p.Output())
		}
	}
}

// feed writes statements until over is closed, then closes the pipe, and returns how many it has written.
func feed(pipe io.WriteCloser, over <-chan struct{}, statement func(i int) string) int {
	defer func() { _ = pipe.Close() }()
	for i := 0; ; i++ {
		select {
		case <-over:
			return i
		default:
		}
		if _, err := io.WriteString(pipe, statement(i)+";\n"); err != nil {
			return i // it has ended: whoever stops the load says why
		}
	}
}

func shortened(statements []string) string {
	const most = 1000
	text := strings.Join(statements, ";\n")
	return text[:min(len(text), most)]
}
