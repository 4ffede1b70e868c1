package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dualwrite/dualwrite/store"
)

// sessionSettings fix what the text of values depends on, and bound what a session may wait for.
func sessionSettings() map[string]string {
	return map[string]string{
		"application_name":                    "dualwrite",
		"client_encoding":                     "UTF8",
		"datestyle":                           "ISO",
		"intervalstyle":                       "postgres",
		"timezone":                            "UTC",
		"extra_float_digits":                  "3",
		"bytea_output":                        "hex",
		"lc_monetary":                         "C",
		"standard_conforming_strings":         "on",
		"array_nulls":                         "on",
		"xmloption":                           "content",
		"default_transaction_isolation":       "read committed",
		"search_path":                         "",
		"row_security":                        "off", // a policy that hides rows is an error, never a deleted row
		"lock_timeout":                        "2s",
		"statement_timeout":                   "0",
		"idle_in_transaction_session_timeout": "15s", // a frozen worker must not hold its locks
		"jit":                                 "off",
		"plan_cache_mode":                     "force_generic_plan", // a statement is planned once per connection, not each time

		// Our statements look rows up by keys, a few or thousands. Plans that were made while a table was small, or had no
		// statistics yet, must not read it all for each of them later.
		"enable_seqscan":   "off",
		"enable_hashjoin":  "off",
		"enable_mergejoin": "off",
	}
}

func poolConfig(address string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("URL cannot be read: write postgres://user:password@host:5432/database") // err may hold the password
	}
	for name, value := range sessionSettings() {
		config.ConnConfig.RuntimeParams[name] = value
	}
	config.MaxConns, config.MaxConnIdleTime = maxConns, idleTime
	config.ConnConfig.ConnectTimeout = 10 * time.Second
	return config, nil
}

// session is one connection of the pool; values cross it as text, but for arrays that we send.
type session struct {
	conn    *pgxpool.Conn
	s       *Store
	waiting []statement // to be sent with the next ones
}

// param is a parameter of a statement.
type param struct {
	data   []byte // nil: null
	format int16  // 0 text, 1 binary
}

// textParam is a parameter as its type's input function reads it.
func textParam(s string) param { return param{data: []byte(s)} }

// numberParam is a whole number.
func numberParam(n int64) param { return textParam(store.Int(n).S) }

// valueParam is a value.
func valueParam(v store.Value) param {
	if v.IsNull() {
		return param{}
	}
	return param{data: appendText([]byte{}, v)}
}

// arrayParam is n values as text[], in binary, which costs the least on both ends.
func arrayParam(n int, at func(i int) store.Value) param {
	const textOID = 25
	out := make([]byte, 20, 20+16*n)
	binary.BigEndian.PutUint32(out[0:], 1)
	binary.BigEndian.PutUint32(out[8:], textOID)
	binary.BigEndian.PutUint32(out[12:], uint32(n))
	binary.BigEndian.PutUint32(out[16:], 1)
	for i := range n {
		v := at(i)
		size := len(out)
		if v.IsNull() {
			binary.BigEndian.PutUint32(out[4:], 1)
			out = append(out, 0xff, 0xff, 0xff, 0xff)
			continue
		}
		out = appendText(append(out, 0, 0, 0, 0), v)
		binary.BigEndian.PutUint32(out[size:], uint32(len(out)-size-4))
	}
	return param{data: out, format: 1}
}

// statement is one command with its parameters.
type statement struct {
	sql    string
	params []param
}

// visit is called for every row of every statement of a run; the values are valid until it returns.
type visit func(statement int, values [][]byte) error

// postpone leaves statements whose results nobody needs to the next round trip, which then reports their errors.
func (c *session) postpone(statements ...statement) { c.waiting = append(c.waiting, statements...) }

// settle carries out what was postponed.
func (c *session) settle(ctx context.Context) error {
	if len(c.waiting) == 0 {
		return nil
	}
	_, err := c.run(ctx, nil)
	return err
}

// postponedError is the error of a postponed statement, classified. It hides the server's own, which is not about what was
// carried out with it.
type postponedError struct{ error }

func (e postponedError) Is(target error) bool { return errors.Is(e.error, target) }

func (e postponedError) As(target any) bool {
	_, server := target.(**pgconn.PgError)
	return !server && errors.As(e.error, target)
}

// run sends statements in one go, each prepared once per connection, and reads their results in order. After an error
// those that follow have not been carried out.
func (c *session) run(ctx context.Context, each visit, statements ...statement) ([]pgconn.CommandTag, error) {
	early := len(c.waiting)
	statements, c.waiting = append(c.waiting, statements...), nil
	tags, err := c.send(ctx, func(i int, values [][]byte) error {
		if each == nil || i < early {
			return nil
		}
		return each(i-early, values)
	}, statements)
	if err != nil && len(tags) < early {
		return nil, postponedError{fault(err)}
	}
	return tags[min(early, len(tags)):], err
}

// send goes in one go from statement to statement, up to one that the connection has not prepared yet: to prepare it may fail, and what
// comes before it, a savepoint say, must be there by then.
func (c *session) send(ctx context.Context, each visit, statements []statement) ([]pgconn.CommandTag, error) {
	known := c.prepared()
	tags := make([]pgconn.CommandTag, 0, len(statements))
	for from := 0; from < len(statements); {
		var batch pgconn.Batch
		to := from
		for ; to < len(statements) && (to == from || known[statements[to].sql]); to++ {
			st := statements[to]
			prepared, err := c.conn.Conn().Prepare(ctx, st.sql, st.sql)
			if err != nil {
				return tags, err
			}
			known[st.sql] = true
			values, formats := make([][]byte, len(st.params)), make([]int16, len(st.params))
			for i, p := range st.params {
				values[i], formats[i] = p.data, p.format
			}
			batch.ExecPrepared(prepared.Name, values, formats, nil)
		}
		var err error
		if tags, err = c.read(c.conn.Conn().PgConn().ExecBatch(ctx, &batch), each, tags); err != nil {
			return tags, err
		}
		from = to
	}
	return tags, nil
}

// prepared are the statements that the connection has prepared.
func (c *session) prepared() map[string]bool {
	const name = "dualwrite: prepared"
	data := c.conn.Conn().PgConn().CustomData()
	known, ok := data[name].(map[string]bool)
	if !ok {
		known = make(map[string]bool)
		data[name] = known
	}
	return known
}

// read reads the results of statements that follow on those of the tags.
func (c *session) read(results *pgconn.MultiResultReader, each visit, tags []pgconn.CommandTag) ([]pgconn.CommandTag, error) {
	for results.NextResult() {
		rows := results.ResultReader()
		for rows.NextRow() {
			if err := each(len(tags), rows.Values()); err != nil {
				_, _ = rows.Close()
				_ = results.Close()
				return tags, err
			}
		}
		tag, err := rows.Close()
		if err != nil {
			_ = results.Close()
			return tags, err
		}
		tags = append(tags, tag)
	}
	return tags, results.Close()
}

// query runs one statement.
func (c *session) query(ctx context.Context, sql string, params []param, row func(values [][]byte) error) error {
	_, err := c.run(ctx, func(_ int, values [][]byte) error { return row(values) }, statement{sql, params})
	return err
}

// change runs one statement and returns how many rows it has changed or returned.
func (c *session) change(ctx context.Context, sql string, params ...param) (int64, error) {
	tags, err := c.run(ctx, nil, statement{sql, params})
	if err != nil {
		return 0, err
	}
	return tags[0].RowsAffected(), nil
}

// exec runs commands without parameters, several separated by semicolons, without preparing them.
func (c *session) exec(ctx context.Context, sql string) error {
	if err := c.settle(ctx); err != nil {
		return err
	}
	_, err := c.conn.Conn().PgConn().Exec(ctx, sql).ReadAll()
	return err
}

// copyFrom runs a COPY of rows that we send.
func (c *session) copyFrom(ctx context.Context, sql string, rows io.Reader) error {
	if err := c.settle(ctx); err != nil {
		return err
	}
	_, err := c.conn.Conn().PgConn().CopyFrom(ctx, rows, sql)
	return err
}

// text returns the one value of one row; "" for null or no row.
func (c *session) text(ctx context.Context, sql string, params ...param) (string, error) {
	var out string
	err := c.query(ctx, sql, params, func(values [][]byte) error {
		out = string(values[0])
		return nil
	})
	return out, err
}

// texts runs a query and returns the first column of its rows.
func (c *session) texts(ctx context.Context, sql string) ([]string, error) {
	var out []string
	err := c.query(ctx, sql, nil, func(values [][]byte) error {
		out = append(out, string(values[0]))
		return nil
	})
	return out, fault(err)
}

// number is text for whole numbers; 0 for null or no row.
func (c *session) number(ctx context.Context, sql string, params ...param) (int64, error) {
	s, err := c.text(ctx, sql, params...)
	return store.Value{Kind: store.Integer, S: s}.Int64(), err
}

// rollback ends a transaction without effect. A connection that cannot do so is closed by release.
func (c *session) rollback() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c.waiting = nil
	_ = c.exec(ctx, sqlRollback)
}

// release gives the connection back; one that is still in a transaction, or broken, is closed by the pool.
func (c *session) release() {
	c.s.mu.Lock()
	delete(c.s.open, c)
	c.s.mu.Unlock()
	c.conn.Release()
}
