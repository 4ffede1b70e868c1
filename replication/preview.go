package replication

import (
	"context"
	"errors"
	"fmt"

	"github.com/dualwrite/dualwrite/tablemap"
)

// NewPreview begins to compare the tables of a map as the config has it now, whether or not it has ever been run: what
// only one side has is what a run would copy, what differs it would settle by the master. Nobody is locked: each chunk
// is read from a snapshot of its own, so rows that users write meanwhile may be counted as they were or as they are.
func (e *Engine) NewPreview(ctx context.Context, mapName string) (*Verify, error) {
	m, ok := e.Link.Map(mapName)
	if !ok {
		return nil, &Refusal{Message: "there is no map " + mapName, Hint: "see `dualwrite list`"}
	}
	schemas, err := e.Describe(ctx, nil)
	if err != nil {
		return nil, err
	}
	def, found := e.Resolve(m, schemas)
	if wrong := errorsOf(found); wrong != nil {
		return nil, &Refusal{Message: "map " + mapName + " cannot run: " + wrong[0].text(), Hint: wrong[0].Hint}
	}
	v := &Verify{engine: e, name: mapName, mode: Compare, result: VerifyResult{Map: mapName}}
	for _, s := range sides() {
		v.flows[s] = newFlow(&def, s, e.Link.Master)
		n, err := e.size(ctx, &def, s)
		if err != nil {
			return nil, err
		}
		v.whole += n
	}
	return v, nil
}

// size estimates the rows of one side.
func (e *Engine) size(ctx context.Context, def *Definition, s tablemap.Side) (int64, error) {
	view, err := e.Stores[s].View(ctx)
	if err != nil {
		return 0, fmt.Errorf("open view: %w", err)
	}
	n, err := view.Size(ctx, &def.Relations[s])
	if err := errors.Join(err, view.Close()); err != nil {
		return 0, fmt.Errorf("estimate size: %w", err)
	}
	return n, nil
}
