package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"sync"

	driversqlite "modernc.org/sqlite"
)

// errClosed is returned by whatever is used after it was closed.
var errClosed = errors.New("store is closed")

// maxStatements bounds the prepared statements that one connection keeps.
const maxStatements = 512

// conn is one connection to the database file. It goes below database/sql: a transaction of SQLite belongs to a
// connection, statements are kept prepared, and values come as SQLite has them. Results are read to their end before
// a method returns, so no two statements are ever open on it. Close may come from any goroutine.
type conn struct {
	mu     sync.Mutex
	raw    driver.Conn // nil once closed
	cached map[string]driver.Stmt
	named  []driver.NamedValue
}

// quirks says how the connection reads "x" where there is no column x.
type quirks string

const (
	quirksAsUsers quirks = "1" // as a text: triggers of users may count on it
	quirksNone    quirks = "0" // as an error
)

// connect opens a connection. It never creates a file.
func connect(ctx context.Context, path string, q quirks) (*conn, error) {
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?mode=rw&_error_rc=1&_dqs=" + string(q)
	connector, err := driversqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	raw, err := connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	c := &conn{raw: raw, cached: make(map[string]driver.Stmt)}
	for _, pragma := range connectionPragmas() {
		if err := c.exec(ctx, pragma); err != nil {
			_ = c.close()
			return nil, err
		}
	}
	return c, nil
}

func (c *conn) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.raw == nil {
		return nil
	}
	c.forget()
	err := c.raw.Close()
	c.raw = nil
	return err
}

func (c *conn) forget() {
	for _, s := range c.cached {
		_ = s.Close()
	}
	clear(c.cached)
}

// statement returns the prepared statement. SQLite prepares it again by itself when the schema has changed.
func (c *conn) statement(ctx context.Context, query string) (driver.Stmt, error) {
	if c.raw == nil {
		return nil, errClosed
	}
	if s, ok := c.cached[query]; ok {
		return s, nil
	}
	if len(c.cached) >= maxStatements {
		c.forget()
	}
	s, err := c.raw.(driver.ConnPrepareContext).PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	c.cached[query] = s
	return s, nil
}

func (c *conn) bind(args []driver.Value) []driver.NamedValue {
	c.named = c.named[:0]
	for i, a := range args {
		c.named = append(c.named, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	return c.named
}

// run executes a statement that returns no rows.
func (c *conn) run(ctx context.Context, query string, args []driver.Value) (driver.Result, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, err := c.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.(driver.StmtExecContext).ExecContext(ctx, c.bind(args))
}

// exec runs a short statement. A context that can end costs a goroutine, so it is looked at before the statement only.
func (c *conn) exec(ctx context.Context, query string, args ...driver.Value) error {
	_, err := c.change(ctx, query, args...)
	return err
}

// change runs a short statement and returns how many rows it changed, those of triggers not among them.
func (c *conn) change(ctx context.Context, query string, args ...driver.Value) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	r, err := c.run(context.WithoutCancel(ctx), query, args)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// insert runs a short insert and returns the number of the row.
func (c *conn) insert(ctx context.Context, query string, args ...driver.Value) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	r, err := c.run(context.WithoutCancel(ctx), query, args)
	if err != nil {
		return 0, err
	}
	return r.LastInsertId()
}

// query reads a short result. The row given to each is reused. each must not use the connection.
func (c *conn) query(ctx context.Context, query string, args []driver.Value, each func([]driver.Value) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.queryLong(context.WithoutCancel(ctx), query, args, each)
}

// queryLong is query, but ends early when the context does.
func (c *conn) queryLong(ctx context.Context, query string, args []driver.Value, each func([]driver.Value) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, err := c.statement(ctx, query)
	if err != nil {
		return err
	}
	rows, err := s.(driver.StmtQueryContext).QueryContext(ctx, c.bind(args))
	if err != nil {
		return err
	}
	row := make([]driver.Value, len(rows.Columns()))
	for {
		if err = ctx.Err(); err != nil {
			break
		}
		if err = rows.Next(row); err != nil {
			break
		}
		if err = each(row); err != nil {
			break
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if closeErr := rows.Close(); err == nil {
		err = closeErr
	}
	return err
}

// number reads one integer; null and no row at all read as 0.
func (c *conn) number(ctx context.Context, query string, args ...driver.Value) (int64, error) {
	var n int64
	err := c.query(ctx, query, args, func(row []driver.Value) error {
		n, _ = row[0].(int64)
		return nil
	})
	return n, err
}

// text reads one text; no row at all reads as "".
func (c *conn) text(ctx context.Context, query string, args ...driver.Value) (string, error) {
	var s string
	err := c.query(ctx, query, args, func(row []driver.Value) error {
		s, _ = row[0].(string)
		return nil
	})
	return s, err
}

// unresolved reports whether foreign keys that are checked at the commit are violated now.
func (c *conn) unresolved() (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.raw == nil {
		return false, errClosed
	}
	status, ok := c.raw.(driversqlite.DBStatus)
	if !ok {
		return false, fmt.Errorf("driver tells no status")
	}
	n, _, err := status.Status(driversqlite.DBStatusDeferredFKs, false)
	return n != 0, err
}
