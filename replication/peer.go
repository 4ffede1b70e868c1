package replication

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dualwrite/dualwrite/store"
)

// findPeers begins a retry of the live maps that refer to this one in a circle: rows of theirs may have been waiting for
// rows of this map.
func (r *Replay) findPeers(ctx context.Context) error {
	if !circular(r.flow.def) {
		return nil
	}
	view, err := r.target.View(ctx)
	if err != nil {
		return fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = view.Close() }()
	all, err := modes(ctx, view)
	if err != nil {
		return err
	}
	for _, name := range sortedKeys(all) {
		if name == r.name || all[name].Mode != modeLive {
			continue
		}
		def, err := definition(ctx, view, name, all[name].Run)
		if err != nil {
			return err
		}
		if !refersTo(def, r.name) {
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

// circular reports whether a map is part of a circle of several maps.
func circular(def *Definition) bool {
	return slices.ContainsFunc(slices.Concat(def.Parents[0], def.Parents[1]), func(p Parent) bool { return p.Circle && p.Map != def.Map.Name })
}

func refersTo(def *Definition, parent string) bool {
	return slices.ContainsFunc(slices.Concat(def.Parents[0], def.Parents[1]), func(p Parent) bool { return p.Circle && p.Map == parent })
}

// retryPeers steps the peers' retries, one after the other.
func (r *Replay) retryPeers(ctx context.Context) (Outcome, error) {
	if len(r.peers) == 0 {
		return Done, nil
	}
	outcome, err := r.peers[0].Step(ctx)
	if errors.Is(err, store.ErrFenced) { // the replay of the other direction, or a person, is at it
		outcome, err = Done, nil
	}
	if err != nil || outcome != Done {
		return outcome, err
	}
	r.peers = r.peers[1:]
	return Moved, nil
}
