package memory_test

import (
	"context"
	"testing"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/memory"
)

// BenchmarkRound is what a stream does for one change: a user's write, reading it, and a transaction of ours.
func BenchmarkRound(b *testing.B) {
	ctx := context.Background()
	db := memory.New(memory.Options{})
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	must(db.Create(memory.Table{Name: "t", Key: []string{"id"}, Columns: []memory.Column{{Name: "id", Type: integer}, {Name: "v", Type: text}}}))
	rel := store.Relation{Table: "t", Key: 1, Columns: []store.Column{{Name: "id", Type: integer}, {Name: "v", Type: text}}}
	s := db.Store()
	must(s.Capture(ctx, rel))
	log, err := s.Open(ctx, "")
	must(err)
	c, err := s.Fence(ctx, "stream")
	must(err)
	write := []store.Write{{Relation: &rel, Key: store.Row{store.Int(1)}, After: row(1, "ours")}}
	b.ReportAllocs()
	for i := range b.N {
		id := store.Int(int64(i % 50))
		must(db.Exec(func(u *memory.User) error {
			if _, err := u.Delete("t", memory.Values{"id": id}); err != nil {
				return err
			}
			return u.Insert("t", memory.Values{"id": id, "v": store.Str("user")})
		}))
		batch, err := log.Next(ctx, 1000)
		must(err)
		c.Seq++
		tx, err := s.Begin(ctx, store.Marker{Writer: "stream", Epoch: c.Epoch, Seq: c.Seq, Position: batch.Changes[0].Position})
		must(err)
		_, err = tx.Select(ctx, store.Query{Table: store.ModeTable})
		must(err)
		_, err = tx.Apply(ctx, write)
		must(err)
		must(tx.Put(ctx, store.StatTable, store.Row{store.Str("m"), store.Int(1), store.Int(1), store.Int(1), store.Int(1)}))
		if i%100 == 99 {
			must(tx.Delete(ctx, store.Query{Table: store.MarkerTable, Where: []store.Cond{store.Where("seq", store.Lt, store.Int(c.Seq-1))}}))
		}
		must(tx.Commit(ctx, ""))
		must(log.Confirm(ctx, batch.Changes[0].Position))
	}
}
