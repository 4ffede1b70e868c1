package main

import (
	"slices"
	"strings"

	"github.com/dualwrite/dualwrite/tablemap"
	"github.com/dualwrite/dualwrite/workflows"
)

// runFlags are the flags of `run`.
type runFlags struct {
	related   bool
	with      string
	order     string
	master    string
	noInitial string // everyMap: of all maps of this run; "": of none
	yes       bool
}

// everyMap is the value of --no-initial-sync without one; no map can have this name.
const everyMap = "*"

// runPlan is which maps to run, in which order, and how.
type runPlan struct {
	name     string   // the map that was named
	maps     []string // in running order
	master   string
	skip     []string // maps without an initial sync
	warnings []string
}

// check refuses flags that contradict each other or name what is not there.
func (f runFlags) check(s *session) error {
	if f.related && f.with != "" {
		return usage("--related takes all of them, --with those you name", "--related and --with cannot be used together")
	}
	if f.master != "" {
		sides := s.link().Sides
		if _, ok := s.link().Side(f.master); !ok {
			return unknown("side", f.master, sides[:])
		}
	}
	for _, list := range []string{f.with, f.order} {
		if err := s.known(split(list)...); err != nil {
			return err
		}
	}
	if f.noInitial != everyMap {
		return s.known(split(f.noInitial)...)
	}
	return nil
}

// alone reports whether nothing but the map itself was asked for, so that a person may be asked.
func (f runFlags) alone() bool { return !f.related && f.with == "" && f.order == "" }

// plan makes the plan of a run.
func (f runFlags) plan(name string, graph *tablemap.Graph) (runPlan, error) {
	p := runPlan{name: name, master: f.master}
	related := graph.Dependencies(name)
	chosen := split(f.with)
	switch {
	case f.related:
		chosen = related
	case f.with == "" && f.order != "":
		chosen = split(f.order)
	}
	p.maps = natural(name, chosen, related)
	var err error
	if p.maps, err = reorder(p.maps, split(f.order)); err != nil {
		return p, err
	}
	p.warnings = graph.Broken(p.maps)
	switch f.noInitial {
	case "":
	case everyMap:
		p.skip = p.maps
	default:
		p.skip = split(f.noInitial)
		for _, m := range p.skip {
			if !slices.Contains(p.maps, m) {
				return p, usage("this run is of: "+strings.Join(p.maps, ", "), "--no-initial-sync names %s, which this run does not have", m)
			}
		}
	}
	return p, nil
}

// natural is the order of the chosen maps when no other is asked for: related ones parents first, then others, then the
// map itself.
func natural(name string, chosen, related []string) []string {
	var maps []string
	add := func(m string) {
		if m != name && slices.Contains(chosen, m) && !slices.Contains(maps, m) {
			maps = append(maps, m)
		}
	}
	for _, m := range related {
		add(m)
	}
	for _, m := range chosen {
		add(m)
	}
	return append(maps, name)
}

// reorder puts the maps that wanted names into that order, in the places that they have among the others.
func reorder(maps, wanted []string) ([]string, error) {
	for i, m := range wanted {
		if !slices.Contains(maps, m) {
			return nil, usage("add it with --with, or use --related", "--order names %s, which this run does not have", m)
		}
		if slices.Contains(wanted[:i], m) {
			return nil, usage("name each map once", "--order names %s twice", m)
		}
	}
	ordered, next := slices.Clone(maps), 0
	for i, m := range maps {
		if slices.Contains(wanted, m) {
			ordered[i] = wanted[next]
			next++
		}
	}
	return ordered, nil
}

// initialSync is the option of a run of the map: nil is the default.
func (p runPlan) initialSync(name string) *bool {
	if !slices.Contains(p.skip, name) {
		return nil
	}
	no := false
	return &no
}

// request is the plan for several maps. A map that is Paused is resumed, which takes no options.
func (p runPlan) request(graph *tablemap.Graph, paused []string) workflows.RelatedRequest {
	r := workflows.RelatedRequest{Command: tablemap.Run, Actor: actor()}
	for _, name := range p.maps {
		m := workflows.RelatedMap{Map: name, Related: name != p.name, Parents: parentsAmong(graph, name, p.maps)}
		if !m.Related || !slices.Contains(paused, name) {
			m.InitialSync, m.Master = p.initialSync(name), p.master
		}
		r.Maps = append(r.Maps, m)
	}
	return r
}
