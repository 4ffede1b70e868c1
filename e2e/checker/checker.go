// Package checker judges what two databases have come to after they were written on both sides, by what triggers noted of
// every change of a row. It knows the promises of docs/reliability.md and nothing of how they are kept: it shares no code
// with the engine.
//
// What it asks of the applications: every row has a token, a word that no other write has, which begins with its side's
// prefix; who deletes a row gives it a token that ends in Tombstone first, in the same transaction. Then the last event of a
// key tells its state, by whom it was made, and what that application had seen when it made it: the state before, on its own
// side. From there the causes of any state can be followed back, across both sides.
package checker

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Tombstone ends the token that a row has when it is deleted.
const Tombstone = "x"

// Event is one change of one row, as a trigger noted it on one side.
type Event struct {
	Table, Key string
	Old, New   string // tokens; "": there is no row
}

// Row is a row in the end.
type Row struct {
	Table, Key, Token string
	Rest              string // its other columns, which follow from the token: see Run.Rest
}

// Side is one database in the end.
type Side struct {
	Name   string
	Prefix string  // of the tokens of its applications
	Events []Event // in the order of the writes to each key
	Rows   []Row
}

// Loss is the token of an image that a conflict has lost, as the list of conflicts has it.
type Loss struct{ Table, Key, Token string }

// Run is what is judged.
type Run struct {
	Sides  [2]Side
	Master int // the index of the side that wins
	Losses []Loss
	// Writers tells who has written a key.
	Writers func(table, key string) Writers
	// Live reports whether a token was written after the initial write had ended: only then is each change carried across
	// by itself.
	Live func(token string) bool
	// Rest is what the other columns of a row with a token must be.
	Rest func(token string) string
}

// Writers is who has written a key.
type Writers struct {
	Side int // which alone has; -1: both have
	// Held tells that changes may have failed for a while, since the row refers to others or they to it: what is tried again
	// later is the row as it is then.
	Held bool
}

// place is a key of a table.
type place struct{ table, key string }

func (p place) String() string { return p.table + " " + p.key }

// gone is the state of a key whose row was deleted as it was, since the side that was asked to send it had none.
const gone = "-"

// state names what a key is after an event: the token of its row, or of the row that was deleted, after a minus.
func (e Event) state() string {
	switch {
	case e.New != "":
		return e.New
	case strings.HasSuffix(e.Old, Tombstone):
		return "-" + e.Old
	}
	return gone
}

// story is what happened to one key.
type story struct {
	run   *Run
	at    place
	saw   map[string]string // per state made by an application: the state that it had seen
	sides [2][]Event
	own   [2]map[string]bool // states that the side's applications have made
}

// Check returns what is wrong; nothing: all promises were kept.
func (r *Run) Check() []string {
	var wrong []string
	stories := make(map[place]*story)
	at := func(p place) *story {
		if stories[p] == nil {
			stories[p] = &story{run: r, at: p, saw: make(map[string]string), own: [2]map[string]bool{{}, {}}}
		}
		return stories[p]
	}
	for i, side := range r.Sides {
		for _, e := range side.Events {
			s := at(place{e.Table, e.Key})
			s.sides[i] = append(s.sides[i], e)
		}
	}
	losses := make(map[place][]string)
	for _, l := range r.Losses {
		p := place{l.Table, l.Key}
		losses[p] = append(losses[p], l.Token)
	}
	differ := r.equal()
	for p := range differ {
		at(p)
	}
	for _, p := range slices.SortedFunc(maps.Keys(stories), compare) {
		s := stories[p]
		s.trace()
		before := len(wrong)
		wrong = append(wrong, differ[p]...)
		for _, check := range []func(losses []string) []string{s.invented, s.alone, s.master, s.accounted} {
			for _, text := range check(losses[p]) {
				wrong = append(wrong, p.String()+": "+text)
			}
		}
		if len(wrong) > before {
			wrong = append(wrong, s.String())
		}
	}
	return wrong
}

func compare(x, y place) int { return strings.Compare(x.String(), y.String()) }

// equal compares the rows of both sides, and each row with what its token says.
func (r *Run) equal() map[place][]string {
	wrong := make(map[place][]string)
	say := func(p place, format string, args ...any) {
		wrong[p] = append(wrong[p], p.String()+": "+fmt.Sprintf(format, args...))
	}
	var rows [2]map[place]Row
	for i, side := range r.Sides {
		rows[i] = make(map[place]Row)
		for _, row := range side.Rows {
			p := place{row.Table, row.Key}
			rows[i][p] = row
			if want := r.Rest(row.Token); row.Rest != want {
				say(p, "%s has %q beside token %s, not %q", side.Name, row.Rest, row.Token, want)
			}
		}
	}
	for p, row := range rows[0] {
		if other, ok := rows[1][p]; !ok || other != row {
			say(p, "%s has %v, %s has %v", r.Sides[0].Name, row, r.Sides[1].Name, other)
		}
	}
	for p, row := range rows[1] {
		if _, ok := rows[0][p]; !ok {
			say(p, "only %s has %v", r.Sides[1].Name, row)
		}
	}
	return wrong
}

// String is the last of the story, for people.
func (s *story) String() string {
	const most = 60
	var out strings.Builder
	for i, events := range s.sides {
		fmt.Fprintf(&out, "  %s:", s.run.Sides[i].Name)
		for _, e := range events[max(0, len(events)-most):] {
			fmt.Fprintf(&out, " %s>%s", e.Old, e.New)
		}
		out.WriteString("\n")
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// trace finds out which states applications have made, each where it appears first on its own side, and what they had seen.
func (s *story) trace() {
	for i, events := range s.sides {
		before := ""
		for _, e := range events {
			now := e.state()
			if strings.HasPrefix(strings.TrimPrefix(now, "-"), s.run.Sides[i].Prefix) && !s.own[i][now] {
				s.own[i][now] = true
				s.saw[now] = before
			}
			before = now
		}
	}
}

// invented finds states that nobody has made.
func (s *story) invented([]string) []string {
	var wrong []string
	for i, events := range s.sides {
		for _, e := range events {
			now := e.state()
			if s.own[0][now] || s.own[1][now] || now == gone && (s.deletedBy(1-i) || s.run.Writers(s.at.table, s.at.key).Held) {
				continue
			}
			wrong = append(wrong, fmt.Sprintf("%s had %q after %q, which nobody wrote", s.run.Sides[i].Name, now, e.Old))
		}
	}
	return wrong
}

// deletedBy reports whether the applications of a side have deleted the row at some time.
func (s *story) deletedBy(side int) bool {
	for state := range s.own[side] {
		if strings.HasPrefix(state, "-") {
			return true
		}
	}
	return false
}

// alone checks a key that one side alone writes: each of its changes was made on the other side, once, in order, and nothing
// else was; none came back; there was no conflict.
func (s *story) alone(losses []string) []string {
	who := s.run.Writers(s.at.table, s.at.key)
	from := who.Side
	if from < 0 {
		return nil
	}
	var wrong []string
	if len(losses) > 0 && !who.Held { // a retry may send back what its writer has overwritten meanwhile: docs/reliability.md
		wrong = append(wrong, fmt.Sprintf("%v lost a conflict, though nobody else writes the key", losses))
	}
	if who.Held {
		return append(wrong, s.inOrder(from)...)
	}
	sent, made := s.live(from), s.live(1-from)
	for n := range max(len(sent), len(made)) {
		if n < len(sent) && n < len(made) && sent[n] == made[n] {
			continue
		}
		of := func(events []Event) string {
			if n < len(events) {
				return fmt.Sprintf("%q to %q", events[n].Old, events[n].New)
			}
			return "nothing"
		}
		return append(wrong, fmt.Sprintf("change %d was %s on %s and %s on %s", n, of(sent), s.run.Sides[from].Name, of(made), s.run.Sides[1-from].Name))
	}
	return wrong
}

// inOrder checks that what the other side has come to is some of what the key's writer has made, in order, and its end. What is
// tried again is the row as it is then, perhaps ahead of changes that are still on their way: after it the other side may go back to
// these, but never to what it had before.
func (s *story) inOrder(from int) []string {
	sent, next, back := s.live(from), 0, 0 // back: what follows on the state before the last one
	find := func(first, end int, now string) int {
		for n := first; n < end; n++ {
			if sent[n].state() == now || now == gone && sent[n].New == "" {
				return n
			}
		}
		return -1
	}
	for _, e := range s.live(1 - from) {
		now := e.state()
		n := find(next, len(sent), now)
		if n > next {
			back = next
		} else if n == next {
			back = n + 1
		} else if n = find(back, next-1, now); n < 0 {
			return []string{fmt.Sprintf("%s came to %s out of order, or again", now, s.run.Sides[1-from].Name)}
		}
		next = n + 1
	}
	return nil
}

// live are the events of a side after the initial write.
func (s *story) live(side int) []Event {
	var out []Event
	for _, e := range s.sides[side] {
		if s.run.Live(cmp.Or(e.New, e.Old)) {
			out = append(out, e)
		}
	}
	return out
}

// master checks that what the side that wins has written gave way only to who had seen it.
func (s *story) master([]string) []string {
	events := s.sides[s.run.Master]
	var wrong []string
	last, before := "", ""
	for _, e := range events {
		now := e.state()
		switch {
		case s.own[s.run.Master][now]:
			last = now
		case last == "", s.follows(now, last), s.follows(now, before), strings.HasPrefix(before, "-") && s.sawNothing(now):
		default:
			wrong = append(wrong, fmt.Sprintf("%s gave way to %s, whose author had not seen it", last, now))
		}
		before = now
	}
	return wrong
}

// follows reports whether who made a state had seen another, or somebody who had.
func (s *story) follows(state, earlier string) bool {
	for steps := 0; state != "" && steps <= len(s.saw); steps++ {
		if state == earlier {
			return true
		}
		state = s.saw[state]
	}
	return false
}

// sawNothing reports whether a state, or that from which its author made it step by step, was made where there was no row. A
// row that is absent again looks like one that never was.
func (s *story) sawNothing(state string) bool {
	for steps := 0; steps <= len(s.saw); steps++ {
		saw := s.saw[state]
		if saw == "" || strings.HasPrefix(saw, "-") {
			return true
		}
		state = saw
	}
	return false
}

// accounted checks that each write of the side that does not win has either come to the other or is on the list of conflicts.
func (s *story) accounted(losses []string) []string {
	loser := 1 - s.run.Master
	if s.run.Writers(s.at.table, s.at.key).Held {
		return nil // what was tried again stands for those before it
	}
	come := make(map[string]bool)
	for _, e := range s.sides[s.run.Master] {
		come[e.New] = true
	}
	var wrong []string
	for _, e := range s.sides[loser] {
		if e.New == "" || !s.own[loser][e.New] || !s.run.Live(e.New) || come[e.New] || slices.Contains(losses, e.New) {
			continue
		}
		wrong = append(wrong, fmt.Sprintf("%s of %s has neither come to %s nor lost a conflict", e.New, s.run.Sides[loser].Name, s.run.Sides[s.run.Master].Name))
	}
	return wrong
}
