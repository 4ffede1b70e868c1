package tablemap_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dualwrite/dualwrite/tablemap"
)

// graph makes edges of texts child, parent.
func graph(names []string, pairs ...[2]string) *tablemap.Graph {
	g := &tablemap.Graph{Names: names}
	for _, p := range pairs {
		g.Edges = append(g.Edges, tablemap.Edge{Child: p[0], Parent: p[1], Reason: "because"})
	}
	return g
}

func shop() *tablemap.Graph {
	return graph([]string{"lines", "orders", "customers", "groups", "currencies", "notes"},
		[2]string{"lines", "orders"}, [2]string{"orders", "customers"}, [2]string{"customers", "groups"},
		[2]string{"orders", "currencies"}, [2]string{"customers", "currencies"}, [2]string{"customers", "groups"})
}

func TestGraph(t *testing.T) {
	t.Parallel()
	g := shop()
	require.Equal(t, []string{"customers", "currencies"}, g.Parents("orders"))
	require.Equal(t, []string{"orders", "customers"}, g.Children("currencies"))
	require.Equal(t, []string{"groups", "currencies", "customers"}, g.Dependencies("orders"))
	require.Equal(t, []string{"customers", "orders", "lines"}, g.Dependants("groups"))
	require.Empty(t, g.Dependencies("notes"))
	require.Empty(t, g.Dependants("notes"))
	require.Equal(t, []string{"groups", "lines"}, g.Sorted([]string{"lines", "groups"}), "others connect them")
	require.Equal(t, []string{"groups", "currencies", "customers"}, g.RunningOrder("customers", tablemap.Run))
	require.Equal(t, []string{"groups", "currencies", "customers", "orders", "lines"}, g.RunningOrder("customers", tablemap.Stop))
	require.Empty(t, g.Cycles())
}

func TestGraphWithCircles(t *testing.T) {
	t.Parallel()
	g := graph([]string{"a", "b", "c", "d", "e"}, [2]string{"b", "c"}, [2]string{"c", "d"}, [2]string{"d", "b"},
		[2]string{"a", "c"}, [2]string{"e", "e"}, [2]string{"e", "e"})
	require.Equal(t, [][]string{{"b", "c", "d"}}, g.Cycles())
	require.Equal(t, []string{"b", "d", "c"}, g.Dependencies("a"))
	require.ElementsMatch(t, []string{"a", "c", "d"}, g.Dependants("b"))
	require.Empty(t, g.Dependencies("e"))
	require.Len(t, g.Selves("e"), 1)
	require.Empty(t, g.Selves("a"))
}

func TestBroken(t *testing.T) {
	t.Parallel()
	g := shop()
	require.Empty(t, g.Broken([]string{"groups", "customers", "orders"}))
	require.Equal(t, []string{"customers runs before groups, on which it depends (because): rows without a parent will fail until they are run again"},
		g.Broken([]string{"customers", "groups"}))
}

func TestDeclared(t *testing.T) {
	t.Parallel()
	link := tablemap.Link{Maps: []tablemap.Map{{Name: "a", Related: []string{"b"}}, {Name: "b"}}}
	require.Equal(t, []tablemap.Edge{{Child: "a", Parent: "b", Reason: "declared in the config"}}, link.Declared())
}

// TestRunningOrderHoldsEveryDependency draws graphs: closures are transitive, and without circles parents come first.
func TestRunningOrderHoldsEveryDependency(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := []string{"a", "b", "c", "d", "e", "f"}
		g := graph(names)
		for range rapid.IntRange(0, 12).Draw(t, "edges") {
			g.Edges = append(g.Edges, tablemap.Edge{Child: rapid.SampledFrom(names).Draw(t, "child"), Parent: rapid.SampledFrom(names).Draw(t, "parent")})
		}
		for _, name := range names {
			up := g.Dependencies(name)
			require.NotContains(t, up, name)
			for _, m := range up {
				for _, parent := range g.Parents(m) {
					require.True(t, parent == name || slices.Contains(up, parent))
				}
				require.Contains(t, g.Dependants(m), name)
			}
			all := g.RunningOrder(name, tablemap.Pause)
			slices.Sort(up)
			require.Len(t, slices.Compact(up), len(g.Dependencies(name)), "none twice")
			if len(g.Cycles()) == 0 {
				require.Empty(t, g.Broken(all))
				require.Empty(t, g.Broken(g.Sorted(names)))
			}
		}
	})
}
