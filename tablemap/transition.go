package tablemap

import (
	"fmt"
	"slices"
	"strings"
)

// Situation is what decides, beside a command, what becomes of a map.
type Situation struct {
	Status   Status
	Queueing bool // Not running after a failed initial sync: changes are still queued
}

// Condition restricts a transition.
type Condition string

// The conditions.
const (
	Always    Condition = ""
	WhileIdle Condition = "idle"     // nothing is queued
	WhileKept Condition = "queueing" // a failed initial sync still queues
)

// holds reports whether the situation is as the condition says.
func (c Condition) holds(at Situation) bool {
	return c == Always || (c == WhileKept) == at.Queueing
}

// Transition is one row of the transition table: a command in a status leads to another status.
type Transition struct {
	From    Status
	Command Command
	When    Condition
	Clears  bool // only for a run that clears the initial sync
	To      Status
}

// Transitions is the transition table of commands, in the order in which they are shown to people. A command that is
// not listed for a status is not allowed there.
func Transitions() []Transition {
	return []Transition{
		{From: NotRunning, Command: Run, To: Initializing},
		{From: NotRunning, Command: Run, When: WhileIdle, Clears: true, To: Running},
		{From: NotRunning, Command: Run, When: WhileKept, Clears: true, To: Resuming},
		{From: NotRunning, Command: SkipSync, When: WhileIdle, To: Running},
		{From: NotRunning, Command: SkipSync, When: WhileKept, To: Resuming},
		{From: NotRunning, Command: Discard, When: WhileKept, To: NotRunning},
		{From: Running, Command: Pause, To: Paused},
		{From: Running, Command: Stop, To: NotRunning},
		{From: Paused, Command: Run, To: Resuming},
		{From: Paused, Command: Resume, To: Resuming},
	}
}

// Departure is a change of status that no command asks for.
type Departure struct {
	From Status
	To   Status
	Why  string // for people
}

// Departures are the ways in which a map changes its status by itself.
func Departures() []Departure {
	return []Departure{
		{Initializing, Running, "all rows are copied and the queue is empty"},
		{Initializing, NotRunning, "rows failed, or the run was cancelled"},
		{Running, NotRunning, "its log has a gap, or a table or column is gone"},
		{Running, Paused, "too many changes fail"},
		{Resuming, Running, "the queue is empty"},
		{Resuming, Paused, "the replay was cancelled"},
	}
}

// Actions are the commands that are allowed in a situation.
func Actions(at Situation) []Command {
	actions := []Command{}
	for _, t := range Transitions() {
		if t.From == at.Status && t.When.holds(at) && !slices.Contains(actions, t.Command) {
			actions = append(actions, t.Command)
		}
	}
	return actions
}

// Options are what a command may carry.
type Options struct {
	InitialSync *bool  // nil: yes
	Master      string // name of a side; "": the default
}

func (o Options) given() bool { return o.InitialSync != nil || o.Master != "" }

func (o Options) clears() bool { return o.InitialSync != nil && !*o.InitialSync }

// Next is the status that a command leads to, or why it is not allowed: a sentence for people.
func Next(at Situation, c Command, o Options) (Status, error) {
	actions := Actions(at)
	if !slices.Contains(actions, c) {
		return "", fmt.Errorf("%s is not allowed while %s; allowed: %s", c, at.Status, join(actions))
	}
	if o.given() && (c != Run || at.Status == Paused) {
		return "", fmt.Errorf("%s of a map that is %s takes no options", c, at.Status)
	}
	for _, t := range Transitions() {
		if t.From == at.Status && t.Command == c && t.When.holds(at) && t.Clears == o.clears() {
			return t.To, nil
		}
	}
	return "", fmt.Errorf("%s is not allowed while %s", c, at.Status)
}

func join(actions []Command) string {
	if len(actions) == 0 {
		return "nothing until that has ended"
	}
	names := make([]string, len(actions))
	for i, c := range actions {
		names[i] = string(c)
	}
	return strings.Join(names, ", ")
}
