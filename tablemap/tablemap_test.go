package tablemap_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/tablemap"
)

func TestTranslate(t *testing.T) {
	t.Parallel()
	both := tablemap.Column{Values: map[string]string{"No": "0", "All": "1"}}
	many := tablemap.Column{Direction: tablemap.LeftToRight, Values: map[string]string{"a": "x", "b": "x", "c": "y"}}
	cases := []struct {
		column tablemap.Column
		from   tablemap.Side
		text   string
		want   string
		ok     bool
	}{
		{tablemap.Column{}, tablemap.Left, "anything", "anything", true},
		{tablemap.Column{}, tablemap.Right, "", "", true},
		{both, tablemap.Left, "No", "0", true},
		{both, tablemap.Right, "1", "All", true},
		{both, tablemap.Left, "no", "", false},
		{both, tablemap.Right, "No", "", false},
		{many, tablemap.Left, "b", "x", true},
		{many, tablemap.Right, "y", "c", true},
		{many, tablemap.Right, "z", "", false},
	}
	for _, c := range cases {
		got, ok := c.column.Translate(c.from, c.text)
		require.Equal(t, c.ok, ok, "%q", c.text)
		require.Equal(t, c.want, got, "%q", c.text)
	}
	_, ok := many.Translate(tablemap.Right, "x")
	require.False(t, ok, "two texts stand for it")
}

func TestMapKeepsAnEmptyListOfColumns(t *testing.T) {
	t.Parallel()
	for _, columns := range [][]tablemap.Column{nil, {}} {
		text, err := json.Marshal(tablemap.Map{Name: "m", Columns: columns})
		require.NoError(t, err)
		var back tablemap.Map
		require.NoError(t, json.Unmarshal(text, &back))
		require.Equal(t, columns == nil, back.Columns == nil, "%s", text)
	}
}

func TestClosest(t *testing.T) {
	t.Parallel()
	names := []string{"customers", "customer-groups", "üsers"}
	require.Equal(t, "customers", tablemap.Closest("Custommers", names))
	require.Equal(t, "üsers", tablemap.Closest("users", names))
	require.Empty(t, tablemap.Closest("orders-2024", names))
	require.Empty(t, tablemap.Closest("x", []string{"ab"}))
	require.Equal(t, "there are no maps", tablemap.DidYouMean("map", "x", nil))
}
