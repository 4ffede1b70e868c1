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
	s.reader.echoes.sent(echoEntry{echoKey{"items", "k"}, "5", "4", now})
	s.writer.cursor.Position, s.reached = "9", "9"
	require.NoError(t, s.confirm(t.Context()))
	require.Equal(t, store.Position("4"), log.upTo)
	state.horizon = "5"
	s.relaxed = false
	require.NoError(t, s.confirm(t.Context()))
	require.Greater(t, log.upTo, store.Position("4"), "the other side has been seen to know it")
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
