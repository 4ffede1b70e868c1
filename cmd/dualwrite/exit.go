package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/starter"
	"github.com/dualwrite/dualwrite/store"
)

// The exit codes, a contract with users' scripts.
const (
	exitDone        = 0
	exitError       = 1
	exitUsage       = 2 // usage or config
	exitRefused     = 3 // the status does not allow it
	exitRows        = 4 // done, with rows that failed or differ
	exitTimeout     = 5
	exitInterrupted = 130 // Ctrl-C, as shells have it
)

// failure is how a command ends when not by success: the exit code, a code for scripts, one sentence and its mend.
type failure struct {
	Exit    int        `json:"-"`
	Code    string     `json:"code"`
	Message string     `json:"message"`
	Hint    string     `json:"hint"`
	also    []*failure // others of the same kind
}

func (f *failure) Error() string { return f.Message }

func fail(exit int, code, message, hint string) *failure {
	return &failure{Exit: exit, Code: code, Message: sentence(message), Hint: hint}
}

func usage(hint, format string, args ...any) *failure {
	return fail(exitUsage, "usage", fmt.Sprintf(format, args...), hint)
}

// explain finds out what an error means for whoever gave the command.
func explain(err error) *failure {
	var (
		known   *failure
		sent    *starter.Error
		refusal *replication.Refusal
		wrong   *store.MapError
	)
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &sent):
		return fail(exitOf(sent.Code), string(sent.Code), sent.Message, sent.Hint)
	case errors.As(err, &refusal):
		return fail(exitRefused, string(starter.CodeRefused), refusal.Message, refusal.Hint)
	case errors.Is(err, replication.ErrNoDefinition):
		return fail(exitRefused, string(starter.CodeNotAllowed), err.Error(), "run it first: dualwrite run MAP")
	case errors.Is(err, context.DeadlineExceeded):
		return fail(exitTimeout, string(starter.CodeTimeout), "no answer in time", "give it longer with --timeout")
	case errors.Is(err, context.Canceled):
		return fail(exitInterrupted, "interrupted", "interrupted", "")
	case errors.As(err, &wrong):
		return fail(exitError, "map", err.Error(), "see what `dualwrite check` finds")
	case errors.Is(err, store.ErrTransient):
		return fail(exitError, "database_unavailable", err.Error(), "see that both databases run and their URLs are right, then try again")
	}
	return fail(exitError, "error", err.Error(), "")
}

// sentence puts the lines of an error into one; drivers tell an attempt in each.
func sentence(message string) string {
	var parts []string
	for line := range strings.Lines(message) {
		if part := strings.TrimSpace(line); part != "" && !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	for i, part := range parts[:max(0, len(parts)-1)] {
		if !strings.HasSuffix(part, ":") {
			parts[i] += ";"
		}
	}
	return strings.Join(parts, " ")
}

func exitOf(c starter.Code) int {
	switch c {
	case starter.CodeNotAllowed, starter.CodeRefused:
		return exitRefused
	case starter.CodeMalformed:
		return exitUsage
	case starter.CodeTimeout:
		return exitTimeout
	}
	return exitError
}

// print writes a failure as the output format has it.
func (f *failure) print(w io.Writer, o output, warnings []string) {
	if o == outputJSON {
		all := map[string]any{"error": f}
		if len(f.also) > 0 {
			all["also"] = f.also
		}
		if len(warnings) > 0 {
			all["warnings"] = warnings
		}
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		_ = e.Encode(all) // standard error is gone: nobody is left to tell
		return
	}
	fmt.Fprintln(w, "error: "+f.Message)
	if f.Hint != "" {
		fmt.Fprintln(w, "  "+f.Hint)
	}
	for _, other := range f.also {
		other.print(w, o, nil)
	}
}
