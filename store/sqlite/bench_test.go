package sqlite_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/sqlite"
)

// benched is a database with one captured table of eight columns.
func benched(b *testing.B) (*users, store.Relation) {
	b.Helper()
	u := &users{path: filepath.Join(b.TempDir(), "app.db")}
	require.NoError(b, u.connect())
	require.NoError(b, u.exec(`CREATE TABLE t (id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, name TEXT, street TEXT, city TEXT,
		amount REAL, n INTEGER, note TEXT)`))
	s, err := sqlite.Open(context.Background(), "sqlite:"+u.path)
	require.NoError(b, err)
	u.store = s
	b.Cleanup(func() {
		require.NoError(b, s.Close())
		require.NoError(b, u.db.Close())
	})
	found, err := s.Describe(context.Background(), "t")
	require.NoError(b, err)
	rel := store.Relation{Table: "t", Key: 1, Columns: found["t"].Columns}
	require.NoError(b, s.Capture(context.Background(), rel))
	return u, rel
}

func benchRow(i int, note string) store.Row {
	return store.Row{store.Int(int64(i)), store.Str(fmt.Sprintf("code-%08d", i)), store.Str("name of it"), store.Str("street and number"),
		store.Str("city"), store.Float(12.5), store.Int(int64(i % 100)), store.Str(note)}
}

// applying makes transactions of many writes.
func applying(b *testing.B, u *users, perTx int, write func(i int) store.Write) {
	b.Helper()
	ctx := context.Background()
	c, err := u.store.Fence(ctx, "stream")
	require.NoError(b, err)
	b.ResetTimer()
	for done := 0; done < b.N; {
		var writes []store.Write
		for ; len(writes) < perTx && done < b.N; done++ {
			writes = append(writes, write(done))
		}
		c.Seq++
		tx, err := u.store.Begin(ctx, store.Marker{Writer: "stream", Epoch: c.Epoch, Seq: c.Seq, Position: "p"})
		require.NoError(b, err)
		_, err = tx.Apply(ctx, writes)
		require.NoError(b, err)
		require.NoError(b, tx.Commit(ctx, ""))
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkApplyInsert(b *testing.B) {
	for _, perTx := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(perTx), func(b *testing.B) {
			u, rel := benched(b)
			applying(b, u, perTx, func(i int) store.Write {
				row := benchRow(i, "")
				return store.Write{Relation: &rel, Key: row[:1], After: row}
			})
		})
	}
}

func BenchmarkApplyUpdate(b *testing.B) {
	u, rel := benched(b)
	const rows = 10_000
	fill(b, u, rows)
	applying(b, u, 100, func(i int) store.Write {
		row := benchRow(i%rows, fmt.Sprint("note ", i))
		return store.Write{Relation: &rel, Key: row[:1], After: row}
	})
}

func fill(b *testing.B, u *users, rows int) {
	b.Helper()
	require.NoError(b, u.exec(`WITH RECURSIVE s(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM s WHERE i < ?)
		INSERT INTO t SELECT i, printf('code-%08d', i), 'name of it', 'street and number', 'city', 12.5, i % 100, '' FROM s`, rows-1))
}

func BenchmarkScan(b *testing.B) {
	u, rel := benched(b)
	const rows = 100_000
	fill(b, u, rows)
	ctx := context.Background()
	v, err := u.store.View(ctx)
	require.NoError(b, err)
	defer func() { require.NoError(b, v.Close()) }()
	var after store.Row
	b.ResetTimer()
	for done := 0; done < b.N; {
		page, err := v.Scan(ctx, &rel, after, 10_000)
		require.NoError(b, err)
		done += len(page)
		after = nil
		if len(page) == 10_000 {
			after = page[len(page)-1][:1]
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkLookup(b *testing.B) {
	u, rel := benched(b)
	const rows = 100_000
	fill(b, u, rows)
	ctx := context.Background()
	v, err := u.store.View(ctx)
	require.NoError(b, err)
	defer func() { require.NoError(b, v.Close()) }()
	b.ResetTimer()
	for done := 0; done < b.N; done += 1000 {
		keys := make([]store.Row, 1000)
		for i := range keys {
			keys[i] = store.Row{store.Int(int64((done*7 + i*13) % rows))}
		}
		_, err := v.Lookup(ctx, &rel, keys)
		require.NoError(b, err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkLog reads a backlog of inserts and confirms it.
func BenchmarkLog(b *testing.B) {
	u, _ := benched(b)
	fill(b, u, b.N)
	ctx := context.Background()
	log, err := u.store.Open(ctx, "")
	require.NoError(b, err)
	b.ResetTimer()
	for done := 0; done < b.N; {
		batch, err := log.Next(ctx, 1000)
		require.NoError(b, err)
		done += len(batch.Changes)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
}
