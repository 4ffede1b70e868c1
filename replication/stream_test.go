package replication

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
)

// watched is a store that may commit without waiting for the disk, and notes how each transaction begins.
type watched struct {
	store.Store
	begun []store.Marker
}

func (w *watched) Limits() store.Limits {
	l := w.Store.Limits()
	l.Relaxed = true
	return l
}

func (w *watched) Begin(ctx context.Context, m store.Marker) (store.Tx, error) {
	w.begun = append(w.begun, m)
	return w.Store.Begin(ctx, m)
}

// confirming is a log that notes how far it is let go of.
type confirming struct {
	store.Log
	upTo store.Position
}

func (c *confirming) Confirm(_ context.Context, upTo store.Position) error {
	c.upTo = upTo
	return nil
}

// between is a stream from the left to the right, with what it knows of the map items, of which the left side is the master.
func between(t *testing.T) (*Stream, *mapState, *watched) {
	t.Helper()
	e, _ := twoTables(t)
	target := &watched{Store: e.Stores[1]}
	e.Stores[1] = target
	view, err := target.View(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, view.Close()) }()
	m, def, err := attached(t.Context(), view, "items")
	require.NoError(t, err)
	s, err := e.NewStream(t.Context(), 0)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	state := &mapState{name: "items", def: def, flow: newFlow(def, 0, m.Master), Source: modeLive}
	s.reader.maps["items"] = state
	return s, state, target
}

// TestTheLogIsKeptForWhatTheBookNeeds: what an echo will be judged by has to be met again after a crash.
func TestTheLogIsKeptForWhatTheBookNeeds(t *testing.T) {
	t.Parallel()
	s, state, _ := between(t)
	log := &confirming{Log: s.log}
	s.log = log
	now := s.engine.nowMs()
	s.reader.echoes.sent(echoEntry{echoKey: echoKey{"items", "k"}, position: "5", before: "4", atMs: now})
	s.writer.cursor.Position, s.reached = "9", "9"
	require.NoError(t, s.confirm(t.Context()))
	require.Equal(t, store.Position("4"), log.upTo)
	state.horizon = "5"
	s.relaxed = false
	require.NoError(t, s.confirm(t.Context()))
	require.Greater(t, log.upTo, store.Position("4"), "the other side has been seen to know it")
}

// TestWhatTheBookHasNoRoomForIsWrittenDown: whether it was known is asked there, once the log has been let go of. One position does
// for what one transaction has taken across. What is moved is older than what a replay has sent meanwhile, and does not hide it.
func TestWhatTheBookHasNoRoomForIsWrittenDown(t *testing.T) {
	t.Parallel()
	s, state, _ := between(t)
	log := &confirming{Log: s.log}
	s.log = log
	row := func(n int64) store.Row { return store.Row{store.Int(n), store.Str("x")} }
	key := func(n int64) string { return store.EncodeRow(row(n)[:1]) }
	s.writer.cursor.Position, s.reached = "9", "9"
	require.NoError(t, s.writer.do(t.Context(), marker{position: "9"}, func(tx store.Tx) (body, error) {
		return body{}, putReplayed(t.Context(), tx, "items", []entry{{Key: key(1), Position: "8"}})
	}))
	old := s.engine.nowMs() - echoAgeMs
	for n, e := range []echoEntry{{position: "2", unit: "3"}, {position: "3", unit: "3"}, {position: "4", unit: "5"}, {position: "5"}, {position: "6"}} {
		e.echoKey, e.before, e.atMs = echoKey{"items", key(int64(n + 1))}, "1", old
		s.reader.echoes.sent(e)
	}
	require.NoError(t, s.confirm(t.Context()))
	require.Greater(t, log.upTo, store.Position("1"), "the log is not kept for them")
	require.Empty(t, state.Floor)

	unit := make([]item, 6)
	for i := range unit {
		unit[i] = item{kind: itemEcho, state: state, after: row(int64(i + 1)), position: "99"}
	}
	known, err := s.lookups(t.Context(), unit)
	require.NoError(t, err)
	var last []store.Position
	for i := range unit {
		last = append(last, known.last(&unit[i]))
	}
	require.Equal(t, []store.Position{"8", "3", "4", "5", "6", ""}, last)

	state.decided = "7"
	view, err := s.target.View(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, view.Close()) }()
	some, err := s.hasBacklog(t.Context(), view, state)
	require.NoError(t, err)
	require.True(t, some, "what was replayed is not known yet")
}

// TestANoteIsMetDurably: a copy goes by what is in the queue when it reads that its note was met.
func TestANoteIsMetDurably(t *testing.T) {
	t.Parallel()
	s, state, target := between(t)
	row := store.Row{store.Int(1), store.Str("x")}
	change := item{kind: itemChange, state: state, after: row, position: "3", restart: "2", change: store.Change{Op: store.Insert}}
	note := item{kind: itemNote, state: state, position: "4", restart: "2", writer: "initial/items/1", seq: 1}
	for _, c := range []struct {
		unit    []item
		relaxed bool
	}{{[]item{change}, true}, {[]item{note}, false}} {
		target.begun = nil
		require.NoError(t, s.flush(t.Context(), c.unit, c.unit[0].position, prepared{}))
		require.Len(t, target.begun, 1)
		require.Equal(t, c.relaxed, target.begun[0].Relaxed)
	}
}

// TestARetryIsJudgedAsIfNothingHadBeenForgotten: its stamp is older than those of others before it, by which the book forgets.
func TestARetryIsJudgedAsIfNothingHadBeenForgotten(t *testing.T) {
	t.Parallel()
	s, state, _ := between(t)
	state.Pruned = "5"
	known := &lookup{book: s.reader.echoes}
	it := &item{kind: itemEcho, state: state, after: store.Row{store.Int(1), store.Str("x")}, seen: "3", writer: writerStream}
	require.True(t, known.has(it, true), "what has been forgotten was known to whoever wrote this")
	it.writer = writerRetry + "items"
	require.False(t, known.has(it, true))
	it.seen = "5"
	require.True(t, known.has(it, true))
}

// TestAReplayIsStampedWithWhatItsFirstChangeHadSeen: too old a stamp sends a row that need not be, too new a one leaves out
// one that has to.
func TestAReplayIsStampedWithWhatItsFirstChangeHadSeen(t *testing.T) {
	t.Parallel()
	e, _ := twoTables(t)
	r, err := e.NewReplay(t.Context(), "items", 1)
	require.NoError(t, err)
	if r.flow.overwrites() {
		r, err = e.NewReplay(t.Context(), "items", 0)
		require.NoError(t, err)
	}
	entries := make([]entry, 2)
	for i, seen := range []store.Position{"1", "2"} {
		after := store.Row{store.Int(int64(i)), store.Str("x")}
		entries[i] = entry{ID: int64(i + 1), Map: "items", Position: "7", Seen: seen, Kind: kindChange,
			Key: store.EncodeRow(after[:1]), After: store.EncodeRow(after)}
	}
	tx, err := r.writer.begin(t.Context(), marker{mapName: "items"})
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback()) }()
	found, err := modes(t.Context(), tx, "items")
	require.NoError(t, err)
	a := newApplier(e, tx, phaseReplay, found)
	end, err := r.applyEntries(t.Context(), tx, entries, a)
	require.NoError(t, err)
	require.Equal(t, int64(2), a.tally("items").applied)
	require.Equal(t, map[string]store.Position{"items": "1"}, end.Seen)
}

// TestWhatWasAppliedIsNotGathered: a row's change that an earlier attempt has applied is read again, but the next one is compared
// with what that has left behind, not with what it found.
func TestWhatWasAppliedIsNotGathered(t *testing.T) {
	t.Parallel()
	s, state, _ := between(t)
	state.def.Map.Coalesce = true
	row := func(text string) store.Row { return store.Row{store.Int(1), store.Str(text)} }
	gathered := func(cursor store.Position) []item {
		s.reader.applied()
		s.reader.cursor = cursor
		s.reader.out = append(s.reader.out,
			item{kind: itemChange, state: state, before: row("a"), after: row("b"), position: "4"},
			item{kind: itemChange, state: state, before: row("b"), after: row("c"), position: "6"})
		s.reader.gather()
		return s.reader.out
	}
	both := gathered("3")
	require.Len(t, both, 1)
	require.Equal(t, [2]store.Row{row("a"), row("c")}, [2]store.Row{both[0].before, both[0].after})
	last := gathered("5")
	require.Len(t, last, 2)
	require.Equal(t, [2]store.Row{row("b"), row("c")}, [2]store.Row{last[1].before, last[1].after})
}

// TestWhyAMapIsNotAttached: what needs an attached map says why a stream has taken it off.
func TestWhyAMapIsNotAttached(t *testing.T) {
	t.Parallel()
	s, _, _ := between(t)
	lost := &store.GapError{Reason: "the log is gone", Next: "9"}
	require.NoError(t, s.lose(t.Context(), lost))
	_, err := s.engine.NewReplay(t.Context(), "items", 0)
	var refused *Refusal
	require.ErrorAs(t, err, &refused)
	require.Contains(t, refused.Message, "the log is gone")
}
