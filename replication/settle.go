package replication

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dualwrite/dualwrite/store"
)

// settling tries again, in rounds, what is held of a map and of those that it refers to or that refer to it, where something is
// held for a reference: their rows may have been waiting for each other, to come or to go, since each map's queue is in order,
// but several are not. It goes on as long as a round settles something.
type settling struct {
	engine  *Engine
	name    string
	begun   bool
	sinceMs int64 // when the first round began
	retries []*Retry
	settled int64 // in this round
}

// settleMs bounds how long a map waits for what it tries again.
const settleMs = 30_000

// NewAgain begins to try what is held of a map again, and of those that depend on it or it on them. nil: nothing is held for a
// reference, nor waits behind nothing, so that trying again could mend nothing by itself.
func (e *Engine) NewAgain(ctx context.Context, mapName string) (Stepper, error) {
	s := &settling{engine: e, name: mapName}
	names, err := s.concerned(ctx)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	return s, nil
}

// Step does the next piece.
func (s *settling) Step(ctx context.Context) (Outcome, error) {
	switch now := s.engine.nowMs(); {
	case !s.begun:
		s.begun, s.sinceMs = true, now
		return Moved, s.begin(ctx)
	case now-s.sinceMs > settleMs:
		return Done, nil
	case len(s.retries) == 0 && s.settled == 0:
		return Done, nil
	case len(s.retries) == 0:
		return Moved, s.begin(ctx)
	}
	outcome, err := s.retries[0].Step(ctx)
	var refused *Refusal
	if errors.Is(err, store.ErrFenced) || errors.As(err, &refused) { // another, or a person, is at it; or it is live no more
		outcome, err = Done, nil
	}
	if err != nil || outcome != Done {
		return outcome, err
	}
	s.settled += s.retries[0].Result().Applied
	s.retries = s.retries[1:]
	return Moved, nil
}

// begin begins a round.
func (s *settling) begin(ctx context.Context) error {
	s.settled = 0
	names, err := s.concerned(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		r, err := s.engine.NewRetry(ctx, name, nil)
		var refused *Refusal
		if errors.As(err, &refused) { // not live on both sides: it will see to this when it is
			continue
		}
		if err != nil {
			return err
		}
		s.retries = append(s.retries, r)
	}
	return nil
}

// concerned are the live maps to be tried again.
func (s *settling) concerned(ctx context.Context) ([]string, error) {
	names := make(map[string]bool)
	for _, st := range s.engine.Stores {
		if err := s.find(ctx, st, names); err != nil {
			return nil, err
		}
	}
	return sortedKeys(names), nil
}

func (s *settling) find(ctx context.Context, st store.Store, names map[string]bool) error {
	view, err := st.View(ctx)
	if err != nil {
		return fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = view.Close() }()
	all, err := modes(ctx, view)
	if err != nil || all[s.name].Mode != modeLive {
		return err
	}
	own, err := definition(ctx, view, s.name, all[s.name].Run)
	if err != nil {
		return err
	}
	if mends, err := s.mends(ctx, view, all, own); !mends || err != nil {
		return err
	}
	for _, name := range sortedKeys(all) {
		if all[name].Mode != modeLive {
			continue
		}
		held, err := view.Select(ctx, limited(byMap(store.HeldTable, name), 1))
		if err != nil {
			return fmt.Errorf("read held changes: %w", err)
		}
		if len(held) == 0 {
			continue
		}
		def, err := definition(ctx, view, name, all[name].Run)
		if err != nil {
			return err
		}
		if name == s.name || refersTo(def, s.name) || refersTo(own, name) {
			names[name] = true
		}
	}
	return nil
}

// mends reports whether trying again may mend something: a change is held for a reference, or all that is held of the map and of
// those that it refers to waits behind changes that are not held any more.
func (s *settling) mends(ctx context.Context, view store.View, all map[string]mode, own *Definition) (bool, error) {
	if some, err := heldForReference(ctx, view); some || err != nil {
		return some, err
	}
	names := []string{s.name}
	for _, name := range sortedKeys(all) {
		if name != s.name && refersTo(own, name) {
			names = append(names, name)
		}
	}
	held := in(store.Query{Table: store.HeldTable}, "map", strs(names))
	some, fails := false, false
	for _, is := range []store.Comparison{store.Lt, store.Eq, store.Gt} {
		rows, err := view.Select(ctx, limited(and(held, "code", is, store.Str(string(store.CodeWaiting))), 1))
		if err != nil {
			return false, fmt.Errorf("read held changes: %w", err)
		}
		some, fails = some || len(rows) > 0, fails || len(rows) > 0 && is != store.Eq
	}
	return some && !fails, nil
}

// heldForReference reports whether some change is held because of a row that it refers to, or that refers to its own.
func heldForReference(ctx context.Context, view store.View) (bool, error) {
	codes := strs([]string{string(store.CodeMissingParent), string(store.CodeForeignKey)})
	rows, err := view.Select(ctx, limited(in(store.Query{Table: store.HeldTable}, "code", codes), 1))
	if err != nil {
		return false, fmt.Errorf("read held changes: %w", err)
	}
	return len(rows) > 0, nil
}

func limited(q store.Query, limit int) store.Query {
	q.Limit = limit
	return q
}

// refersTo reports whether rows of a map are children of another's, on either side.
func refersTo(def *Definition, parent string) bool {
	return slices.ContainsFunc(slices.Concat(def.Parents[0], def.Parents[1]), func(p Parent) bool { return p.Map == parent })
}
