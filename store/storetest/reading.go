package storetest

import (
	"errors"
	"strconv"

	"github.com/dualwrite/dualwrite/store"
)

// follow opens the log.
func (b *bundle) follow(cursor store.Position) {
	b.Helper()
	log, err := b.Store.Open(b.ctx, cursor)
	b.must(err)
	b.log, b.tail = log, nil
	b.Cleanup(func() { _ = log.Close() })
}

// readLimit is the limit of Next where a test does not care.
const readLimit = 1000

// all reads everything that has been committed, whatever its kind. It commits a transaction of the writer `sync` and
// reads until it has come; that one is left out.
func (b *bundle) all() []store.Change {
	b.Helper()
	out, err := b.tryAll()
	b.must(err)
	return out
}

func (b *bundle) tryAll() ([]store.Change, error) {
	b.Helper()
	b.marks++
	m := b.marker("sync")
	tx := b.begin(m)
	b.commit(m, tx, strconv.Itoa(b.marks))
	for {
		if begin, end, ok := bracket(b.tail, m); ok {
			out := append([]store.Change(nil), b.tail[:begin]...)
			b.tail = b.tail[end+1:]
			return out, nil
		}
		batch, err := b.log.Next(b.ctx, readLimit)
		if err != nil {
			return nil, err
		}
		for i := range batch.Changes {
			if _, _, err := batch.Changes[i].Images(); err != nil {
				return nil, err
			}
		}
		b.tail = append(b.tail, batch.Changes...)
		if len(batch.Changes) == 0 {
			if err := b.log.Wait(b.ctx); err != nil {
				return nil, err
			}
		}
	}
}

// bracket finds the markers of one transaction of ours.
func bracket(changes []store.Change, m store.Marker) (begin, end int, ok bool) {
	begin = -1
	for i, c := range changes {
		if !c.Ledger || c.Table != store.MarkerTable || c.After[0] != str(m.Writer) || c.After[1] != num(m.Seq) {
			continue
		}
		if c.After[2].S == store.MarkerBegin {
			begin = i
		} else if begin >= 0 {
			return begin, i, true
		}
	}
	return 0, 0, false
}

// changes reads what users' tables have had since the last call.
func (b *bundle) changes() []store.Change {
	b.Helper()
	var out []store.Change
	for _, c := range b.all() {
		if !c.Ledger {
			out = append(out, c)
		}
	}
	return out
}

// ledgerChanges reads what a ledger table has had.
func (b *bundle) ledgerChanges(table string) []store.Change {
	b.Helper()
	var out []store.Change
	for _, c := range b.all() {
		if c.Ledger && c.Table == table {
			out = append(out, c)
		}
	}
	return out
}

// seen is a change in the columns that a test names.
type seen struct {
	Op            store.Op
	Table         string
	Before, After store.Row
}

// project puts changes into the columns of a relation, so that they can be compared.
func (b *bundle) project(changes []store.Change, rel *store.Relation) []seen {
	b.Helper()
	var out []seen
	for _, c := range changes {
		out = append(out, seen{c.Op, c.Table, b.pick(c, c.Before, rel), b.pick(c, c.After, rel)})
	}
	return out
}

func (b *bundle) pick(c store.Change, image store.Row, rel *store.Relation) store.Row {
	b.Helper()
	if image == nil {
		return nil
	}
	b.want("values of an image", len(image), len(c.Columns))
	out := make(store.Row, len(rel.Columns))
	for i, name := range rel.Names() {
		at := indexOf(c.Columns, name)
		if at < 0 {
			b.Fatalf("change of %s has no column %s", c.Table, name)
		}
		out[i] = image[at]
	}
	return out
}

func indexOf(list []string, s string) int {
	for i, v := range list {
		if v == s {
			return i
		}
	}
	return -1
}

// wantChanges compares changes of one relation.
func (b *bundle) wantChanges(got []store.Change, rel *store.Relation, want ...seen) {
	b.Helper()
	have := b.project(got, rel)
	if len(have) != len(want) {
		b.Fatalf("got %d changes %v, want %d: %v", len(have), have, len(want), want)
	}
	for i, w := range want {
		w.Table = rel.Table
		if have[i].Op != w.Op || have[i].Table != w.Table || !have[i].Before.Equal(w.Before) || !have[i].After.Equal(w.After) {
			b.Fatalf("change %d: got %v, want %v", i, have[i], w)
		}
	}
}

// gap opens the log and reads it, and returns the gap that one of the two must report.
func (b *bundle) gap(cursor store.Position) *store.GapError {
	b.Helper()
	log, err := b.Store.Open(b.ctx, cursor)
	if err == nil {
		b.log, b.tail = log, nil
		b.Cleanup(func() { _ = log.Close() })
		_, err = b.tryAll()
	}
	var gap *store.GapError
	if !errors.As(err, &gap) {
		b.Fatalf("got error %v, want a gap", err)
	}
	return gap
}
