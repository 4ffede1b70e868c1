package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
)

// opened is a store on an empty database with a ledger.
func opened(t *testing.T) *Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.db")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	s, err := Open(context.Background(), "sqlite:"+path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	require.NoError(t, s.Capture(context.Background()))
	return s
}

func TestFullDatabaseIsTemporary(t *testing.T) {
	t.Parallel()
	s := opened(t)
	ctx := context.Background()
	pages, err := s.writer.conn.number(ctx, "PRAGMA page_count")
	require.NoError(t, err)
	_, err = s.writer.conn.number(ctx, "PRAGMA max_page_count="+store.Int(pages+3).S)
	require.NoError(t, err)
	c, err := s.Fence(ctx, "stream")
	require.NoError(t, err)
	tx, err := s.Begin(ctx, store.Marker{Writer: "stream", Epoch: c.Epoch, Seq: 1})
	require.NoError(t, err)
	big := store.Bytes(make([]byte, 1<<20))
	err = tx.Put(ctx, store.BOnlyTable, store.Row{store.Str("m"), big})
	require.ErrorIs(t, err, store.ErrTransient)
	require.NotErrorIs(t, err, store.ErrBusy)
	require.NoError(t, tx.Rollback())
	_, err = s.writer.conn.number(ctx, "PRAGMA max_page_count=100000")
	require.NoError(t, err)
	tx, err = s.Begin(ctx, store.Marker{Writer: "stream", Epoch: c.Epoch, Seq: 1})
	require.NoError(t, err)
	require.NoError(t, tx.Put(ctx, store.BOnlyTable, store.Row{store.Str("m"), big}))
	require.NoError(t, tx.Commit(ctx, ""))
}

func TestReadOnlyDatabaseIsTemporary(t *testing.T) {
	t.Parallel()
	s := opened(t)
	require.NoError(t, s.writer.conn.exec(context.Background(), "PRAGMA query_only=ON"))
	_, err := s.Fence(context.Background(), "stream")
	require.ErrorIs(t, err, store.ErrTransient)
	require.NoError(t, s.writer.conn.exec(context.Background(), "PRAGMA query_only=OFF"))
	_, err = s.Fence(context.Background(), "stream")
	require.NoError(t, err)
}

func TestPause(t *testing.T) {
	t.Parallel()
	for held, want := range map[time.Duration]time.Duration{
		0: 0, time.Millisecond: time.Millisecond, 5 * time.Millisecond: 5 * time.Millisecond,
		20 * time.Millisecond: 65 * time.Millisecond, time.Minute: 100 * time.Millisecond,
	} {
		require.Equal(t, want, pause(held))
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	for sql, ok := range map[string]bool{
		"n > 0": true, "a = ';' AND b = '(' -- x": true, `"a)" > [b(]`: true, "(a) /* ) */ = 1": true, "n > 0;": false, "a = ?": false,
		"a) OR (b": false, "(a": false, "a = 'x": false, "a /* b": false,
	} {
		require.Equal(t, ok, condition(sql) == nil, sql)
	}
}

func TestIndexTerms(t *testing.T) {
	t.Parallel()
	terms, where := indexTerms("CREATE UNIQUE INDEX \"i(\" ON t (lower(a) COLLATE NOCASE DESC, [b,] ASC, substr(c, 1, 2)) WHERE a > ')' AND b IN (1, 2)")
	require.Equal(t, []string{"lower(a) COLLATE NOCASE", "[b,]", "substr(c, 1, 2)"}, terms)
	require.Equal(t, "a > ')' AND b IN (1, 2)", where)
}

// FuzzLex: no text makes it panic, and tokens are where they say.
func FuzzLex(f *testing.F) {
	for _, s := range []string{"", "a", "'", "CREATE TABLE t (a TEXT COLLATE NOCASE, b)", "/*", "--", "[x", "\"a\"\"b\"", "((,))"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		tokens, err := lex(sql)
		if err != nil {
			return
		}
		for _, token := range tokens {
			require.Equal(t, token.text, sql[token.start:token.end])
			_ = token.name()
		}
		_ = collations(sql)
		_, _ = indexTerms(sql)
		_ = condition(sql)
	})
}

// FuzzPosition: what is read as a position orders as its number does.
func FuzzPosition(f *testing.F) {
	f.Add("00000000000000000012-1700000000000", "00000000000000000012-1700000000000+000001")
	f.Add("00000000000000000012", "")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, xErr := parse(store.Position(a))
		y, yErr := parse(store.Position(b))
		if errors.Join(xErr, yErr) == nil && x.seq < y.seq {
			require.Less(t, a, b)
		}
	})
}
