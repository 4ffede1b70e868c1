package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// patience is how long the demo waits for what is to happen by itself.
const patience = 30 * time.Second

// teller tells the steps of the story. After the first thing that does not hold it does nothing more, so that a step
// reads from top to bottom; Tell looks after each step. It holds the context because it lives no longer than Tell.
type teller struct {
	ctx         context.Context
	out         io.Writer
	run         Command
	left, right *application
	chapters    int
	err         error
}

// fail notes the first thing that did not hold.
func (t *teller) fail(format string, args ...any) {
	if t.err == nil {
		t.err = fmt.Errorf(format, args...)
	}
}

// chapter begins a step.
func (t *teller) chapter(title string) {
	if t.err == nil {
		t.chapters++
		fmt.Fprintf(t.out, "\n%d. %s\n\n", t.chapters, title)
	}
}

// say tells something.
func (t *teller) say(format string, args ...any) {
	if t.err == nil {
		fmt.Fprintf(t.out, "   "+format+"\n", args...)
	}
}

// holds checks something, and says so.
func (t *teller) holds(ok bool, format string, args ...any) {
	if t.err != nil {
		return
	}
	text := fmt.Sprintf(format, args...)
	if !ok {
		t.fail("this should be so and is not: %s", text)
		return
	}
	fmt.Fprintf(t.out, "   ✓ %s\n", text)
}

// untouched checks that nothing is captured.
func (t *teller) untouched(text string) {
	t.holds(t.number(t.left, t.left.captures()) == 0 && t.number(t.right, t.right.captures()) == 0, "%s", text)
}

// command shows a command line and what it prints, and checks its exit code.
func (t *teller) command(exit int, line string) {
	if t.err != nil {
		return
	}
	fmt.Fprintf(t.out, "   $ dualwrite %s\n", line)
	r := t.run(t.ctx, strings.Fields(line)...)
	for text := range strings.Lines(r.Out + r.Err) {
		fmt.Fprint(t.out, strings.TrimRight("     "+text, " \n")+"\n")
	}
	if r.Exit != exit {
		t.fail("dualwrite %s ended with exit code %d, not %d", line, r.Exit, exit)
	}
}

// ask reads what a command prints with -o json, without showing it.
func (t *teller) ask(v any, line string) {
	if t.err != nil {
		return
	}
	r := t.run(t.ctx, append(strings.Fields(line), "-o", "json")...)
	if err := json.Unmarshal([]byte(r.Out), v); err != nil {
		t.fail("dualwrite %s -o json ended with exit code %d: %s", line, r.Exit, strings.TrimSpace(r.Err))
	}
}

// status is what the demo looks at in `status -o json`.
type status struct {
	Status      string
	Reason      string
	InitialSync struct {
		State string
		Legs  []struct{ Inserted, Updated, Failed int64 }
	}
	Streams []struct{ Queued, Held, Conflicts int64 }
}

func (t *teller) status(name string) status {
	var s status
	t.ask(&s, "status "+name)
	return s
}

// stands checks where a map stands.
func (t *teller) stands(name, want string) status {
	s := t.status(name)
	if t.err == nil && s.Status != want {
		t.fail("%s is %s, not %s: %s", name, s.Status, want, s.Reason)
	}
	return s
}

// write shows statements as typed into the sqlite3 command, and has the application carry them out.
func (t *teller) write(a *application, statements ...string) {
	if t.err != nil {
		return
	}
	for _, s := range statements {
		fmt.Fprintf(t.out, "   $ %s \"%s\"\n", a.tool, s)
	}
	if err := a.write(t.ctx, statements...); err != nil {
		t.fail("%w", err)
	}
}

// rows reads rows; nil after something did not hold.
func (t *teller) rows(a *application, query string) []string {
	if t.err != nil {
		return nil
	}
	all, err := a.read(t.ctx, query)
	if err != nil {
		t.fail("%w", err)
	}
	return all
}

// text reads one value; "" where there is no row.
func (t *teller) text(a *application, query string) string {
	if all := t.rows(a, query); len(all) > 0 {
		return all[0]
	}
	return ""
}

// number reads one number.
func (t *teller) number(a *application, query string) int64 {
	text := t.text(a, query)
	if t.err != nil {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.fail("read a number from %s: %w", a.name, err)
	}
	return n
}

// becomes waits until a query has a value, and returns how long that took.
func (t *teller) becomes(a *application, query, want string) time.Duration {
	const every = time.Millisecond
	began := time.Now()
	for t.err == nil {
		got := t.text(a, query)
		if got == want {
			break
		}
		if time.Since(began) > patience {
			t.fail("%s has %q after %s, not %q: %s", a.name, got, patience, want, query)
		}
		t.wait(every)
	}
	return time.Since(began)
}

// wait waits a little.
func (t *teller) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.ctx.Done():
		t.fail("%w", t.ctx.Err())
	}
}
