package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dualwrite/dualwrite/starter"
	"github.com/dualwrite/dualwrite/tablemap"
	"github.com/dualwrite/dualwrite/workflows"
)

// await waits until a map has a status that stays, and shows how far it is.
func (s *session) await(ctx context.Context, name string) (tablemap.Report, error) {
	bar := s.program.progress()
	defer bar.end()
	last := tablemap.Report{Map: name}
	report, err := s.temporal.Await(ctx, name, func(r tablemap.Report) {
		last = r
		bar.show(name, string(r.Status), s.doing(ctx, name, r.Status, bar))
	}, tablemap.Running, tablemap.Paused, tablemap.NotRunning)
	if err != nil {
		return last, s.stillGoing(ctx, err, name, string(last.Status))
	}
	return report, nil
}

// doing asks how far a map is, where it is under way and somebody is to see it.
func (s *session) doing(ctx context.Context, name string, status tablemap.Status, bar *progress) doing {
	if bar.style == progressSilent || (status != tablemap.Initializing && status != tablemap.Resuming) {
		return doing{}
	}
	d, err := s.temporal.Doing(ctx, name)
	if err != nil {
		return doing{} // only the numbers are missing
	}
	return d
}

// stillGoing is the error of waiting that was given up, or the one that ended it.
func (s *session) stillGoing(ctx context.Context, err error, name, status string) error {
	if status == "" {
		status = "under way"
	}
	hint := "it was not undone and goes on by itself: see `dualwrite status " + name + "`"
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded), s.program.timeout > 0 && ctx.Err() == nil && outOfTime(err):
		return fail(exitTimeout, "timeout", fmt.Sprintf("%s is still %s after %s%s", name, status, s.program.timeout, s.trouble(name)), hint)
	case errors.Is(ctx.Err(), context.Canceled):
		return fail(exitInterrupted, "interrupted", fmt.Sprintf("stopped waiting; %s is %s and goes on", name, status), hint)
	}
	return err
}

// outOfTime reports whether Temporal has given up, which it does a moment before the time that a command has is over.
func outOfTime(err error) bool {
	var sent *starter.Error
	return errors.Is(err, context.DeadlineExceeded) || (errors.As(err, &sent) && sent.Code == starter.CodeTimeout)
}

// trouble is what keeps a map from what it is about, as Temporal has it: ": " and a clause, or nothing.
func (s *session) trouble(name string) string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) // the caller's is over
	defer cancel()
	d, err := s.temporal.Doing(ctx, name)
	if err != nil || d.Trouble == "" {
		return ""
	}
	return ": " + d.Trouble
}

// outcome says what the status means in which a command has left a map; nil: what was asked for.
func outcome(r tablemap.Report, goal tablemap.Status) error {
	if r.Status == goal {
		return nil
	}
	failed := failedRows(r)
	if r.Status == tablemap.NotRunning && (failed > 0 || r.Health == tablemap.HealthHeld) {
		return rowsFailed(r.Map, failed)
	}
	message := fmt.Sprintf("%s is %s", r.Map, r.Status)
	if r.Reason != "" {
		message += ": " + r.Reason
	}
	return fail(exitError, "failed", message, "see `dualwrite status "+r.Map+"` and `dualwrite check "+r.Map+"`")
}

// rowsFailed is the end of a run whose initial sync failed for some rows; n may be 0 where the number is not known.
func rowsFailed(name string, n int64) *failure {
	message := "the initial sync of " + name + " has failed"
	if n > 0 {
		message = fmt.Sprintf("the initial sync of %s ended with %s", name, plural(n, "failed row"))
	}
	return fail(exitRows, "failed_rows", message,
		fmt.Sprintf("list them with `dualwrite errors %s`, fix the causes, then `dualwrite run %s` again", name, name))
}

// relatedOutcome says how a command on several maps ended; nil: every map is where it should be. What failed for
// another reason than rows comes first.
func relatedOutcome(result workflows.RelatedResult) error {
	var rows, other *failure
	for _, m := range result.Maps {
		if m.Outcome != workflows.Failed {
			continue
		}
		f := mapFailure(m)
		if f.Exit == exitRows {
			rows = first(rows, f)
		} else {
			other = first(other, f)
		}
	}
	if f := first(other, rows); f != nil {
		return f
	}
	return nil
}

func first(a, b *failure) *failure {
	if a != nil {
		return a
	}
	return b
}

// mapFailure explains why one of several maps has failed.
func mapFailure(m workflows.MapResult) *failure {
	if m.FailedRows > 0 {
		return rowsFailed(m.Map, m.FailedRows)
	}
	f := fail(exitError, "failed", m.Map+": "+m.Reason, m.Hint)
	switch m.Code {
	case workflows.ErrorNotAllowed:
		f.Exit, f.Code = exitRefused, "not_allowed"
	case tablemap.ErrorRefused:
		f.Exit, f.Code = exitRefused, "refused"
	case workflows.ErrorMalformed:
		f.Exit, f.Code = exitUsage, "malformed"
	}
	if f.Hint == "" {
		f.Hint = "see `dualwrite status " + m.Map + "`"
	}
	return f
}
