package replication

import (
	"context"
	"fmt"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// lose deals with a gap in the whole log: every map that this stream serves is taken off the target with an alarm, in
// the transaction that moves the cursor beyond the gap. Never "from now on" in silence.
func (s *Stream) lose(ctx context.Context, gap *store.GapError) error {
	at := marker{position: gap.Next}
	return s.writer.do(ctx, at, func(tx store.Tx) (body, error) {
		all, err := modes(ctx, tx)
		if err != nil {
			return body{}, err
		}
		for _, name := range sortedKeys(all) {
			if all[name].Mode == modeOff {
				continue
			}
			alarm := tablemap.Alarm{Kind: tablemap.AlarmGap, Message: gap.Error()}
			if err := s.takeOff(ctx, tx, all[name], alarm); err != nil {
				return body{}, err
			}
		}
		return body{}, tx.Delete(ctx, store.Query{Table: store.FlowTable})
	})
}

// drop takes one table's map off the target with an alarm, and its capture off the source, so that the others go on.
// The error that led here is returned, unless it could be dealt with.
func (s *Stream) drop(ctx context.Context, table string, alarm tablemap.Alarm, cause error) error {
	name := s.mapOf(table)
	if name == "" {
		return cause
	}
	err := s.aside(ctx, func(tx store.Tx) error {
		found, err := modes(ctx, tx, name)
		if err != nil {
			return err
		}
		return s.takeOff(ctx, tx, found[name], alarm)
	})
	if err != nil {
		return err
	}
	if m := s.reader.maps[name]; m != nil {
		m.Source, m.dirty = modeOff, true
	}
	if s.mapOfSource(table) == "" {
		return nil
	}
	if err := s.source.Release(ctx, table); err != nil {
		return fmt.Errorf("release %s: %w", table, err)
	}
	return nil
}

// takeOff turns a map off on the target and says why.
func (s *Stream) takeOff(ctx context.Context, tx store.Tx, row mode, alarm tablemap.Alarm) error {
	if row.Map == "" {
		return nil
	}
	row.Mode = modeOff
	if err := tx.Put(ctx, store.ModeTable, row.row()); err != nil {
		return fmt.Errorf("write mode: %w", err)
	}
	if err := tx.Put(ctx, store.AlarmTable, alarmRow(row.Map, alarm, s.engine.nowMs())); err != nil {
		return fmt.Errorf("write alarm: %w", err)
	}
	return nil
}

// trip turns a map of which too many changes fail to its queue, and says so.
func trip(ctx context.Context, tx store.Tx, row mode, atMs int64) error {
	row.Mode = modeQueue
	if err := tx.Put(ctx, store.ModeTable, row.row()); err != nil {
		return fmt.Errorf("write mode: %w", err)
	}
	alarm := tablemap.Alarm{Kind: tablemap.AlarmBreaker, Message: "too many changes fail: more than 1,000 are held, or 5 % of the last 1,000 failed"}
	if err := tx.Put(ctx, store.AlarmTable, alarmRow(row.Map, alarm, atMs)); err != nil {
		return fmt.Errorf("write alarm: %w", err)
	}
	return nil
}

// mapOf names the map of a table on either side.
func (s *Stream) mapOf(table string) string {
	if name := s.mapOfSource(table); name != "" {
		return name
	}
	for _, name := range sortedKeys(s.reader.maps) {
		if m := s.reader.maps[name]; m.def != nil && m.flow.target.Table == table && m.Source != modeOff {
			return name
		}
	}
	return ""
}

func (s *Stream) mapOfSource(table string) string {
	if m := s.reader.tables[table]; m != nil && m.Source != modeOff {
		return m.name
	}
	return ""
}
