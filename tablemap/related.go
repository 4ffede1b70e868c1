package tablemap

import (
	"fmt"
	"slices"
)

// Graph is how maps depend on each other. Names is all maps in the order of the config, which decides wherever
// dependencies do not.
type Graph struct {
	Names []string
	Edges []Edge
}

// Declared are the dependencies that the config of a link itself states.
func (l *Link) Declared() []Edge {
	var edges []Edge
	for _, m := range l.Maps {
		for _, parent := range m.Related {
			edges = append(edges, Edge{Child: m.Name, Parent: parent, Reason: "declared in the config"})
		}
	}
	return edges
}

// Parents are the maps that a map depends on directly, less itself.
func (g *Graph) Parents(child string) []string {
	return g.pick(func(name string) bool { return name != child && g.depends(child, name) })
}

// Children are the maps that depend on a map directly, less itself.
func (g *Graph) Children(parent string) []string {
	return g.pick(func(name string) bool { return name != parent && g.depends(name, parent) })
}

func (g *Graph) pick(wanted func(string) bool) []string {
	var out []string
	for _, name := range g.Names {
		if wanted(name) {
			out = append(out, name)
		}
	}
	return out
}

func (g *Graph) depends(child, parent string) bool {
	return slices.ContainsFunc(g.Edges, func(e Edge) bool { return e.Child == child && e.Parent == parent })
}

// Dependencies are the maps that a map depends on, directly or not, less itself, in running order: parents before
// children. Where maps depend on each other in a circle, the one first in the config is taken first.
func (g *Graph) Dependencies(name string) []string {
	return slices.DeleteFunc(g.walk(name, g.Parents), func(m string) bool { return m == name })
}

// Dependants are the maps that depend on a map, directly or not, less itself, in running order.
func (g *Graph) Dependants(name string) []string {
	all := g.walk(name, g.Children)
	return g.Sorted(slices.DeleteFunc(all, func(m string) bool { return m == name }))
}

// walk reaches all maps from one by steps, those it steps to before the one it steps from.
func (g *Graph) walk(name string, step func(string) []string) []string {
	var order []string
	seen := make(map[string]bool)
	var visit func(string)
	visit = func(m string) {
		if seen[m] {
			return
		}
		seen[m] = true
		for _, next := range step(m) {
			visit(next)
		}
		order = append(order, m)
	}
	visit(name)
	return order
}

// Sorted puts some maps into running order, also where only maps that are not among them connect them.
func (g *Graph) Sorted(some []string) []string {
	var order []string
	for _, m := range g.Names {
		if !slices.Contains(some, m) {
			continue
		}
		for _, one := range append(g.Dependencies(m), m) {
			if slices.Contains(some, one) && !slices.Contains(order, one) {
				order = append(order, one)
			}
		}
	}
	return order
}

// RunningOrder are the maps that a command on a map and its related ones is for, in running order: those it depends on
// and itself; for pause and stop (which are then done backwards) also all that depend on it.
func (g *Graph) RunningOrder(name string, c Command) []string {
	order := append(g.Dependencies(name), name)
	if c != Pause && c != Stop {
		return order
	}
	return g.Sorted(append(order, g.Dependants(name)...))
}

// Cycles are the groups of maps that depend on each other in a circle, each in the order of the config. A map that
// refers to itself alone is not one: see Selves.
func (g *Graph) Cycles() [][]string {
	var cycles [][]string
	seen := make(map[string]bool)
	for _, name := range g.Names {
		if seen[name] {
			continue
		}
		up, down := g.Dependencies(name), g.Dependants(name)
		group := g.pick(func(m string) bool { return m == name || slices.Contains(up, m) && slices.Contains(down, m) })
		for _, m := range group {
			seen[m] = true
		}
		if len(group) > 1 {
			cycles = append(cycles, group)
		}
	}
	return cycles
}

// Selves are the dependencies of a map on itself.
func (g *Graph) Selves(name string) []Edge {
	var out []Edge
	for _, e := range g.Edges {
		if e.Child == name && e.Parent == name && !slices.Contains(out, e) {
			out = append(out, e)
		}
	}
	return out
}

// Broken says, a sentence for each, which dependencies an order of maps does not keep.
func (g *Graph) Broken(order []string) []string {
	var said []string
	for _, e := range g.Edges {
		child, parent := slices.Index(order, e.Child), slices.Index(order, e.Parent)
		if child < 0 || parent <= child {
			continue
		}
		text := fmt.Sprintf("%s runs before %s, on which it depends (%s): rows without a parent will fail until they are run again", e.Child, e.Parent, e.Reason)
		if !slices.Contains(said, text) {
			said = append(said, text)
		}
	}
	return said
}
