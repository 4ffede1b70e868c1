package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/tablemap"
)

const (
	doctorPatience = 20 * time.Second // with Temporal and the workers
	lagTooLong     = time.Minute
	queueLong      = 100_000 // changes
)

func (p *program) doctorCommand() *cobra.Command {
	clean, yes := false, false
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Asks both databases, Temporal and workers what is wrong; worst first, each with its mend",
		Args:  nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if clean && !yes && (!p.terminal.in || p.output == outputJSON) {
				return usage("add --yes; `dualwrite doctor` shows first what it would remove", "nobody can be asked here whether to remove what is left over")
			}
			return p.inSession(cmd, func(ctx context.Context, s *session) error {
				d := &doctor{session: s}
				d.examine(ctx)
				if err := s.printFindings(d.found); err != nil {
					return err
				}
				if clean {
					return d.clean(ctx, yes)
				}
				return d.verdict()
			})
		},
	}
	c.Flags().BoolVar(&clean, "clean", false, "remove what is left over on the databases and no map needs, after asking")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

// doctor collects what is wrong with a link.
type doctor struct {
	session *session
	found   []replication.Finding
	orphans []replication.Orphan
}

// add adds a finding about a map, or with "" about the link.
func (d *doctor) add(code, name, hint, format string, args ...any) {
	d.found = append(d.found, replication.Finding{Severity: ailments()[code], Code: code, Map: name, Hint: hint, Message: fmt.Sprintf(format, args...)})
}

// ailments are the codes of what the doctor itself finds, a contract with users' scripts, with their severities.
func ailments() map[string]string {
	return map[string]string{
		"gap":                 replication.SeverityError,
		"held_rows":           replication.SeverityWarning,
		"initial_sync_failed": replication.SeverityError,
		"lagging":             replication.SeverityWarning,
		"left_over":           replication.SeverityWarning,
		"map_left":            replication.SeverityInfo,
		"map_silent":          replication.SeverityWarning,
		"paused":              replication.SeverityError,
		"queue_long":          replication.SeverityWarning,
		"retrying":            replication.SeverityWarning,
		"stopped":             replication.SeverityError,
	}
}

// trouble adds what kept the doctor from looking further.
func (d *doctor) trouble(err error) {
	f := explain(err)
	d.found = append(d.found, replication.Finding{Severity: replication.SeverityError, Code: f.Code, Hint: f.Hint, Message: f.Message})
}

// examine looks everywhere. What does not answer is a finding, and keeps nothing else from being looked at.
func (d *doctor) examine(ctx context.Context) {
	reports := d.examineTemporal(ctx)
	d.examineDatabases(ctx, reports)
	rank := map[string]int{replication.SeverityError: 0, replication.SeverityWarning: 1, replication.SeverityInfo: 2}
	slices.SortStableFunc(d.found, func(a, b replication.Finding) int { return rank[a.Severity] - rank[b.Severity] })
}

// examineTemporal asks Temporal and the workers about all maps; nil when they do not answer.
func (d *doctor) examineTemporal(ctx context.Context) []tablemap.Report {
	s := d.session
	bounded, cancel := context.WithTimeout(ctx, doctorPatience)
	defer cancel()
	maps, err := s.maps(bounded)
	if err != nil {
		d.trouble(err)
		return nil
	}
	left := s.left(bounded)
	reports, err := maps.List(bounded, append(s.names(), left...))
	if err != nil {
		d.trouble(err)
		return nil
	}
	for _, name := range left {
		d.add("map_left", name, "dualwrite stop "+name+", or put it back into the config", "the map is no longer in the config")
	}
	return reports
}

// examineDatabases asks both databases, and completes what Temporal says about maps with what they say.
func (d *doctor) examineDatabases(ctx context.Context, reports []tablemap.Report) {
	s := d.session
	l, err := s.rows(ctx)
	if err != nil {
		d.trouble(err)
		d.examineMaps(reports)
		return
	}
	d.found = append(d.found, l.Diagnose(ctx)...)
	if slices.ContainsFunc(d.found, func(f replication.Finding) bool { return f.Code == "database_unavailable" }) {
		d.examineMaps(reports)
		return
	}
	if live, err := l.Live(ctx); err != nil {
		d.trouble(err)
	} else {
		for i := range reports {
			s.complete(&reports[i], live)
		}
	}
	d.examineMaps(reports)
	d.examineConfig(ctx, l)
	if reports != nil { // else nobody knows which maps run
		d.examineOrphans(ctx, l, reports)
	}
}

// examineConfig holds the config against the databases. What `check` only warns of at a map is known since it was run.
func (d *doctor) examineConfig(ctx context.Context, l ledgers) {
	findings, err := l.Check(ctx)
	if err != nil {
		d.trouble(err)
		return
	}
	for _, f := range findings {
		if f.Severity == replication.SeverityError || f.Map == "" && f.Severity == replication.SeverityWarning {
			d.found = append(d.found, f)
		}
	}
}

func (d *doctor) examineOrphans(ctx context.Context, l ledgers, reports []tablemap.Report) {
	var err error
	if d.orphans, err = l.Orphans(ctx, busy(reports)); err != nil {
		d.trouble(err)
		return
	}
	for _, o := range d.orphans {
		d.add("left_over", o.Map, "dualwrite doctor --clean removes it", "%s: nothing runs that needs it", o)
	}
}

// busy are the maps that something runs, those that keep what a failed initial sync has made, and those of which nobody can say so.
func busy(reports []tablemap.Report) []string {
	var names []string
	for _, r := range reports {
		if r.Status != tablemap.NotRunning || slices.Contains(r.Actions, tablemap.Discard) {
			names = append(names, r.Map)
		}
	}
	return names
}

func (d *doctor) examineMaps(reports []tablemap.Report) {
	for _, r := range reports {
		d.examineMap(r)
	}
}

// examineMap looks at what is known about one map.
func (d *doctor) examineMap(r tablemap.Report) {
	queued, held, lagMs := totals(r)
	lag := time.Duration(lagMs) * time.Millisecond
	failed := r.InitialSync.State == tablemap.SyncFailed && r.Status != tablemap.Running
	switch {
	case r.Status == "":
		d.add("map_silent", r.Map, "start `dualwrite up` or a worker with this config", "the map does not answer: %s", r.Reason)
	case failed:
		d.add("initial_sync_failed", r.Map, "dualwrite errors "+r.Map+" lists the rows; mend them and dualwrite run "+r.Map+", or go on with skip-sync, or discard",
			"its initial sync failed: %s", orElse(r.Reason, "see its rows"))
	case r.Health == tablemap.HealthGap:
		d.add("gap", r.Map, "dualwrite run "+r.Map+": the initial sync finds what was missed", "%s", orElse(r.Reason, "changes were lost"))
	case r.Status == tablemap.NotRunning && r.Reason != "":
		d.add("stopped", r.Map, "mend the cause, then dualwrite run "+r.Map, "it was stopped: %s", r.Reason)
	case r.Status == tablemap.Paused && r.Reason != "":
		d.add("paused", r.Map, "mend the cause, then dualwrite resume "+r.Map, "it was paused: %s", r.Reason)
	case r.Health == tablemap.HealthRetrying:
		d.add("retrying", r.Map, "see whether a database is down, locked or full; it goes on by itself", "an error that may pass repeats itself: %s", orElse(r.Reason, "see the worker's log"))
	}
	if held > 0 {
		d.add("held_rows", r.Map, "dualwrite errors "+r.Map+" lists them; mend the cause, then dualwrite retry "+r.Map, "%s held", plural(held, "row change"))
	}
	if r.Status == tablemap.Running && lag > lagTooLong {
		d.add("lagging", r.Map, "see whether the side written to is slow or locked", "the last change took %s to arrive", milliseconds(lagMs))
	}
	if queued > queueLong {
		d.add("queue_long", r.Map, "dualwrite resume "+r.Map+" plays them back", "%s queued on the databases", plural(queued, "change"))
	}
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return strings.TrimSuffix(text, ".")
}

func (d *doctor) verdict() error { return verdict(d.found, "doctor", "mend them as said, worst first") }

// clean removes the orphans, after asking. Temporal is asked again just before: a map may have been run meanwhile.
func (d *doctor) clean(ctx context.Context, yes bool) error {
	p := d.session.program
	if len(d.orphans) == 0 {
		if p.output != outputJSON {
			fmt.Fprintln(p.out, "nothing is left over")
		}
		return d.verdict()
	}
	if !yes {
		sure, err := confirm(ctx, p.in, p.err, fmt.Sprintf("Remove %s? [y/N] ", plural(int64(len(d.orphans)), "left-over thing")))
		if err != nil {
			return err
		}
		if !sure {
			fmt.Fprintln(p.out, "nothing was removed")
			return d.verdict()
		}
	}
	return d.remove(ctx)
}

func (d *doctor) remove(ctx context.Context) error {
	s := d.session
	maps, err := s.maps(ctx)
	if err != nil {
		return err
	}
	reports, err := maps.List(ctx, append(s.names(), s.left(ctx)...))
	if err != nil {
		return err
	}
	l, err := s.rows(ctx)
	if err != nil {
		return err
	}
	now, err := l.Orphans(ctx, busy(reports))
	if err != nil {
		return err
	}
	for _, o := range d.orphans {
		if !slices.Contains(now, o) {
			continue
		}
		if err := l.Remove(ctx, o); err != nil {
			return err
		}
		if s.program.output != outputJSON {
			fmt.Fprintf(s.program.out, "removed: %s\n", o)
		}
	}
	return d.verdict()
}
