package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dualwrite/dualwrite/tablemap"
)

// parentsAmong are the maps of some that a map depends on directly, less itself.
func parentsAmong(g *tablemap.Graph, name string, some []string) []string {
	var parents []string
	for _, m := range g.Parents(name) {
		if slices.Contains(some, m) {
			parents = append(parents, m)
		}
	}
	return parents
}

// whyRelated says why a related map is one: the reasons of the dependencies on it of the map that was named, or else of
// the other related maps.
func whyRelated(g *tablemap.Graph, name, related string) string {
	reasons := reasonsOf(g, []string{name}, related)
	if len(reasons) == 0 {
		reasons = reasonsOf(g, g.Dependencies(name), related)
	}
	if slices.Contains(g.Dependencies(related), name) {
		reasons = append(reasons, fmt.Sprintf("and depends on %s itself", name))
	}
	return strings.Join(reasons, "; ")
}

func reasonsOf(g *tablemap.Graph, children []string, parent string) []string {
	var reasons []string
	for _, e := range g.Edges {
		if e.Parent == parent && e.Child != parent && slices.Contains(children, e.Child) && !slices.Contains(reasons, e.Reason) {
			reasons = append(reasons, e.Reason)
		}
	}
	return reasons
}

// loops says where a map refers to itself.
func loops(g *tablemap.Graph, name string) []string {
	var said []string
	for _, e := range g.Selves(name) {
		said = append(said, fmt.Sprintf("%s refers to itself (%s): its rows are loaded all the same", name, e.Reason))
	}
	return said
}

// unknown says that a name is not one of those there are, and which was perhaps meant.
func unknown(noun, name string, names []string) *failure {
	f := usage(tablemap.DidYouMean(noun, name, names), "there is no %s %q", noun, name)
	f.Code = "unknown_" + noun
	return f
}
