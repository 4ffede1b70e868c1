package workflows

import (
	"time"

	"github.com/dualwrite/dualwrite/tablemap"
)

// stateVersion is raised when an older worker could not go on with a State.
const stateVersion = 1

// Limits of what a State carries along.
const (
	keptHandled = 50 // requests remembered, so that a repeated one is not done twice
	keptRefused = 5  // refused commands shown
)

// State is all that a table map's workflow knows: it is carried from one of its runs to the next. Its JSON is in
// Temporal's histories, so fields are only ever added.
type State struct {
	Version    int                  `json:"version"`
	Link       string               `json:"link"`
	Map        string               `json:"map"`
	Config     Configuration        `json:"config"`              // as it was last told
	Definition tablemap.Map         `json:"definition,omitzero"` // of the last run
	Status     tablemap.Status      `json:"status"`
	Since      time.Time            `json:"since"`
	Reason     string               `json:"reason,omitempty"`
	Run        int                  `json:"run"`    // number of the last run, from 1; 0: never run
	Master     tablemap.Side        `json:"master"` // of the last run
	Sync       tablemap.InitialSync `json:"sync"`
	Queueing   bool                 `json:"queueing,omitempty"` // Not running, but changes are queued
	Health     tablemap.Health      `json:"health"`
	Request    string               `json:"request,omitempty"` // id of the command that began the last run
	Inbox      []Request            `json:"inbox,omitempty"`   // not looked at yet, in order of arrival
	Waiting    []Waiter             `json:"waiting,omitempty"` // to be told when the status is one that stays
	Handled    []Handled            `json:"handled,omitempty"` // newest last
	Refused    []RefusedCommand     `json:"refused,omitempty"` // newest last
}

// Configuration is what the config file says about a map, and what is derived from it.
type Configuration struct {
	Sides      [2]string     `json:"sides"`
	Master     tablemap.Side `json:"master"` // default winner of conflicts
	Definition tablemap.Map  `json:"definition"`
	Related    []string      `json:"related,omitempty"` // maps that this one depends on
	Gone       bool          `json:"gone,omitempty"`    // the config no longer has the map
}

// Request is a command to a map. All but Command is optional and is the payload of signals and Updates.
type Request struct {
	Command     tablemap.Command `json:"command,omitempty"` // not in payloads
	ID          string           `json:"requestId,omitempty"`
	Actor       string           `json:"actor,omitempty"`
	Reason      string           `json:"reason,omitempty"`
	InitialSync *bool            `json:"initialSync,omitempty"` // of run; nil: true
	Master      string           `json:"master,omitempty"`      // of run: name of a side; "": the default
	ReplyTo     string           `json:"replyTo,omitempty"`     // workflow to be told of the outcome
}

// Waiter is a workflow that waits for the outcome of a request.
type Waiter struct {
	Request string `json:"request"`
	ReplyTo string `json:"replyTo"`
}

// Handled is a request that has been decided.
type Handled struct {
	ID     string `json:"id"`
	Reason string `json:"reason,omitempty"` // why it was refused; "": it was done
}

// RefusedCommand is a command that changed nothing.
type RefusedCommand struct {
	Command string    `json:"command"`
	Actor   string    `json:"actor,omitempty"`
	At      time.Time `json:"at"`
	Reason  string    `json:"reason"`
}

// Answer is what a map tells the workflow that waits for the outcome of a request.
type Answer struct {
	Request string          `json:"request"`
	Report  tablemap.Report `json:"report"`
	Refused string          `json:"refused,omitempty"` // why the request was refused
	Hint    string          `json:"hint,omitempty"`    // the mend
	Code    string          `json:"code,omitempty"`    // type of the error
	Already bool            `json:"already,omitempty"` // the map was there before
}

// NewState is the state of a map that has never run.
func NewState(link string, config Configuration) State {
	return State{
		Version: stateVersion,
		Link:    link,
		Map:     config.Definition.Name,
		Config:  config,
		Status:  tablemap.NotRunning,
		Master:  config.Master,
		Sync:    tablemap.InitialSync{State: tablemap.SyncNone},
		Health:  tablemap.HealthOK,
	}
}

func (s *State) mapRun() tablemap.MapRun {
	return tablemap.MapRun{Link: s.Link, Map: s.Map, Run: s.Run}
}

func (s *State) handled(id string) (Handled, bool) {
	for _, h := range s.Handled {
		if id != "" && h.ID == id {
			return h, true
		}
	}
	return Handled{}, false
}

func (s *State) remember(id, reason string) {
	if id != "" {
		s.Handled = last(append(s.Handled, Handled{id, reason}), keptHandled)
	}
}

// last returns the n newest elements.
func last[T any](all []T, n int) []T {
	if len(all) > n {
		return all[len(all)-n:]
	}
	return all
}

// Report is what people see of the state, without live counters.
func (s *State) Report() tablemap.Report {
	return tablemap.Report{
		Map:         s.Map,
		Status:      s.Status,
		Since:       s.Since,
		Reason:      s.Reason,
		Actions:     allowed(s),
		Master:      s.Config.Sides[s.Master],
		Related:     append([]string{}, s.Config.Related...),
		InitialSync: s.Sync,
		Health:      s.Health,
		Pending:     s.pending(),
	}
}

// pending says what the config says that the running map does not do yet.
func (s *State) pending() string {
	switch {
	case s.Config.Gone:
		return "the config no longer has this map"
	case s.Status == tablemap.NotRunning && !s.Queueing, s.Run == 0:
		return ""
	case !same(s.Config.Definition, s.Definition):
		return "the config has changed since this run began; it takes effect at the next run"
	}
	return ""
}
