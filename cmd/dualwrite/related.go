package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/dualwrite/dualwrite/tablemap"
)

// relatedMap is one element of what `related` prints.
type relatedMap struct {
	Map    string          `json:"map"`
	Status tablemap.Status `json:"status"`
	Reason string          `json:"reason"`
}

func (p *program) relatedCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "related MAP",
		Short: "Lists the maps to run with a map, in order, each with its status and the reason",
		Args:  oneMap,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onMap(cmd, args, func(ctx context.Context, s *session, name string) error {
				graph, err := s.dependencies(ctx)
				if err != nil {
					return err
				}
				list, err := s.relatedList(ctx, name, graph)
				if err != nil {
					return err
				}
				return s.printRelated(name, list, graph)
			})
		},
	}
}

// dependencies are the foreign keys between mapped tables and what the config declares.
func (s *session) dependencies(ctx context.Context) (*tablemap.Graph, error) {
	l, err := s.rows(ctx)
	if err != nil {
		return nil, err
	}
	edges, err := l.Dependencies(ctx)
	if err != nil {
		return nil, s.unreachable(err)
	}
	return &tablemap.Graph{Names: s.names(), Edges: edges}, nil
}

// relatedList gives each map that a map depends on its status and the reason.
func (s *session) relatedList(ctx context.Context, name string, graph *tablemap.Graph) ([]relatedMap, error) {
	list := []relatedMap{}
	related := graph.Dependencies(name)
	if len(related) == 0 {
		return list, nil
	}
	maps, err := s.maps(ctx)
	if err != nil {
		return nil, err
	}
	reports, err := maps.List(ctx, related)
	if err != nil {
		return nil, err
	}
	for _, r := range reports {
		list = append(list, relatedMap{r.Map, r.Status, whyRelated(graph, name, r.Map)})
	}
	return list, nil
}

func (s *session) printRelated(name string, list []relatedMap, graph *tablemap.Graph) error {
	p := s.program
	for _, text := range loops(graph, name) {
		p.warn("%s", text)
	}
	if p.output == outputJSON {
		return writeJSON(p.out, list)
	}
	if len(list) == 0 {
		fmt.Fprintln(p.out, name+" depends on no other map")
		return nil
	}
	writeRelated(p.out, list, "")
	return nil
}

func writeRelated(w io.Writer, list []relatedMap, indent string) {
	t := newTable("MAP", "STATUS", "REASON")
	for _, r := range list {
		t.add(r.Map, dash(string(r.Status)), r.Reason)
	}
	t.write(w, indent)
}
