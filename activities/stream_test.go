package activities_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// A stream that is to look first touches nothing where no map is attached.
func TestStreamLooksFirst(t *testing.T) {
	t.Parallel()
	for attached, built := range map[string]int{"": 0, "customers": 1} {
		e := &engine{attached: strings.Fields(attached), scripts: map[tablemap.Side]*script{tablemap.Left: steps(fails(&store.GapError{Reason: "slot is gone"}))}}
		b := setup(t, e)
		_, err := b.ExecuteActivity(b.acts.Stream, tablemap.StreamRequest{Link: "contoso", Look: true})
		require.NoError(t, err)
		require.Equal(t, built, e.built, attached)
	}
}
