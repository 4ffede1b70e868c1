package replication

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/dualwrite/dualwrite/store"
)

// replayed is which keys a transaction of a replay has sent, a row of the table of that name. The other side has seen all of
// the transaction or nothing, so that the position of its last change does for each. A row of the table sent without a key
// has the same position.
type replayed struct {
	id       int64
	position store.Position
	keys     []keySum // ascending
}

// keySum is half of the SHA-256 of a key: two keys that share it would be taken for one.
type keySum [sha256.Size / 2]byte

func sumOf(key string) keySum {
	sum := sha256.Sum256([]byte(key))
	return keySum(sum[:len(keySum{})])
}

func (s keySum) compare(o keySum) int { return bytes.Compare(s[:], o[:]) }

// putReplayed writes down what was sent of a map's queue.
func putReplayed(ctx context.Context, tx store.Tx, mapName string, entries []entry) error {
	sums := make([]keySum, 0, len(entries))
	for _, e := range entries {
		for _, k := range []string{e.Key, e.NewKey} {
			if k != "" {
				sums = append(sums, sumOf(k))
			}
		}
	}
	slices.SortFunc(sums, keySum.compare)
	sums = slices.Compact(sums)
	keys := make([]byte, 0, len(sums)*len(keySum{}))
	for _, s := range sums {
		keys = append(keys, s[:]...)
	}
	position := entries[len(entries)-1].Position
	err := tx.Put(ctx, store.SentTable, sent{Map: mapName, Position: position}.row())
	if err == nil {
		err = tx.Put(ctx, store.ReplayedTable, store.Row{store.Int(0), store.Str(mapName), store.Str(string(position)), blob(string(keys))})
	}
	if err != nil {
		return fmt.Errorf("remember replayed changes: %w", err)
	}
	return nil
}

func replayedOf(r store.Row) (replayed, error) {
	out := replayed{id: r[0].Int64(), position: store.Position(r[2].S)}
	const size = len(keySum{})
	keys := r[3].S
	if len(keys)%size != 0 {
		return out, errors.New("read replayed changes: the row is damaged")
	}
	out.keys = make([]keySum, len(keys)/size)
	for i := range out.keys {
		copy(out.keys[i][:], keys[i*size:])
	}
	return out, nil
}

// lastReplay is the position of the last replay of a key; "" if there is none. What was moved from the echo book may come after
// what is later.
func lastReplay(all []replayed, key string) store.Position {
	if len(all) == 0 {
		return ""
	}
	sum := sumOf(key)
	var last store.Position
	for _, r := range slices.Backward(all) {
		if r.position <= last {
			continue
		}
		if _, found := slices.BinarySearchFunc(r.keys, sum, keySum.compare); found {
			last = r.position
		}
	}
	return last
}

// recallRows is how many rows of the table replayed are read at a time.
const recallRows = 20

// recall returns a map's rows of the table replayed, of which it reads only those that it has not read before.
func (s *Stream) recall(ctx context.Context, view store.View, m *mapState) ([]replayed, error) {
	name := m.name
	known := slices.DeleteFunc(s.replayed[name], func(r replayed) bool { return r.position <= m.Pruned })
	var last replayed // is read again: a crash of that server may have taken it, and its number, back
	if len(known) > 0 {
		last, known = known[len(known)-1], known[:len(known)-1]
	}
	delete(s.replayed, name)
	for after := last.id - 1; ; {
		q := and(byMap(store.ReplayedTable, name), "id", store.Gt, store.Int(after))
		q.Limit = recallRows
		rows, err := view.Select(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("read replayed changes: %w", err)
		}
		for _, row := range rows {
			r, err := replayedOf(row)
			if err != nil {
				return nil, err
			}
			if last.id != 0 && (r.id != last.id || r.position != last.position || !slices.Equal(r.keys, last.keys)) {
				return s.recall(ctx, view, m) // from the first
			}
			last = replayed{}
			known, after = append(known, r), r.id
		}
		if len(rows) < recallRows {
			break
		}
	}
	if last.id != 0 { // it is gone
		return s.recall(ctx, view, m)
	}
	s.replayed[name] = known
	return known, nil
}
