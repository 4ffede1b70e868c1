package replication

import (
	"context"
	"fmt"
	"slices"

	"github.com/dualwrite/dualwrite/store"
)

const (
	sumRows   = 100_000 // rows that share one sum
	sumPauses = 16      // stretches that are compared row by row at most, before sums are tried again
)

// sums is the quick way over rows that are equal already: both databases sum up the same range of keys at the same time,
// and where the sums agree, every row of the source in that range is on the target as it should be, so there is nothing
// to write and nothing to note. Where they do not, the rows are compared one by one. Keys need not have the same order on
// both sides: then sums disagree. At the end there is a stretch without rows, to be noted as any other: what follows reads
// the queues, which then hold what users did before the rows were read.
type sums struct {
	none   bool // they cannot be made
	pause  int  // stretches to compare row by row before the next
	misses int  // in a row
	all    bool // no row has been compared in another way since the copy began
}

// sumUp passes over the next rows if they are equal; false leaves them to be compared one by one.
func (l *leg) sumUp(ctx context.Context, c *Copy) (bool, error) {
	s := l.sums
	if s == nil {
		s = &sums{none: !l.summable(c), all: l.state.After == ""}
		l.sums = s
	}
	if s.none || s.pause > 0 {
		s.pause--
		s.all = false
		return false, nil
	}
	after, err := store.DecodeRow(l.state.After)
	if err != nil {
		return false, err
	}
	upTo, rows, same, err := l.sum(ctx, c, after)
	if err != nil {
		return false, err
	}
	if !same {
		s.pause = min(1<<min(s.misses, 10), sumPauses)
		s.misses++
		s.all = false
		return false, nil
	}
	s.misses = 0
	next := *l.state
	next.Counts.Equal += rows
	if upTo != nil {
		next.After = store.EncodeRow(upTo)
	}
	err = l.writer.do(ctx, marker{mapName: c.name, relaxed: true}, func(store.Tx) (body, error) { return body{Copy: &next}, nil })
	if err != nil {
		return false, fmt.Errorf("pass over equal rows: %w", err)
	}
	*l.state = next
	if upTo == nil {
		l.window = &stretch{ended: true}
		if s.all && l.coversTheOther(c) { // the two tables were the same, to the last row
			other := c.legs[1].state
			other.Scanned, other.Counts.Equal = true, next.Counts.Equal
		}
	}
	return true, nil
}

// coversTheOther reports whether this leg is the first of two and has all columns of the second, so that rows that are equal
// for it are for that one too.
func (l *leg) coversTheOther(c *Copy) bool {
	if c.at > 0 || len(c.legs) < 2 {
		return false
	}
	return !slices.ContainsFunc(c.legs[1].flow.cols, func(i int) bool { return !slices.Contains(l.flow.cols, i) })
}

// summable reports whether sums of both sides can be compared.
func (l *leg) summable(c *Copy) bool {
	source, target := c.engine.Stores[l.flow.from].Limits().Digest, l.writer.store.Limits().Digest
	return source != "" && source == target && l.flow.source.Filter == "" && l.flow.target.Filter == "" && l.flow.sameTypes()
}

// sum compares the next rows: their last key (nil: there are no others) and their number.
func (l *leg) sum(ctx context.Context, c *Copy, after store.Row) (upTo store.Row, rows int64, same bool, err error) {
	source, target, done, err := l.views(ctx, c)
	if err != nil {
		return nil, 0, false, err
	}
	defer done()
	if upTo, err = source.Skip(ctx, &l.flow.source, after, sumRows); err != nil {
		return nil, 0, false, fmt.Errorf("read %s: %w", l.flow.source.Table, err)
	}
	var results [2]store.Sum
	var digests [2]store.Digest
	views, relations := [2]store.View{source, target}, [2]*store.Relation{&l.flow.source, &l.flow.target}
	for i, view := range views {
		if digests[i], err = view.Digest(ctx, relations[i], after, upTo); err != nil {
			return nil, 0, false, fmt.Errorf("sum up %s: %w", relations[i].Table, err)
		}
		if digests[i] == nil {
			l.sums.none = true
			return nil, 0, false, nil
		}
	}
	for i, digest := range digests {
		if results[i], err = digest.Result(ctx); err != nil {
			return nil, 0, false, fmt.Errorf("sum up %s: %w", relations[i].Table, err)
		}
	}
	return upTo, results[0].Rows, results[0] == results[1], nil
}
