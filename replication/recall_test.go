package replication

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
)

// remembering is a stream and a map whose rows of the tables sent and replayed a test writes as commands do.
type remembering struct {
	*testing.T
	stream *Stream
	state  *mapState
}

func newRemembering(t *testing.T) *remembering {
	t.Helper()
	e, _ := twoTables(t)
	return &remembering{T: t, state: &mapState{name: "items"}, stream: &Stream{engine: e, target: e.Stores[1],
		backlog: map[string]bool{"items": true}, replayed: make(map[string][]replayed)}}
}

func (r *remembering) write(work func(ctx context.Context, tx store.Tx) error) {
	r.Helper()
	require.NoError(r, r.stream.engine.ops(r.Context(), 1, marker{}, func(tx store.Tx) (body, error) {
		return body{}, work(r.Context(), tx)
	}))
}

// play notes what a transaction of a replay sends, up to a position.
func (r *remembering) play(position store.Position, keys ...string) {
	r.Helper()
	entries := make([]entry, len(keys))
	for i, k := range keys {
		entries[i] = entry{Key: k, Position: position}
	}
	r.write(func(ctx context.Context, tx store.Tx) error { return putReplayed(ctx, tx, "items", entries) })
}

// last is where each key was last sent in a replay, as far as the stream knows.
func (r *remembering) last(keys ...string) []store.Position {
	r.Helper()
	view, err := r.stream.target.View(r.Context())
	require.NoError(r, err)
	defer func() { require.NoError(r, view.Close()) }()
	all, err := r.stream.recall(r.Context(), view, r.state)
	require.NoError(r, err)
	out := make([]store.Position, len(keys))
	for i, k := range keys {
		out[i] = lastReplay(all, k)
	}
	return out
}

// TestWhatAReplayHasSentIsRecalled is about the rows that a stream has not read before, those that are forgotten, and those
// that a crash of the server has taken back, so that others have got their numbers.
func TestWhatAReplayHasSentIsRecalled(t *testing.T) {
	t.Parallel()
	r := newRemembering(t)
	require.Equal(t, []store.Position{""}, r.last("x"))
	r.play("2", "x", "y")
	r.play("4", "y", "z")
	require.Equal(t, []store.Position{"2", "4", "4", ""}, r.last("x", "y", "z", "w"))
	for range recallRows {
		r.play("5", "w")
	}
	r.play("6", "x")
	require.Equal(t, []store.Position{"6", "4", "4", "5"}, r.last("x", "y", "z", "w"))
	r.state.Pruned = "2"
	require.Len(t, r.stream.replayed["items"], recallRows+3)
	require.Equal(t, []store.Position{"6", "4"}, r.last("x", "y"))
	require.Len(t, r.stream.replayed["items"], recallRows+2, "what is as good as forgotten is let go of")

	number := r.stream.replayed["items"][recallRows+1].id
	lost := and(byMap(store.ReplayedTable, "items"), "id", store.Ge, store.Int(number))
	r.write(func(ctx context.Context, tx store.Tx) error { return tx.Delete(ctx, lost) })
	other := sumOf("z")
	row := store.Row{store.Int(number), store.Str("items"), store.Str("6"), blob(string(other[:]))}
	r.write(func(ctx context.Context, tx store.Tx) error { return tx.Put(ctx, store.ReplayedTable, row) })
	require.Equal(t, []store.Position{"2", "4", "6"}, r.last("x", "y", "z"), "all is read again, also what was let go of")

	r.write(func(ctx context.Context, tx store.Tx) error {
		return tx.Delete(ctx, byMap(store.ReplayedTable, "items"))
	})
	require.Equal(t, []store.Position{"", ""}, r.last("x", "z"))
}

// TestWhatWasSentIsForgottenByWhatStandsBeforeTheRow is about a row that the reader has not decided about yet: it was written
// before the other side had seen what the log tells behind it.
func TestWhatWasSentIsForgottenByWhatStandsBeforeTheRow(t *testing.T) {
	t.Parallel()
	r := newRemembering(t)
	r.play("4", "x")
	says := func() bool {
		view, err := r.stream.target.View(t.Context())
		require.NoError(t, err)
		defer func() { require.NoError(t, view.Close()) }()
		some, err := r.stream.hasBacklog(t.Context(), view, r.state)
		require.NoError(t, err)
		return some
	}
	r.state.decided, r.state.horizon = "3", "5"
	require.True(t, says())
	require.Empty(t, r.state.Pruned)
	r.state.decided = "4"
	require.False(t, says())
	require.Equal(t, store.Position("4"), r.state.Pruned)
}
