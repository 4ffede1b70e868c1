package replication

import (
	"context"
	"fmt"

	"github.com/dualwrite/dualwrite/store"
)

// Limits of the echo book, beyond which the oldest entries are moved to the target's table sent: the log is kept for what the book
// holds.
const (
	echoEntries = 20_000
	echoAgeMs   = 5 * 60 * 1000
)

// echoBook knows, for the maps of which this side is the master, the last change of each key that was sent to the
// other side and that the other side has not yet been seen to know. By it the reader decides whether a write of ours
// on this side (which came from the other) has crossed one of this side's own. docs/protocol.md has the rule.
type echoBook struct {
	last map[echoKey]store.Position
	fifo []echoEntry // by position; those before head are gone
	head int
}

type echoKey struct{ mapName, key string }

type echoEntry struct {
	echoKey
	position store.Position
	before   store.Position // from where the log has to be read again to meet the entry again
	unit     store.Position // of the transaction that took it across; "": by an earlier attempt
	atMs     int64
	noted    bool // it is written down on the target, and not for the book
}

func newEchoBook() *echoBook { return &echoBook{last: make(map[echoKey]store.Position)} }

// sent records a change that was sent.
func (b *echoBook) sent(e echoEntry) {
	b.last[e.echoKey] = e.position
	b.fifo = append(b.fifo, e)
}

// prune drops entries that the other side has been seen to know (done), and the oldest while there are too many or
// they are too old: for these it calls move.
func (b *echoBook) prune(nowMs int64, done func(echoEntry) bool, move func(echoEntry)) {
	for b.head < len(b.fifo) {
		e := b.fifo[b.head]
		if !done(e) {
			if len(b.fifo)-b.head <= echoEntries && nowMs-e.atMs < echoAgeMs {
				break
			}
			move(e)
		}
		if b.last[e.echoKey] == e.position {
			delete(b.last, e.echoKey)
		}
		b.fifo[b.head] = echoEntry{}
		b.head++
	}
	if b.head > 1024 && b.head > len(b.fifo)/2 {
		b.fifo = append([]echoEntry(nil), b.fifo[b.head:]...)
		b.head = 0
	}
}

// limit returns how far the log may be confirmed at most, and whether the book says anything about it.
func (b *echoBook) limit() (store.Position, bool) {
	if b.head == len(b.fifo) {
		return "", false
	}
	return b.fifo[b.head].before, true
}

// forget drops all entries of a map.
func (b *echoBook) forget(mapName string) {
	kept := b.fifo[:0]
	for _, e := range b.fifo[b.head:] {
		if e.mapName != mapName {
			kept = append(kept, e)
			continue
		}
		delete(b.last, e.echoKey)
	}
	b.fifo, b.head = kept, 0
}

// prune shortens the echo book; true when what it has dropped has to be written down before the log is confirmed.
func (s *Stream) prune(nowMs int64) bool {
	forgot := false
	s.reader.echoes.prune(nowMs,
		func(e echoEntry) bool {
			m := s.reader.maps[e.mapName]
			if m == nil {
				return true
			}
			if e.position > m.horizon {
				return false
			}
			m.Pruned, m.dirty, forgot = max(m.Pruned, e.position), true, true
			return true
		},
		func(e echoEntry) { s.moved = append(s.moved, e) })
	return forgot || len(s.moved) > 0
}

// keepMoved writes down what the echo book has no room for any more: of one transaction, which the other side has seen as a whole
// or not at all, as a replay does.
func (s *Stream) keepMoved(ctx context.Context, tx store.Tx) error {
	latest := make(map[string]store.Position)
	var single []store.Row
	for rest := s.moved; len(rest) > 0; {
		units, n := map[string][]echoEntry{}, 0 // by map
		for n < len(rest) && (n == 0 || rest[n].unit != "" && rest[n].unit == rest[0].unit) {
			units[rest[n].mapName] = append(units[rest[n].mapName], rest[n])
			n++
		}
		rest = rest[n:]
		for _, name := range sortedKeys(units) {
			if _, asked := latest[name]; !asked {
				last, err := lastSent(ctx, tx, name)
				if err != nil {
					return err
				}
				latest[name] = last
			}
			unit := units[name]
			latest[name] = max(latest[name], unit[len(unit)-1].position)
			entries, err := s.entries(unit)
			switch {
			case err != nil:
				return err
			case len(entries) == 1:
				single = append(single, sent{Map: name, Key: entries[0].Key, Position: entries[0].Position}.row())
				continue
			}
			if err := putReplayed(ctx, tx, name, entries); err != nil {
				return err
			}
		}
	}
	for _, name := range sortedKeys(latest) {
		// These are older than what may be there: the last row has the latest position all the same.
		single = append(single, sent{Map: name, Position: latest[name]}.row())
		s.backlog[name] = true
	}
	if len(single) == 0 {
		return nil
	}
	if err := tx.Put(ctx, store.SentTable, single...); err != nil {
		return fmt.Errorf("remember what was sent: %w", err)
	}
	return nil
}

// entries are those of a unit with the keys of the target.
func (s *Stream) entries(unit []echoEntry) ([]entry, error) {
	out := make([]entry, len(unit))
	for i, e := range unit {
		key, err := store.DecodeRow(e.key)
		if err != nil {
			return nil, fmt.Errorf("read what was sent: %w", err)
		}
		c := change{flow: s.reader.maps[e.mapName].flow}
		target, _ := c.targetKeys(key, nil)
		out[i] = entry{Key: store.EncodeRow(target), Position: e.position}
	}
	return out, nil
}

// lastSent is the latest position in a map's rows of the table sent.
func lastSent(ctx context.Context, r store.Reader, name string) (store.Position, error) {
	q := byMap(store.SentTable, name)
	q.Order, q.Desc, q.Limit = "id", true, 1
	last, err := r.Select(ctx, q)
	if err != nil {
		return "", fmt.Errorf("read what was sent: %w", err)
	}
	if len(last) == 0 {
		return "", nil
	}
	return sentOf(last[0]).Position, nil
}
