package converge_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "modernc.org/sqlite"

	"github.com/dualwrite/dualwrite/e2e/checker"
	"github.com/dualwrite/dualwrite/e2e/harness"
)

// What an application writes.
const (
	ownKeys    = 40  // keys of items that one side alone writes, and of such that have parts
	family     = "P" // of items that have parts
	partsOf    = 3
	group      = "group" // of items that are written together
	groupKeys  = 4
	sharedKeys = 8
	writeEvery = 30 * time.Millisecond // a small machine has to follow, beside other tests
)

// application is what writes on one side: transactions, one after the other. What becomes of one whose answer is lost, the
// triggers tell.
type application struct {
	side     int
	prefix   string
	chance   *rand.Rand
	target   target
	tokens   atomic.Int64 // given out
	written  atomic.Int64 // transactions that were answered
	failures []string     // of transactions that no fault is to blame for
	live     atomic.Bool  // rows with parts may be deleted: while those are copied, one whose parent goes is an error to be seen to
}

// target is a database.
type target interface {
	// exec carries out statements in one transaction; after an error it goes on with another connection.
	exec(statements string) error
	ask(query string) (string, error)
	close()
}

func newApplication(seed uint64, side int, to target) *application {
	return &application{side: side, prefix: "FD"[side : side+1], chance: rand.New(rand.NewPCG(seed, uint64(10+side))), target: to}
}

// token is a word that no other write has.
func (a *application) token() string { return fmt.Sprintf("%s%d", a.prefix, a.tokens.Add(1)) }

// next is one transaction: two of three writes are about keys that only this side writes.
func (a *application) next() string {
	var out []string
	for range 1 + a.chance.IntN(3)*a.chance.IntN(3) {
		if a.chance.IntN(3) == 0 {
			out = append(out, a.shared())
		} else {
			out = append(out, a.own()...)
		}
	}
	return strings.Join(out, ";\n")
}

func (a *application) shared() string {
	id := fmt.Sprintf("S-%d", a.chance.IntN(sharedKeys))
	if a.chance.IntN(6) == 0 {
		return a.remove("item", id)
	}
	return a.putItem(id)
}

func (a *application) own() []string {
	if a.chance.IntN(2) == 0 {
		id := fmt.Sprintf("%s-%02d", a.prefix, a.chance.IntN(ownKeys))
		switch a.chance.IntN(8) {
		case 0, 1:
			return []string{a.remove("item", id)}
		case 2:
			return []string{a.move(id, fmt.Sprintf("%s-%02d", a.prefix, a.chance.IntN(ownKeys)))}
		}
		return []string{a.putItem(id)}
	}
	if a.chance.IntN(6) == 0 {
		return a.group()
	}
	id := fmt.Sprintf("%s%s-%02d", a.prefix, family, a.chance.IntN(ownKeys))
	part := fmt.Sprintf("%s-%d", id, a.chance.IntN(partsOf))
	switch n := a.chance.IntN(10); {
	case n == 0 && a.live.Load() && a.chance.IntN(3) == 0:
		var out []string
		for i := range partsOf {
			out = append(out, a.remove("part", fmt.Sprintf("%s-%d", id, i)))
		}
		return append(out, a.remove("item", id))
	case n < 3 && a.live.Load():
		return []string{a.remove("part", part)}
	}
	return []string{a.putItem(id), putPartAs(part, id, a.token())}
}

// group writes rows that are only ever written together, with tokens that follow on each other: who sees some of them sees that.
func (a *application) group() []string {
	var out []string
	for i := range groupKeys {
		out = append(out, a.putItem(fmt.Sprintf("%s-%s-%d", a.prefix, group, i)))
	}
	return out
}

func putPartAs(id, item, token string) string {
	return fmt.Sprintf("INSERT INTO part (id, item, token, v) VALUES ('%s', '%s', '%s', %d) "+
		"ON CONFLICT (id) DO UPDATE SET token = excluded.token, v = excluded.v", id, item, token, value(token))
}

// both writes a row of its own to each table. It returns their tokens, too.
func (a *application) both(id string) (statements string, tokens [2]string) {
	tokens = [2]string{a.token(), a.token()}
	return "BEGIN;\n" + a.putItemAs(id, tokens[0]) + ";\n" + putPartAs(id+"-0", id, tokens[1]) + ";\nCOMMIT", tokens
}

func (a *application) putItem(id string) string { return a.putItemAs(id, a.token()) }

func (a *application) putItemAs(id, token string) string {
	return fmt.Sprintf("INSERT INTO item (id, token, v, %[4]s) VALUES ('%[1]s', '%[2]s', %[3]d, '%[2]s') "+
		"ON CONFLICT (id) DO UPDATE SET token = excluded.token, v = excluded.v, %[4]s = excluded.%[4]s", id, token, value(token), notes[a.side])
}

// remove deletes a row, which gets a token of its own first; where there is none, not one that comes between the two.
func (a *application) remove(table, id string) string {
	token := a.token() + checker.Tombstone
	return fmt.Sprintf("UPDATE %[1]s SET token = '%[2]s', v = %[3]d WHERE id = '%[4]s'; DELETE FROM %[1]s WHERE id = '%[4]s' AND token = '%[2]s'", table, token, value(token), id)
}

// move gives a row another key, where there is none with it.
func (a *application) move(from, to string) string {
	gone, token := a.token()+checker.Tombstone, a.token()
	return fmt.Sprintf("UPDATE item SET token = '%[3]s', v = %[4]d WHERE id = '%[1]s' AND NOT EXISTS (SELECT 1 FROM item WHERE id = '%[2]s'); "+
		"UPDATE item SET id = '%[2]s', token = '%[5]s', v = %[6]d WHERE id = '%[1]s' AND token = '%[3]s'",
		from, to, gone, value(gone), token, value(token))
}

// applications are those of both sides, at work.
type applications struct {
	both [2]*application
	end  func()
}

// begin has both write until the end.
func begin(both [2]*application) *applications {
	return &applications{both, harness.OnBothSides(writeEvery, func(side int) bool {
		a := both[side]
		if err := a.target.exec(a.next()); err != nil {
			a.fail(err)
		} else {
			a.written.Add(1)
		}
		return true
	})}
}

// excused are errors that applications may meet. Class 08 and 57: the server, or the connection, goes away, or a fault's time limit
// ends; 40 and 55: who else locks; 23514: a fault's constraint.
var excused = []string{"08", "57", "40", "55P03", "23514", "25P0"}

// fail notes an error that is not a fault's doing.
func (a *application) fail(err error) {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		if _, file := a.target.(*sqlite); file {
			a.failures = append(a.failures, err.Error())
		}
		return // a connection was lost
	}
	if !slices.ContainsFunc(excused, func(code string) bool { return strings.HasPrefix(refused.Code, code) }) {
		a.failures = append(a.failures, refused.Error())
	}
}

// written is how many transactions were answered.
func (a *applications) written() int64 { return a.both[0].written.Load() + a.both[1].written.Load() }

// postgres is a connection to a server that may go away.
type postgres struct {
	url  string
	conn *pgconn.PgConn
}

func (p *postgres) exec(statements string) error { return p.do("BEGIN;\n" + statements + ";\nCOMMIT") }

func (p *postgres) do(statements string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, err := p.results(ctx, statements)
	return err
}

// results are the rows of the first statement.
func (p *postgres) results(ctx context.Context, statements string) ([][][]byte, error) {
	if p.conn == nil {
		conn, err := pgconn.Connect(ctx, p.url)
		if err != nil {
			return nil, err
		}
		p.conn = conn
	}
	all, err := p.conn.Exec(ctx, statements).ReadAll()
	if err != nil {
		p.close()
		return nil, err
	}
	return all[0].Rows, nil
}

func (p *postgres) close() {
	if p.conn != nil {
		_ = p.conn.Close(context.Background())
		p.conn = nil
	}
}

// sqlite is a connection to a file.
type sqlite struct{ db *sql.DB }

func openSQLite(t *testing.T, path string) *sqlite {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(60000)&_pragma=foreign_keys(1)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	return &sqlite{db}
}

func (s *sqlite) exec(statements string) error {
	_, err := s.db.ExecContext(context.Background(), "BEGIN IMMEDIATE;\n"+statements+";\nCOMMIT")
	if err != nil {
		_, _ = s.db.ExecContext(context.Background(), "ROLLBACK")
	}
	return err
}

func (s *sqlite) close() { _ = s.db.Close() }
