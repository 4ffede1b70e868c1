package replication

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dualwrite/dualwrite/store"
)

// findPeers begins a retry of what is held because of references, now that the map has caught up: of this map, of those that
// refer to it and of those it refers to. Their rows may have been waiting for rows of this map, to come or to go, or the other
// way round: each map's queue is in order, several are not.
func (r *Replay) findPeers(ctx context.Context) error {
	view, err := r.target.View(ctx)
	if err != nil {
		return fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = view.Close() }()
	if some, err := heldForReference(ctx, view, store.Query{Table: store.HeldTable}); !some || err != nil {
		return err
	}
	all, err := modes(ctx, view)
	if err != nil {
		return err
	}
	for _, name := range sortedKeys(all) {
		if all[name].Mode != modeLive {
			continue
		}
		some, err := heldForReference(ctx, view, byMap(store.HeldTable, name))
		if err != nil {
			return err
		}
		def, err := definition(ctx, view, name, all[name].Run)
		if err != nil {
			return err
		}
		if !some || name != r.name && !refersTo(def, r.name) && !refersTo(r.flow.def, name) {
			continue
		}
		retry, err := r.engine.NewRetry(ctx, name, nil)
		var refused *Refusal
		if errors.As(err, &refused) { // not live on the other side: it will see to this map's rows itself
			continue
		}
		if err != nil {
			return err
		}
		r.peers = append(r.peers, retry)
	}
	return nil
}

// NewAgain begins to try what is held of a map again while something is held for a reference, of this map or of another: rows
// of several maps may wait for each other. nil: there is nothing that trying again could mend by itself.
func (e *Engine) NewAgain(ctx context.Context, mapName string) (*Retry, error) {
	for _, st := range e.Stores {
		some, err := waitsForReference(ctx, st)
		if err != nil {
			return nil, err
		}
		if !some {
			continue
		}
		r, err := e.NewRetry(ctx, mapName, nil)
		var refused *Refusal
		if errors.As(err, &refused) { // it is not live any more
			return nil, nil
		}
		return r, err
	}
	return nil, nil
}

func waitsForReference(ctx context.Context, st store.Store) (bool, error) {
	view, err := st.View(ctx)
	if err != nil {
		return false, fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = view.Close() }()
	return heldForReference(ctx, view, store.Query{Table: store.HeldTable})
}

// heldForReference reports whether, of the held changes of a query, some are held because of a row that they refer to, or
// that refers to theirs.
func heldForReference(ctx context.Context, view store.View, q store.Query) (bool, error) {
	q = in(q, "code", strs([]string{string(store.CodeMissingParent), string(store.CodeForeignKey)}))
	q.Limit = 1
	rows, err := view.Select(ctx, q)
	if err != nil {
		return false, fmt.Errorf("read held changes: %w", err)
	}
	return len(rows) > 0, nil
}

// refersTo reports whether rows of a map are children of another's, on either side.
func refersTo(def *Definition, parent string) bool {
	return slices.ContainsFunc(slices.Concat(def.Parents[0], def.Parents[1]), func(p Parent) bool { return p.Map == parent })
}

// peerMs bounds how long a map that has caught up waits for what it tries again.
const peerMs = 30_000

// retryPeers steps the peers' retries, one after the other, and again as long as that settles something: what is held of one
// may wait for what is held of the next.
func (r *Replay) retryPeers(ctx context.Context) (Outcome, error) {
	if r.sinceMs == 0 {
		r.sinceMs = r.engine.nowMs()
	}
	if r.engine.nowMs()-r.sinceMs > peerMs {
		return Done, nil
	}
	if len(r.peers) == 0 {
		if r.settled == 0 {
			return Done, nil
		}
		r.settled = 0
		return Moved, r.findPeers(ctx)
	}
	outcome, err := r.peers[0].Step(ctx)
	if errors.Is(err, store.ErrFenced) { // the replay of the other direction, or a person, is at it
		outcome, err = Done, nil
	}
	if err != nil || outcome != Done {
		return outcome, err
	}
	r.settled += r.peers[0].Result().Applied
	r.peers = r.peers[1:]
	return Moved, nil
}
