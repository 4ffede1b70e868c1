package harness

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"
)

// asking is how a test looks into a server's database again and again while it waits: without a process, and a session, for each look,
// which would take the processors from what it waits for.
type asking struct {
	mu   sync.Mutex
	conn *pgconn.PgConn // to a PostgreSQL database; nil: none yet
}

// ask is the first row of a query, as an application's process would print it.
func (d *Database) ask(query string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if d.url == "" { // a process of sqlite3 costs little, and finds the file that is there now
		out, err := d.try(query + ";\n")
		first, _, _ := strings.Cut(out, "\n")
		return first, err
	}
	query = d.translated(query)
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
