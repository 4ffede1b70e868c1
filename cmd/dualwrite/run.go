package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/dualwrite/dualwrite/tablemap"
	"github.com/dualwrite/dualwrite/workflows"
)

func (p *program) runCommand() *cobra.Command {
	f := runFlags{}
	c := &cobra.Command{
		Use:   "run MAP",
		Short: "Runs a map: initial sync both ways, then live writes; a paused map is resumed",
		Args:  oneMap,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onMap(cmd, args, func(ctx context.Context, s *session, name string) error {
				if err := f.check(s); err != nil {
					return err
				}
				return s.run(ctx, name, f)
			})
		},
	}
	flags := c.Flags()
	flags.BoolVar(&f.related, "related", false, "also all maps that this one depends on, these first")
	flags.StringVar(&f.with, "with", "", "also these maps: a,b")
	flags.StringVar(&f.order, "order", "", "run the maps in this order: a,b,c")
	flags.StringVar(&f.master, "master", "", "the side that wins where both differ, for this run (default: that of the config)")
	flags.StringVar(&f.noInitial, "no-initial-sync", "", "copy no pre-existing rows, of all maps of this run or of those named: --no-initial-sync=a,b")
	flags.Lookup("no-initial-sync").NoOptDefVal = everyMap
	flags.BoolVar(&f.yes, "yes", false, "do not ask: run this map only, unless --related or --with say otherwise")
	return c
}

// run runs a map, alone or with others.
func (s *session) run(ctx context.Context, name string, f runFlags) error {
	if _, err := s.maps(ctx); err != nil {
		return err
	}
	graph := &tablemap.Graph{}
	if !f.alone() || s.asks(f) {
		var err error
		if graph, err = s.dependencies(ctx); err != nil {
			return err
		}
	}
	if s.asks(f) {
		answer, err := s.askRelated(ctx, name, graph)
		if err != nil || answer == chooseNone {
			return err
		}
		f.related = answer == chooseAll
	}
	plan, err := f.plan(name, graph)
	if err != nil {
		return err
	}
	for _, w := range plan.warnings {
		s.program.warn("%s", w)
	}
	if len(plan.maps) == 1 {
		return s.commandOne(ctx, name, workflows.Request{Command: tablemap.Run, InitialSync: plan.initialSync(name), Master: plan.master})
	}
	return s.runSeveral(ctx, plan, graph)
}

// asks reports whether a person is to be asked about related maps.
func (s *session) asks(f runFlags) bool {
	t := s.program.terminal
	return t.in && t.err && f.alone() && !f.yes && s.program.output == outputTable
}

// askRelated lists the related maps and asks, if any of them does not run yet.
func (s *session) askRelated(ctx context.Context, name string, graph *tablemap.Graph) (choice, error) {
	if len(graph.Dependencies(name)) == 0 {
		return chooseAlone, nil
	}
	list, err := s.relatedList(ctx, name, graph)
	if err != nil {
		return chooseNone, err
	}
	fmt.Fprintf(s.program.err, "%s depends on:\n", name)
	writeRelated(s.program.err, list, "  ")
	waiting := 0
	for _, r := range list {
		if r.Status != tablemap.Running {
			waiting++
		}
	}
	if waiting == 0 {
		return chooseAlone, nil
	}
	question := fmt.Sprintf("Run %s with %s? [y]es, [n]o: %s alone, [q]uit: ", name, plural(int64(len(list)), "related map"), name)
	return ask(ctx, s.program.in, s.program.err, question)
}

// runSeveral runs the maps of a plan. Those that run already are left alone.
func (s *session) runSeveral(ctx context.Context, plan runPlan, graph *tablemap.Graph) error {
	reports, err := s.temporal.List(ctx, plan.maps)
	if err != nil {
		return err
	}
	var paused []string
	for _, r := range reports {
		if r.Status == tablemap.Paused {
			paused = append(paused, r.Map)
		}
	}
	if i := slices.IndexFunc(paused, func(m string) bool { return m != plan.name }); i >= 0 && (plan.master != "" || len(plan.skip) > 0) {
		s.program.warn("%s is Paused and will be resumed: --master and --no-initial-sync are not for it", paused[i])
	}
	return s.several(ctx, plan.request(graph, paused))
}
