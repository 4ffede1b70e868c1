package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dualwrite/dualwrite/tablemap"
)

// parentsFirst are the maps that a map depends on, directly or not, less itself: parents before children, and otherwise
// in the order of names. Where maps depend on each other in a circle, the one first in names is taken first.
func parentsFirst(names []string, edges []tablemap.Edge, name string) []string {
	var order []string
	seen := map[string]bool{}
	var visit func(m string)
	visit = func(m string) {
		if seen[m] {
			return
		}
		seen[m] = true
		for _, parent := range names {
			if dependsOn(edges, m, parent) {
				visit(parent)
			}
		}
		if m != name {
			order = append(order, m)
		}
	}
	visit(name)
	return order
}

// inOrder are the maps that a command with --related is for, in running order: those the map depends on and itself; for
// pause and stop also all that depend on it.
func inOrder(names []string, edges []tablemap.Edge, name string, c tablemap.Command) []string {
	order := append(parentsFirst(names, edges, name), name)
	if c != tablemap.Pause && c != tablemap.Stop {
		return order
	}
	for _, m := range names {
		if !slices.Contains(order, m) && slices.Contains(parentsFirst(names, edges, m), name) {
			order = append(order, m)
		}
	}
	return sortedBy(names, edges, order)
}

// sortedBy puts some maps into running order.
func sortedBy(names []string, edges []tablemap.Edge, some []string) []string {
	var order []string
	for _, m := range names {
		if !slices.Contains(some, m) {
			continue
		}
		for _, one := range append(parentsFirst(names, edges, m), m) {
			if slices.Contains(some, one) && !slices.Contains(order, one) {
				order = append(order, one)
			}
		}
	}
	return order
}

func dependsOn(edges []tablemap.Edge, child, parent string) bool {
	return slices.ContainsFunc(edges, func(e tablemap.Edge) bool { return e.Child == child && e.Parent == parent })
}

// parentsAmong are the maps of some that a map depends on directly, less itself.
func parentsAmong(edges []tablemap.Edge, name string, some []string) []string {
	var parents []string
	for _, m := range some {
		if m != name && dependsOn(edges, name, m) {
			parents = append(parents, m)
		}
	}
	return parents
}

// whyRelated says why a related map is one: the reasons of the dependencies on it of the map that was named, or else of
// the other related maps.
func whyRelated(edges []tablemap.Edge, name, related string, all []string) string {
	reasons := reasonsOf(edges, []string{name}, related)
	if len(reasons) == 0 {
		reasons = reasonsOf(edges, all, related)
	}
	if slices.Contains(parentsFirst(append(slices.Clone(all), name), edges, related), name) {
		reasons = append(reasons, fmt.Sprintf("and depends on %s itself", name))
	}
	return strings.Join(reasons, "; ")
}

func reasonsOf(edges []tablemap.Edge, children []string, parent string) []string {
	var reasons []string
	for _, e := range edges {
		if e.Parent == parent && e.Child != parent && slices.Contains(children, e.Child) && !slices.Contains(reasons, e.Reason) {
			reasons = append(reasons, e.Reason)
		}
	}
	return reasons
}

// loops says where a map refers to itself.
func loops(edges []tablemap.Edge, name string) []string {
	var said []string
	for _, e := range edges {
		if e.Child == name && e.Parent == name {
			said = append(said, fmt.Sprintf("%s refers to itself (%s): its rows are loaded all the same", name, e.Reason))
		}
	}
	return slices.Compact(said)
}
