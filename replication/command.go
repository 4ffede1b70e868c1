package replication

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// opsAttempts is how often a small transaction of the writer ops is tried when another one of its kind fences it out.
const opsAttempts = 20

// ops makes one small transaction on a side by the writer that all commands share.
func (e *Engine) ops(ctx context.Context, side tablemap.Side, m marker, work func(store.Tx) (body, error)) error {
	return e.opsAs(ctx, side, m, func(_ *writer, tx store.Tx) (body, error) { return work(tx) })
}

// opsAs is ops for work that has to know its sequence number.
func (e *Engine) opsAs(ctx context.Context, side tablemap.Side, m marker, work func(*writer, store.Tx) (body, error)) error {
	var err error
	for range opsAttempts {
		var w *writer
		if w, err = fence(ctx, e.Stores[side], writerOps, e.nowMs); err != nil {
			return err
		}
		err = w.do(ctx, m, func(tx store.Tx) (body, error) { return work(w, tx) })
		if !errors.Is(err, store.ErrFenced) {
			return err
		}
	}
	return err
}

// Attach puts a map under capture on both sides, in mode queue, as a new run, or confirms that the run is attached.
func (e *Engine) Attach(ctx context.Context, in tablemap.AttachRequest) (tablemap.AttachResult, error) {
	def, warnings, err := e.resolve(ctx, in.Definition)
	if err != nil {
		return tablemap.AttachResult{}, err
	}
	for _, s := range e.Stores {
		if err := s.Capture(ctx); err != nil {
			return tablemap.AttachResult{}, fmt.Errorf("install ledger: %w", err)
		}
	}
	if err := e.claim(ctx); err != nil {
		return tablemap.AttachResult{}, err
	}
	for side, s := range e.Stores {
		if !def.Map.Flows(tablemap.Side(side)) {
			continue
		}
		if err := s.Capture(ctx, def.Relations[side]); err != nil {
			return tablemap.AttachResult{}, refusedCapture(err, def.Relations[side].Table)
		}
	}
	for side := range e.Stores {
		if err := e.attachSide(ctx, tablemap.Side(side), in, def); err != nil {
			return tablemap.AttachResult{}, err
		}
	}
	return tablemap.AttachResult{Warnings: warnings}, nil
}

// refusedCapture tells a person when a table cannot be captured as its map says.
func refusedCapture(err error, table string) error {
	var fault *store.MapError
	if errors.As(err, &fault) {
		return &Refusal{Message: fault.Error(), Hint: "`dualwrite check` shows what the map needs; mend the table or the config, then run again"}
	}
	return fmt.Errorf("capture %s: %w", table, err)
}

// place names the side that a finding is about, as a prefix.
func (f Finding) place() string {
	if f.Side == "" {
		return ""
	}
	return f.Side + ": "
}

// resolve makes the definition of a map, or refuses with all that is wrong.
func (e *Engine) resolve(ctx context.Context, m tablemap.Map) (*Definition, []string, error) {
	schemas, err := e.Describe(ctx, []tablemap.Map{m})
	if err != nil {
		return nil, nil, err
	}
	def, findings := e.Resolve(m, schemas)
	if errorsOf(findings) == nil {
		found, err := e.preflight(ctx, &def)
		if err != nil {
			return nil, nil, err
		}
		findings = append(findings, found...)
	}
	var wrong, mends, warnings []string
	for _, f := range findings {
		switch f.Severity {
		case SeverityError:
			wrong, mends = append(wrong, f.place()+f.Message), append(mends, f.Hint)
		case SeverityWarning:
			warnings = append(warnings, f.place()+f.Message)
		}
	}
	if len(wrong) > 0 {
		return nil, nil, &Refusal{Message: strings.Join(wrong, "; "), Hint: strings.Join(mends, "; ")}
	}
	return &def, warnings, nil
}

func (e *Engine) attachSide(ctx context.Context, side tablemap.Side, in tablemap.AttachRequest, def *Definition) error {
	text, err := json.Marshal(def)
	if err != nil {
		return fmt.Errorf("attach map %s: %w", in.Map, err)
	}
	return e.ops(ctx, side, marker{mapName: in.Map}, func(tx store.Tx) (body, error) {
		found, err := modes(ctx, tx, in.Map)
		if err != nil {
			return body{}, err
		}
		old := found[in.Map]
		if old.Run == in.Run && old.Mode != modeOff && old.Map != "" {
			return body{}, tx.Delete(ctx, byMap(store.AlarmTable, in.Map))
		}
		if err := forget(ctx, tx, in.Map, everything()...); err != nil {
			return body{}, err
		}
		row := store.Row{store.Str(in.Map), store.Int(int64(in.Run)), store.Str(string(text))}
		if err := tx.Put(ctx, store.DefinitionTable, row); err != nil {
			return body{}, fmt.Errorf("write definition: %w", err)
		}
		m := mode{Map: in.Map, Mode: modeQueue, Run: in.Run, Master: in.Master, Request: in.Request}
		if err := tx.Put(ctx, store.ModeTable, m.row()); err != nil {
			return body{}, fmt.Errorf("write mode: %w", err)
		}
		return body{}, nil
	})
}

// pendingTables hold what a map still has to do on a side, and what it needs for that.
func pendingTables() []string {
	return []string{store.QueueTable, store.TokenTable, store.SentTable, store.ReplayedTable, store.BOnlyTable}
}

// everything is what a map leaves in the ledger of a side. Conflicts stay: they are history.
func everything() []string {
	return append(pendingTables(), store.HeldTable, store.StatTable, store.AlarmTable)
}

func forget(ctx context.Context, tx store.Tx, mapName string, tables ...string) error {
	for _, t := range tables {
		if err := tx.Delete(ctx, byMap(t, mapName)); err != nil {
			return fmt.Errorf("clear %s: %w", t, err)
		}
	}
	return nil
}

// Pause turns a map to mode queue on both sides. The batch in flight is applied wholly or not at all.
func (e *Engine) Pause(ctx context.Context, mapName string) error {
	for side := range e.Stores {
		err := e.ops(ctx, tablemap.Side(side), marker{mapName: mapName, lock: true}, func(tx store.Tx) (body, error) {
			found, err := modes(ctx, tx, mapName)
			if err != nil {
				return body{}, err
			}
			if err := forget(ctx, tx, mapName, store.AlarmTable); err != nil {
				return body{}, err
			}
			m := found[mapName]
			if m.Mode != modeLive {
				return body{}, nil
			}
			m.Mode = modeQueue
			return body{}, tx.Put(ctx, store.ModeTable, m.row())
		})
		if err != nil {
			return fmt.Errorf("pause map %s: %w", mapName, err)
		}
	}
	return nil
}

// Stop takes a map off both sides: nothing of it is captured, queued or held any more.
func (e *Engine) Stop(ctx context.Context, mapName string) error {
	return e.detach(ctx, mapName, append(pendingTables(), store.HeldTable, store.AlarmTable))
}

// Discard takes a map off both sides after a failed initial sync; its errors stay readable.
func (e *Engine) Discard(ctx context.Context, mapName string) error {
	return e.detach(ctx, mapName, append(pendingTables(), store.AlarmTable))
}

func (e *Engine) detach(ctx context.Context, mapName string, tables []string) error {
	for side, s := range e.Stores {
		var relation store.Relation
		err := e.ops(ctx, tablemap.Side(side), marker{mapName: mapName, lock: true}, func(tx store.Tx) (body, error) {
			found, err := modes(ctx, tx, mapName)
			if err != nil {
				return body{}, err
			}
			m, ok := found[mapName]
			if !ok {
				return body{}, nil
			}
			def, err := definition(ctx, tx, mapName, m.Run)
			if err != nil {
				return body{}, err
			}
			relation = def.Relations[side]
			m.Mode, m.Synced = modeOff, false
			if err := forget(ctx, tx, mapName, tables...); err != nil {
				return body{}, err
			}
			return body{}, tx.Put(ctx, store.ModeTable, m.row())
		})
		if err != nil {
			return fmt.Errorf("take map %s off: %w", mapName, err)
		}
		if relation.Table == "" {
			continue
		}
		if err := s.Release(ctx, relation.Table); err != nil {
			return fmt.Errorf("release %s: %w", relation.Table, err)
		}
	}
	return nil
}

// Attached lists the maps whose mode is not off on either side.
func (e *Engine) Attached(ctx context.Context) ([]string, error) {
	names := make(map[string]bool)
	for _, s := range e.Stores {
		all, err := readModes(ctx, s)
		if err != nil {
			return nil, err
		}
		for name, m := range all {
			if m.Mode != modeOff {
				names[name] = true
			}
		}
	}
	return sortedKeys(names), nil
}

func readModes(ctx context.Context, s store.Store) (map[string]mode, error) {
	view, err := s.View(ctx)
	if err != nil {
		return nil, fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = view.Close() }()
	return modes(ctx, view)
}
