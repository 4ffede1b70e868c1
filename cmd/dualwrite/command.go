package main

import (
	"context"
	"fmt"
	"os/user"

	"github.com/spf13/cobra"

	"github.com/dualwrite/dualwrite/tablemap"
	"github.com/dualwrite/dualwrite/workflows"
)

// simpleCommand is a command that goes to one map, and with --related to others too.
func (p *program) simpleCommand(command tablemap.Command, short string) *cobra.Command {
	related := false
	c := &cobra.Command{
		Use:   string(command) + " MAP",
		Short: short,
		Args:  oneMap,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.inSession(cmd, func(ctx context.Context, s *session) error {
				if err := s.knownStill(ctx, args[0]); err != nil {
					return err
				}
				if related {
					return s.commandRelated(ctx, command, args[0])
				}
				return s.commandOne(ctx, args[0], workflows.Request{Command: command})
			})
		},
	}
	switch command {
	case tablemap.Pause, tablemap.Stop:
		c.Flags().BoolVar(&related, "related", false, "also the maps that this one depends on and those that depend on it, dependants first")
	case tablemap.Resume:
		c.Flags().BoolVar(&related, "related", false, "also the maps that this one depends on, these first")
	}
	return c
}

// goal is the status that a command is to reach.
func goal(c tablemap.Command) tablemap.Status {
	switch c {
	case tablemap.Pause:
		return tablemap.Paused
	case tablemap.Stop, tablemap.Discard:
		return tablemap.NotRunning
	}
	return tablemap.Running
}

// commandOne sends a command to one map, waits for the outcome and prints it.
func (s *session) commandOne(ctx context.Context, name string, r workflows.Request) error {
	maps, err := s.maps(ctx)
	if err != nil {
		return err
	}
	before, err := maps.Status(ctx, name) // answers at once when no worker would ever take the command
	if err != nil {
		return s.stillGoing(ctx, err, name, "")
	}
	r.Actor = actor()
	report, err := maps.Send(ctx, name, r)
	if err != nil {
		return s.stillGoing(ctx, err, name, string(before.Status))
	}
	if s.program.noWait {
		return s.printOutcome(report, "accepted: ")
	}
	copied := report.Status == tablemap.Initializing
	if report.Status == tablemap.Initializing || report.Status == tablemap.Resuming {
		if report, err = s.await(ctx, name); err != nil {
			return err
		}
	}
	if !copied && s.program.output == outputTable {
		report.InitialSync.Legs = nil // those of an earlier run
	}
	if err := s.printOutcome(report, ""); err != nil {
		return err
	}
	return outcome(report, goal(r.Command))
}

// printOutcome prints where a command has left a map.
func (s *session) printOutcome(r tablemap.Report, prefix string) error {
	p := s.program
	if p.output == outputJSON {
		s.complete(&r, nil)
		return writeJSON(p.out, r)
	}
	fmt.Fprintf(p.out, "%s%s is %s\n", prefix, r.Map, r.Status)
	writeLegs(p.out, r.InitialSync.Legs)
	return nil
}

// commandRelated sends a command to a map and its related maps.
func (s *session) commandRelated(ctx context.Context, command tablemap.Command, name string) error {
	if _, err := s.maps(ctx); err != nil {
		return err
	}
	graph, err := s.dependencies(ctx)
	if err != nil {
		return err
	}
	order := graph.RunningOrder(name, command)
	request := workflows.RelatedRequest{Command: command, Actor: actor()}
	for _, m := range order {
		request.Maps = append(request.Maps, workflows.RelatedMap{Map: m, Related: m != name, Parents: parentsAmong(graph, m, order)})
	}
	return s.several(ctx, request)
}

// several carries out a request for several maps, shows how far it is and prints what became of each.
func (s *session) several(ctx context.Context, request workflows.RelatedRequest) error {
	if _, err := s.temporal.Status(ctx, request.Maps[0].Map); err != nil { // no worker: say so now
		return err
	}
	name := request.Maps[len(request.Maps)-1].Map
	if s.program.noWait {
		run, err := s.temporal.StartRelated(ctx, request)
		if err != nil {
			return err
		}
		return s.printStarted(run.GetID(), request)
	}
	bar := s.program.progress()
	result, err := s.temporal.RunRelated(ctx, request, func(now workflows.RelatedResult) { s.showSeveral(ctx, bar, now) })
	bar.end()
	if ctx.Err() != nil {
		return s.stillGoing(ctx, err, name, "")
	}
	if err != nil && len(result.Maps) == 0 {
		return err
	}
	if printErr := s.printSeveral(result); printErr != nil {
		return printErr
	}
	if failed := relatedOutcome(result); failed != nil {
		return failed
	}
	return err
}

// showSeveral shows the map that is being worked on.
func (s *session) showSeveral(ctx context.Context, bar *progress, now workflows.RelatedResult) {
	for _, m := range now.Maps {
		if m.Outcome == workflows.Going {
			r, err := s.temporal.Status(ctx, m.Map)
			if err == nil {
				bar.show(m.Map, string(r.Status), s.doing(ctx, m.Map, r.Status, bar))
			}
			return
		}
	}
}

func (s *session) printStarted(id string, request workflows.RelatedRequest) error {
	if s.program.output == outputJSON {
		return writeJSON(s.program.out, map[string]string{"workflow": id})
	}
	fmt.Fprintf(s.program.out, "accepted: %s of %s as workflow %s\n", request.Command, plural(int64(len(request.Maps)), "map"), id)
	return nil
}

func (s *session) printSeveral(result workflows.RelatedResult) error {
	if s.program.output == outputJSON {
		return writeJSON(s.program.out, result.Maps)
	}
	t := newTable("MAP", "OUTCOME", "STATUS", "")
	for _, m := range result.Maps {
		why := m.Reason
		if len(m.WaitingFor) > 0 {
			why = "for " + joined(m.WaitingFor)
		}
		t.add(m.Map, string(m.Outcome), dash(string(m.Status)), why)
	}
	t.write(s.program.out, "")
	return nil
}

// actor names who gives a command, for the records of the map.
func actor() string {
	u, err := user.Current()
	if err != nil {
		return "dualwrite"
	}
	return u.Username
}
