package replication

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// ledgerVersion is the version of the ledgers that this build makes. A build refuses those of a later one.
const ledgerVersion = 1

// identity is what a ledger says of itself, in the one row of the table link.
type identity struct {
	Version int    `json:"version"`
	Link    string `json:"link"`
	Side    int    `json:"side"` // of the link
	ID      string `json:"id"`   // no two ledgers have the same
	Peer    string `json:"peer"` // that of the ledger on the other side. The cursors here are positions of that side's log
}

const identityName = "self"

func readIdentity(ctx context.Context, r store.Reader) (*identity, error) {
	rows, err := r.Select(ctx, store.Query{Table: store.LinkTable})
	if err != nil {
		return nil, fmt.Errorf("read identity: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	id := new(identity)
	if err := json.Unmarshal([]byte(rows[0][1].S), id); err != nil {
		return nil, fmt.Errorf("read identity: %w", err)
	}
	return id, nil
}

func (id *identity) write(ctx context.Context, tx store.Tx) error {
	text, err := json.Marshal(id)
	if err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	if err := tx.Put(ctx, store.LinkTable, store.Row{store.Str(identityName), store.Str(string(text))}); err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	return nil
}

// Owner refuses to work where a database belongs to another link, or to a later version of dualwrite.
func (e *Engine) Owner(ctx context.Context) error {
	for _, side := range sides() {
		found, err := e.checkOwner(ctx, side)
		if err == nil {
			err = refusalOf(found)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// refusalOf refuses what the first finding is about; nil: there is none.
func refusalOf(found []Finding) error {
	if len(found) == 0 {
		return nil
	}
	return &Refusal{Message: found[0].place() + found[0].Message, Hint: found[0].Hint}
}

// checkOwner looks whether a side's ledger may be used by this link.
func (e *Engine) checkOwner(ctx context.Context, side tablemap.Side) ([]Finding, error) {
	view, err := e.Stores[side].View(ctx)
	if err != nil {
		return nil, fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = view.Close() }()
	return e.owner(ctx, view, side)
}

func (e *Engine) owner(ctx context.Context, r store.Reader, side tablemap.Side) ([]Finding, error) {
	id, err := readIdentity(ctx, r)
	if err != nil || id == nil {
		return nil, err
	}
	f := findings{link: &e.Link}
	if id.Version > ledgerVersion {
		f.on(side, ruleLedgerVersion, "use that version of dualwrite", "its ledger is of version %d; this dualwrite knows %d", id.Version, ledgerVersion)
		return f.list, nil
	}
	if id.Link == e.Link.Name && id.Side == int(side) {
		return nil, nil
	}
	busy, err := attachedIn(ctx, r)
	if err != nil || len(busy) == 0 {
		return nil, err
	}
	f.on(side, ruleOtherLink, "stop them there first, or give this link a database of its own: a database belongs to one link, on one side of it",
		"the database belongs to link %s, side %d, where %s", id.Link, id.Side+1, running(busy))
	return f.list, nil
}

func running(names []string) string {
	if len(names) == 1 {
		return "map " + names[0] + " is not stopped"
	}
	return "maps " + strings.Join(names, ", ") + " are not stopped"
}

// attachedIn lists the maps that are not off.
func attachedIn(ctx context.Context, r store.Reader) ([]string, error) {
	all, err := modes(ctx, r)
	maps.DeleteFunc(all, func(_ string, m mode) bool { return m.Mode == modeOff })
	return sortedKeys(all), err
}

// claim makes both ledgers this link's, and each other's.
func (e *Engine) claim(ctx context.Context) error {
	var ids [2]string
	for _, side := range sides() {
		id, err := e.claimSide(ctx, side)
		if err != nil {
			return err
		}
		ids[side] = id
	}
	for _, side := range sides() {
		if err := e.meet(ctx, side, ids[side.Other()]); err != nil {
			return err
		}
	}
	return nil
}

// identityOf reads a side's identity.
func (e *Engine) identityOf(ctx context.Context, side tablemap.Side) (*identity, error) {
	view, err := e.Stores[side].View(ctx)
	if err != nil {
		return nil, fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = view.Close() }()
	return readIdentity(ctx, view)
}

// claimSide makes a ledger this link's, and returns its ID.
func (e *Engine) claimSide(ctx context.Context, side tablemap.Side) (string, error) {
	id, err := e.identityOf(ctx, side)
	if err != nil || id != nil && id.Version == ledgerVersion && id.Link == e.Link.Name && id.Side == int(side) {
		return id.id(), err
	}
	err = e.ops(ctx, side, marker{}, func(tx store.Tx) (body, error) {
		found, err := e.owner(ctx, tx, side)
		if err == nil {
			err = refusalOf(found)
		}
		if err != nil {
			return body{}, err
		}
		if id, err = readIdentity(ctx, tx); err != nil {
			return body{}, err
		}
		if id == nil {
			id = &identity{ID: fmt.Sprintf("%s/%d/%d", e.Link.Name, side, e.nowMs())}
		}
		id.Version, id.Link, id.Side = ledgerVersion, e.Link.Name, int(side)
		return body{}, id.write(ctx, tx)
	})
	return id.id(), err
}

func (id *identity) id() string {
	if id == nil {
		return ""
	}
	return id.ID
}

// meet has a side know the other one. What it knew of another database before is of no use any more.
func (e *Engine) meet(ctx context.Context, side tablemap.Side, peer string) error {
	id, err := e.identityOf(ctx, side)
	if err != nil || id == nil || id.Peer == peer {
		return err
	}
	w, err := fence(ctx, e.Stores[side], writerStream, e.nowMs)
	if err != nil {
		return err
	}
	// Another map may have been attached meanwhile. From here on nobody else can do this.
	if id, err = e.identityOf(ctx, side); err != nil || id == nil || id.Peer == peer {
		return err
	}
	from, err := e.beginning(ctx, side.Other())
	if err != nil {
		return err
	}
	return w.do(ctx, marker{position: from}, func(tx store.Tx) (body, error) {
		busy, err := attachedIn(ctx, tx)
		if err != nil {
			return body{}, err
		}
		if len(busy) > 0 {
			return body{}, &Refusal{Message: e.Link.Sides[side.Other()] + " is another database than the one that " + e.Link.Sides[side] +
				" was kept equal with, and " + running(busy), Hint: "stop them, or name the former database again"}
		}
		id.Peer = peer
		if err := tx.Delete(ctx, store.Query{Table: store.FlowTable}); err != nil {
			return body{}, fmt.Errorf("forget the other side: %w", err)
		}
		return body{}, id.write(ctx, tx)
	})
}

// beginning is from where a log can be read that this link has not read yet. What others have let go of before is not missing.
func (e *Engine) beginning(ctx context.Context, side tablemap.Side) (store.Position, error) {
	dormant, err := e.Stores[side].Dormant(ctx)
	if err != nil || dormant {
		return "", err
	}
	log, err := e.Stores[side].Open(ctx, "")
	var gap *store.GapError
	switch {
	case errors.As(err, &gap) && gap.Table == "":
		return gap.Next, nil
	case err != nil:
		return "", fmt.Errorf("open log: %w", err)
	}
	return "", log.Close()
}

// recognize looks whether the stream's source is the database that its cursor is of.
func (s *Stream) recognize(ctx context.Context) error {
	source, err := s.engine.identityOf(ctx, s.from)
	if err != nil {
		return err
	}
	target, err := s.engine.identityOf(ctx, s.from.Other())
	if err != nil || target == nil || source.id() == target.Peer {
		return err
	}
	return &store.GapError{Reason: s.engine.Link.Sides[s.from] + " is another database than the one that was read before"}
}
