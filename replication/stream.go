package replication

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// Limits of a stream.
const (
	readLimit    = 10_000     // changes asked of the log at once: a store without transaction ids cuts longer ones there
	confirmEvery = 20_000     // changes read between two confirmations
	confirmMs    = 2000       // or, when idle, milliseconds
	persistEvery = 10_000     // changes read without a transaction of ours, after which the cursor is written all the same
	persistMs    = 5 * 60_000 // or milliseconds, when users' changes were among them
	persistBytes = 16 << 20   // or bytes of log that the database keeps meanwhile
)

// Stream carries committed changes from one side to the other: the only reader of its log, one writer of the target.
type Stream struct {
	engine   *Engine
	from     tablemap.Side
	source   store.Store
	target   store.Store
	writer   *writer
	log      store.Log
	reader   *reader
	unread   []store.Change // of the last batch
	flood    bool           // it was a large one
	more     bool           // it ends inside a transaction …
	cut      bool           // … and so does what was read of it last
	long     *long          // open since then; nil: none is
	emptying []*emptying    // to be done before what is unread
	ahead    prepared       // beside the last transaction

	reached     store.Position // everything up to here is applied, or concerns nobody
	confirmed   store.Position
	unconfirmed int  // changes read since
	unpersisted int  // changes read since the cursor was last written
	skippedUser bool // users' changes were among them
	relaxed     bool // what was committed since the cursor was last written by itself may not be durable yet
	began       time.Time
	confirmedMs int64 // when, since it began: a clock that somebody sets back must not keep the log
	persistedMs int64
	loops       loopGuard
	backlog     map[string]bool // maps that have, or may have, rows in the target's tables queue and sent
	replayed    map[string][]replayed
	moved       []echoEntry // from the echo book, and not yet written down
	progress    tablemap.StreamProgress
}

// NewStream begins an attempt to carry the changes of one side: it fences out earlier attempts, then takes up where
// they ended. A *store.GapError means that it cannot; the maps concerned have been told.
func (e *Engine) NewStream(ctx context.Context, from tablemap.Side) (*Stream, error) {
	s := &Stream{engine: e, from: from, source: e.Stores[from], target: e.Stores[from.Other()],
		reader: newReader(e, from), backlog: make(map[string]bool), replayed: make(map[string][]replayed),
		loops: make(loopGuard), began: e.Now()}
	for _, st := range e.Stores {
		if err := st.Capture(ctx); err != nil {
			return nil, fmt.Errorf("install ledger: %w", err)
		}
	}
	w, err := fence(ctx, s.target, writerStream, e.nowMs)
	if err != nil {
		return nil, err
	}
	s.writer = w
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	if err := s.recognize(ctx); err != nil {
		return nil, s.stopped(ctx, err)
	}
	if err := s.open(ctx); err != nil {
		_ = s.Close()
		return nil, s.stopped(ctx, err)
	}
	return s, nil
}

// open follows the log, unless it is dormant: then nothing flows from there, and it is opened when something does.
func (s *Stream) open(ctx context.Context) error {
	dormant, err := s.source.Dormant(ctx)
	if err != nil || dormant {
		return err
	}
	if s.log, err = s.source.Open(ctx, s.writer.cursor.Position); err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	if since := s.log.Since(); since > s.reached {
		return s.anew(ctx, since)
	}
	return nil
}

// anew forgets what earlier attempts knew: when the log began, no map was attached that carries anything from this side, and
// of what our writers have done on the source before, nothing is in it.
func (s *Stream) anew(ctx context.Context, since store.Position) error {
	err := s.writer.do(ctx, marker{position: since}, func(tx store.Tx) (body, error) {
		return body{}, tx.Delete(ctx, store.Query{Table: store.FlowTable})
	})
	if err != nil {
		return err
	}
	s.reader, s.reached = newReader(s.engine, s.from), since
	s.backlog, s.replayed = make(map[string]bool), make(map[string][]replayed)
	s.reader.cursor = since
	return nil
}

// load restores what earlier attempts knew.
func (s *Stream) load(ctx context.Context) error {
	r := s.reader
	end, err := parseBody(s.writer.cursor.Body)
	if err != nil {
		return err
	}
	r.cursor, r.seenStream, s.reached = s.writer.cursor.Position, end.SeenStream, s.writer.cursor.Position
	view, err := s.target.View(ctx)
	if err != nil {
		return fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = view.Close() }()
	rows, err := view.Select(ctx, store.Query{Table: store.FlowTable})
	if err != nil {
		return fmt.Errorf("read state of maps: %w", err)
	}
	for _, row := range rows {
		if err := s.restore(ctx, row[0].S, row[1].S); err != nil {
			return err
		}
	}
	return nil
}

// The names of rows of the table flow.
const (
	flowMap    = "map/"
	flowWriter = "writer/"
)

func (s *Stream) restore(ctx context.Context, name, text string) error {
	if w, ok := strings.CutPrefix(name, flowWriter); ok {
		var seq int64
		if err := json.Unmarshal([]byte(text), &seq); err != nil {
			return fmt.Errorf("read state of writer %s: %w", w, err)
		}
		s.reader.seqs[w] = seq
		return nil
	}
	m := &mapState{name: strings.TrimPrefix(name, flowMap)}
	if err := json.Unmarshal([]byte(text), m); err != nil {
		return fmt.Errorf("read state of map %s: %w", m.name, err)
	}
	s.reader.maps[m.name] = m
	s.backlog[m.name] = true
	if m.Source == modeOff || m.Source == "" {
		return nil
	}
	return s.reader.define(ctx, m)
}

// Step reads and applies one stretch of the log: at most one transaction on the target.
func (s *Stream) Step(ctx context.Context) (Outcome, error) {
	outcome, err := s.step(ctx)
	if err != nil {
		begun := s.abandon() || s.ahead.begun
		if err = s.stopped(ctx, err); err == nil && begun {
			err = errReadAhead
		}
		return Moved, err
	}
	return outcome, nil
}

func (s *Stream) step(ctx context.Context) (Outcome, error) {
	if s.log == nil {
		if err := s.open(ctx); err != nil || s.log == nil {
			return Idle, err
		}
	}
	if len(s.emptying) > 0 {
		return Moved, s.empty(ctx)
	}
	known := s.ahead
	s.ahead = prepared{}
	if known.err != nil {
		return Moved, known.err
	}
	if len(known.changes) == 0 {
		if ready, outcome, err := s.read(ctx); !ready || err != nil {
			return outcome, err
		}
	}
	if out := s.reader.out; len(out) > 0 && out[0].kind == itemTruncate {
		if err := s.finish(ctx); err != nil {
			return Moved, err
		}
		s.cut = false
		s.beginEmptying(out)
		s.reader.applied()
		return Moved, nil
	}
	read := s.reader.read
	if err := s.flush(ctx, s.reader.out, read, known); err != nil {
		return Moved, err
	}
	if !s.ahead.begun {
		s.reader.applied()
	}
	s.reached = max(s.reached, read)
	if s.unconfirmed >= confirmEvery && s.long == nil {
		return Moved, s.confirm(ctx)
	}
	return Moved, nil
}

// read adds to the items; not ready: there is nothing to apply, or more to be read before.
func (s *Stream) read(ctx context.Context) (ready bool, outcome Outcome, err error) {
	if len(s.unread) == 0 {
		if err := s.next(ctx); err != nil {
			return false, Moved, err
		}
		switch {
		case len(s.unread) > 0 || len(s.reader.out) > 0:
		case s.long != nil && !s.cut: // its end asked for nothing
			return false, Moved, s.finish(ctx)
		default:
			return false, Idle, s.idle(ctx)
		}
	}
	if err := s.take(ctx, len(s.unread)); err != nil {
		return false, Moved, err
	}
	// There may be more, and what it changes again need not be written before.
	return !s.flood || len(s.unread) > 0 || !s.reader.gather(), Moved, nil
}

// next reads the log.
func (s *Stream) next(ctx context.Context) error {
	batch, err := s.log.Next(ctx, readLimit)
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	s.unread, s.flood = batch.Changes, len(batch.Changes) >= s.engine.flood()
	if len(batch.Changes) > 0 {
		s.more = batch.More
	}
	return nil
}

// Dormant reports that there is no log to follow yet, so that Wait cannot tell when there is something to do.
func (s *Stream) Dormant() bool { return s.log == nil }

// Wait returns when there may be something to do, or ctx ends.
func (s *Stream) Wait(ctx context.Context) error { return s.log.Wait(ctx) }

// Progress tells what this attempt has done.
func (s *Stream) Progress() tablemap.StreamProgress { return s.progress }

// Close ends the reading of the log.
func (s *Stream) Close() error {
	s.abandon()
	if s.log == nil {
		return nil
	}
	return s.log.Close()
}

// idle does what can wait until there is nothing to move.
func (s *Stream) idle(ctx context.Context) error {
	if s.long != nil {
		return nil
	}
	now := s.elapsedMs()
	holding := s.holding(now)
	if s.unpersisted >= persistEvery || (s.skippedUser && now-s.persistedMs >= persistMs) || holding {
		if err := s.persist(ctx); err != nil {
			return err
		}
	}
	if holding || s.unconfirmed > 0 && now-s.confirmedMs >= confirmMs {
		return s.confirm(ctx)
	}
	return nil
}

// elapsedMs is how long the attempt has lasted, whatever becomes of the time of day.
func (s *Stream) elapsedMs() int64 { return s.engine.Now().Sub(s.began).Milliseconds() }

// holding reports whether the database keeps much log only because the cursor has not been written for a while. What the
// echo book keeps, a written cursor would not free; and two streams must not answer each other's cursors for ever.
func (s *Stream) holding(nowMs int64) bool {
	if s.unpersisted == 0 || nowMs-s.persistedMs < confirmMs || s.reached <= s.writer.cursor.Position {
		return false
	}
	if limit, ok := s.reader.echoes.limit(); ok && limit <= s.writer.cursor.Position {
		return false
	}
	return s.log.Held() >= persistBytes
}

// persist writes the cursor without any change, so that a long stretch of echoes need not be read again.
func (s *Stream) persist(ctx context.Context) error {
	m := marker{position: s.reached}
	err := s.writer.do(ctx, m, func(tx store.Tx) (body, error) {
		if err := s.keepMoved(ctx, tx); err != nil {
			return body{}, err
		}
		return s.end(ctx, tx, body{})
	})
	if err != nil {
		return err
	}
	s.committed()
	s.relaxed, s.moved = false, nil
	return nil
}

// confirm lets go of the log up to what is durable on the target and no longer needed to judge echoes.
func (s *Stream) confirm(ctx context.Context) error {
	s.unconfirmed, s.confirmedMs = 0, s.elapsedMs()
	if s.prune(s.engine.nowMs()) || s.relaxed {
		if err := s.persist(ctx); err != nil {
			return err
		}
	}
	upTo := s.writer.cursor.Position
	if limit, ok := s.reader.echoes.limit(); ok && limit < upTo {
		upTo = limit
	}
	if upTo <= s.confirmed {
		return nil
	}
	if err := s.log.Confirm(ctx, upTo); err != nil {
		return fmt.Errorf("confirm log: %w", err)
	}
	s.confirmed = upTo
	return nil
}

// end writes what the stream has to remember and completes the body of the end row.
func (s *Stream) end(ctx context.Context, tx store.Tx, b body) (body, error) {
	b.SeenStream = s.reader.seenStream
	var rows []store.Row
	for _, name := range sortedKeys(s.reader.maps) {
		if m := s.reader.maps[name]; m.dirty {
			text, err := json.Marshal(m)
			if err != nil {
				return body{}, err
			}
			rows = append(rows, store.Row{store.Str(flowMap + name), store.Str(string(text))})
		}
	}
	for _, name := range sortedKeys(s.reader.dirtySeqs) {
		rows = append(rows, store.Row{store.Str(flowWriter + name), store.Str(fmt.Sprint(s.reader.seqs[name]))})
	}
	if len(rows) > 0 {
		if err := tx.Put(ctx, store.FlowTable, rows...); err != nil {
			return body{}, fmt.Errorf("write state of maps: %w", err)
		}
	}
	return b, nil
}

// committed notes that a transaction of this stream is durable.
func (s *Stream) committed() {
	for _, m := range s.reader.maps {
		m.dirty = false
	}
	clear(s.reader.dirtySeqs)
	s.unpersisted, s.skippedUser, s.persistedMs = 0, false, s.elapsedMs()
}

// stopped looks at an error: one that concerns maps is told to them, on the target, before it is returned.
func (s *Stream) stopped(ctx context.Context, err error) error {
	var gap *store.GapError
	var fault *store.MapError
	switch {
	case errors.As(err, &gap) && gap.Table == "":
		if told := s.lose(ctx, gap); told != nil {
			return told
		}
	case errors.As(err, &gap):
		return s.drop(ctx, gap.Table, tablemap.Alarm{Kind: tablemap.AlarmGap, Message: gap.Error()}, err)
	case errors.As(err, &fault):
		return s.drop(ctx, fault.Table, tablemap.Alarm{Kind: tablemap.AlarmFault, Message: fault.Error()}, err)
	}
	return err
}
