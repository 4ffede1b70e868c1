package demo

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/config"
)

// setup prepares a story and a teller of it whose commands all end as given.
func setup(t *testing.T, r Result) (*teller, *bytes.Buffer) {
	t.Helper()
	s, err := Prepare(t.Context(), t.TempDir(), [2]string{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	file, err := config.Load(s.Config())
	require.NoError(t, err)
	require.Equal(t, "contoso", file.Link.Name)
	out := &bytes.Buffer{}
	return &teller{ctx: t.Context(), out: out, left: s.left, right: s.right,
		run: func(context.Context, ...string) Result { return r }}, out
}

func TestTheExampleIsWhatTheStorySays(t *testing.T) {
	t.Parallel()
	told, out := setup(t, Result{})
	told.twoDatabases()
	require.NoError(t, told.err)
	require.Contains(t, out.String(), "1. Two applications, two databases\n")
	require.Contains(t, out.String(), "✓ of those on both sides 55 differ")
}

func TestTheFirstThingThatDoesNotHoldEndsTheStory(t *testing.T) {
	t.Parallel()
	told, out := setup(t, Result{Exit: 1, Out: "half\n", Err: "error: no\n"})
	told.command(0, "list")
	told.holds(true, "the sun shines")
	told.chapter("More")
	told.write(told.left, "DELETE FROM CustomersV3")
	require.EqualError(t, told.err, "dualwrite list ended with exit code 1, not 0")
	require.Equal(t, "   $ dualwrite list\n     half\n     error: no\n", out.String())
	told.err = nil
	require.Equal(t, int64(firstRows), told.number(told.left, leftCount))
}

func TestWhatDoesNotHoldIsSaid(t *testing.T) {
	t.Parallel()
	told, out := setup(t, Result{Out: "no JSON", Err: "error: no"})
	told.holds(false, "%d is %d", 1, 2)
	require.EqualError(t, told.err, "this should be so and is not: 1 is 2")
	require.Empty(t, out.String())
	told.err = nil
	told.status("customers")
	require.ErrorContains(t, told.err, "error: no")
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	t.Parallel()
	told, _ := setup(t, Result{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	told.ctx = ctx
	told.becomes(told.left, leftCount, "none")
	require.ErrorIs(t, told.err, context.Canceled)
}
