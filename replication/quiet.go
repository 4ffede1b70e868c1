package replication

import (
	"context"
	"fmt"

	"github.com/dualwrite/dualwrite/store"
)

// wroteKeys is how many keys a row of the table wrote names at most.
const wroteKeys = 1000

// hush keeps the rows of a transaction out of the log of the side that they are written to, where there are so many that it
// pays. They need not be read again if the log says which keys were written, and what nobody ever asks of a side that the
// other overwrites, not even that. Where writes have effects of their own the rows are in the log, to be told from those.
func hush(ctx context.Context, s store.Store, tx store.Tx, rows int, flows ...*flow) (bool, error) {
	least := s.Limits().QuietRows
	if least == 0 || rows < least {
		return false, nil
	}
	relations := make([]*store.Relation, len(flows))
	for i, f := range flows {
		if f.def.Effects[f.from.Other()] {
			return false, nil
		}
		relations[i] = &f.target
	}
	quiet, err := tx.Quiet(ctx, relations...)
	if err != nil {
		return false, fmt.Errorf("keep rows out of the log: %w", err)
	}
	return quiet, nil
}

// putWrote tells the reader of the log which keys were written quietly. No keys: those that there are need not be known.
func putWrote(ctx context.Context, tx store.Tx, mapName string, keys []store.Row) error {
	var rows []store.Row
	for start := 0; start < max(len(keys), 1); start += wroteKeys {
		part := keys[start:min(start+wroteKeys, len(keys))]
		encoded := make(store.Row, len(part))
		for i, k := range part {
			encoded[i] = blob(store.EncodeRow(k))
		}
		rows = append(rows, store.Row{store.Int(0), store.Str(mapName), blob(store.EncodeRow(encoded))})
	}
	if err := tx.Put(ctx, store.WroteTable, rows...); err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	// They are for the log alone.
	if err := tx.Delete(ctx, byMap(store.WroteTable, mapName)); err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	return nil
}

// wroteOf reads the keys of a row of the table wrote.
func wroteOf(row store.Row) ([]store.Row, error) {
	encoded, err := store.DecodeRow(row[2].S)
	if err != nil {
		return nil, err
	}
	keys := make([]store.Row, len(encoded))
	for i, k := range encoded {
		if keys[i], err = store.DecodeRow(k.S); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// quietly is hush for changes: it has the applier list, at the end, what it has written.
func (a *applier) quietly(ctx context.Context, s store.Store, changes []*change) error {
	var flows []*flow
	known, back := make(map[string]bool), make(map[string][]store.Row)
	for _, c := range changes {
		if !known[c.name] {
			known[c.name] = true
			flows = append(flows, c.flow)
		}
		if c.flow.def.Map.Flows(c.flow.from.Other()) {
			back[c.name] = nil
		}
	}
	if len(back) == 0 { // that side's log does not tell of them anyway
		return nil
	}
	quiet, err := hush(ctx, s, a.tx, len(changes), flows...)
	if quiet {
		a.wrote = back
	}
	return err
}

// writes notes a change that was made, if it has to be listed.
func (a *applier) writes(c *change) {
	if keys, listed := a.wrote[c.name]; listed && !c.flow.overwrites() {
		a.wrote[c.name] = append(keys, c.finalKeys()...)
	}
}

// list writes down what was written quietly.
func (a *applier) list(ctx context.Context) error {
	for _, name := range sortedKeys(a.wrote) {
		if err := putWrote(ctx, a.tx, name, a.wrote[name]); err != nil {
			return err
		}
	}
	return nil
}

// wrote reads keys of rows that a transaction of ours has kept out of the log.
func (r *reader) wrote(c *store.Change, b *bracket, end body) error {
	m := r.maps[c.After[1].S]
	if m == nil || !m.attached() {
		return nil
	}
	keys, err := wroteOf(c.After)
	if err != nil {
		return err
	}
	if !m.flow.overwrites() {
		if b.copies() {
			r.check(c, m, b, end)
		}
		return nil
	}
	for _, k := range keys {
		r.out = append(r.out, item{kind: itemWrote, state: m, before: k, position: b.end, restart: b.restart,
			seen: end.Seen[m.name], writer: b.writer, atMs: c.AtMs})
	}
	return nil
}

// crossesQuietly reports whether rows of ours that are not in the log may touch a key of which a user's change is waiting
// to be applied.
func (r *reader) crossesQuietly(c *store.Change) bool {
	keys, err := wroteOf(c.After)
	if err == nil && len(keys) > 0 {
		for _, k := range keys {
			if _, ok := r.pending[echoKey{c.After[1].S, store.EncodeRow(k)}]; ok {
				return true
			}
		}
		return false
	}
	for k := range r.pending {
		if k.mapName == c.After[1].S {
			return true
		}
	}
	return false
}
