package harness

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"
	_ "modernc.org/sqlite" // the driver
)

// asking is how a test looks into a database again and again while it waits: without a process for each look, which would take the
// processors from what it waits for.
type asking struct {
	mu   sync.Mutex
	conn *pgconn.PgConn // to a PostgreSQL database; nil: none yet
}

// ask is the first row of a query, as an application's process would print it.
func (d *Database) ask(query string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	query = d.translated(query)
	if d.url == "" {
		return askFile(ctx, d.Path, query)
	}
	d.asking.mu.Lock()
	defer d.asking.mu.Unlock()
	known := d.asking.conn != nil
	row, err := d.askServer(ctx, query)
	var refused *pgconn.PgError
	if known && err != nil && (!errors.As(err, &refused) || refused.Severity == "FATAL") {
		return d.askServer(ctx, query) // somebody has ended that connection, with its server perhaps
	}
	return row, err
}

func (d *Database) askServer(ctx context.Context, query string) (string, error) {
	if d.asking.conn == nil {
		conn, err := pgconn.Connect(ctx, d.url)
		if err != nil {
			return "", err
		}
		d.asking.conn = conn
		d.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	}
	results, err := d.asking.conn.Exec(ctx, query).ReadAll()
	if err != nil {
		_ = d.asking.conn.Close(ctx)
		d.asking.conn = nil
		return "", err
	}
	for _, r := range results {
		if len(r.Rows) > 0 {
			var out []string
			for _, value := range r.Rows[0] {
				out = append(out, string(value))
			}
			return strings.Join(out, "|"), nil
		}
	}
	return "", nil
}

// askFile opens the file each time: a test may have put another in its place.
func askFile(ctx context.Context, path, query string) (string, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(60000)")
	if err != nil {
		return "", err
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return "", err
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil || !rows.Next() {
		return "", errors.Join(err, rows.Err())
	}
	values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	if err := rows.Scan(into...); err != nil {
		return "", err
	}
	var out []string
	for _, value := range values {
		out = append(out, value.String)
	}
	return strings.Join(out, "|"), nil
}
