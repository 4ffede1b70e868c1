package storetest

import (
	"fmt"
	"sync"

	"github.com/dualwrite/dualwrite/store"
)

func concurrencyTests() []testCase {
	return []testCase{
		{"a user's write waits for ours at most and is delivered after it", userWhileOurs},
		{"our write waits for a user's and is delivered after it", oursWhileUser},
		{"is safe for many writers, readers and users at once", manyAtOnce},
		{"closing the store ends what is open", closeEnds},
	}
}

func userWhileOurs(b *bundle) {
	rel := b.followItems()
	b.user(insert("items", item(1, "zero", num(0)))) // a row that is not there yet would keep nobody waiting
	m := b.marker("stream")
	tx := b.begin(m)
	_, err := tx.Apply(b.ctx, []store.Write{upsert(rel, one)})
	b.must(err)
	done := make(chan error, 1)
	go func() {
		done <- b.exec(update("items", whereID(1), Values{"n": num(7)}), insert("items", item(2, "two", num(2))))
	}()
	_, err = tx.Apply(b.ctx, []store.Write{upsert(rel, uno)})
	b.must(err)
	b.commit(m, tx, "")
	b.must(<-done)
	got := b.project(b.changes(), rel)
	last := got[len(got)-1]
	b.want("last change", last, seen{Op: store.Insert, Table: rel.Table, After: two})
}

func oursWhileUser(b *bundle) {
	rel := b.followItems()
	b.user(insert("items", item(1, "one", num(1))))
	m := b.marker("stream")
	user, err := b.Begin()
	b.must(err)
	b.must(user.Exec(update("items", whereID(1), Values{"name": str("uno")})))
	done := make(chan error, 1)
	go func() {
		done <- b.retry(func() error {
			tx, err := b.Store.Begin(b.ctx, m)
			if err != nil {
				return err
			}
			defer func() { _ = tx.Rollback() }()
			if _, err := tx.Apply(b.ctx, []store.Write{expect(rel, uno, oneNull)}); err != nil {
				return err
			}
			return tx.Commit(b.ctx, "")
		})
	}()
	b.must(user.Commit())
	b.must(<-done)
	b.cur["stream"].Seq = m.Seq
	b.changes()
	if got := b.rows(rel); !got[0].Equal(uno) && !got[0].Equal(oneNull) {
		b.Fatalf("rows %v", got)
	}
}

// manyAtOnce lets writers of ours and users write beside each other while views look. Every transaction inserts a
// pair of rows, so a view that sees half of one is wrong, and so is a log in which one stands apart.
func manyAtOnce(b *bundle) {
	rel := b.useItems()
	const workers, rounds = 3, 12
	var group sync.WaitGroup
	errs := make(chan error, 3*workers)
	run := func(work func() error) {
		group.Add(1)
		go func() {
			defer group.Done()
			errs <- work()
		}()
	}
	for w := range int64(workers) {
		run(func() error { return b.writePairs(rel, fmt.Sprintf("initial/items/%d", w), w*1000, rounds) })
		run(func() error {
			for i := range int64(rounds) {
				id := 100_000 + w*1000 + 2*i
				if err := b.exec(insert("items", item(id, "user", num(id))), insert("items", item(id+1, "user", num(id)))); err != nil {
					return err
				}
			}
			return nil
		})
		run(func() error { return b.readPairs(rel, rounds) })
	}
	group.Wait()
	close(errs)
	for err := range errs {
		b.must(err)
	}
	b.want("rows", len(b.rows(rel)), 4*workers*rounds)
	b.follow("")
	got := b.changes()
	b.want("changes", len(got), 4*workers*rounds)
	for i := 0; i < len(got); i += 2 {
		b.want("the pair's second row", got[i+1].After[2], got[i].After[2])
	}
}

func (b *bundle) writePairs(rel *store.Relation, writer string, first, rounds int64) error {
	var c store.Cursor
	err := b.retry(func() (err error) {
		c, err = b.Store.Fence(b.ctx, writer)
		return err
	})
	if err != nil {
		return err
	}
	for i := range rounds {
		id := first + 2*i
		err := b.retry(func() error {
			tx, err := b.Store.Begin(b.ctx, store.Marker{Writer: writer, Epoch: c.Epoch, Seq: i + 1, Position: "p", AtMs: 1})
			if err != nil {
				return err
			}
			defer func() { _ = tx.Rollback() }()
			_, err = tx.Apply(b.ctx, []store.Write{upsert(rel, row(num(id), str("ours"), num(id))), upsert(rel, row(num(id+1), str("ours"), num(id)))})
			if err != nil {
				return err
			}
			return tx.Commit(b.ctx, "")
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bundle) readPairs(rel *store.Relation, rounds int) error {
	for range rounds {
		v, err := b.Store.View(b.ctx)
		if err != nil {
			return err
		}
		rows, err := v.Scan(b.ctx, rel, nil, 1_000_000)
		if closeErr := v.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			return err
		}
		if len(rows)%2 != 0 {
			return fmt.Errorf("a view shows %d rows: half of a transaction", len(rows))
		}
	}
	return nil
}

func closeEnds(b *bundle) {
	rel := b.followItems()
	tx := b.begin(b.marker("stream"))
	_, err := tx.Apply(b.ctx, []store.Write{upsert(rel, one)})
	b.must(err)
	old := b.log
	b.reopen()
	if err := tx.Commit(b.ctx, ""); err == nil {
		b.Fatal("a transaction of a closed store commits")
	}
	if _, err := old.Next(b.ctx, readLimit); err == nil {
		b.Fatal("a log of a closed store delivers")
	}
	b.want("rows", len(b.rows(rel)), 0)
}
