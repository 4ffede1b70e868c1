package tablemap

import "time"

// Report is what `status` and `list` print for a map, and what the query `status` of its workflow returns, the latter
// without the live counters (Streams). Its JSON is a contract with users' scripts.
type Report struct {
	Map         string        `json:"map"`
	Status      Status        `json:"status"`
	Since       time.Time     `json:"since"`
	Reason      string        `json:"reason"` // why it is where it is, when that was not simply a command: a gap, failed rows
	Actions     []Command     `json:"actions"`
	Master      string        `json:"master"` // name of the side
	Related     []string      `json:"related"`
	InitialSync InitialSync   `json:"initialSync"`
	Streams     []StreamStats `json:"streams,omitempty"`

	Health  Health `json:"health,omitempty"`
	Pending string `json:"pending,omitempty"` // says that the config has changed since the run began, or no longer has the map
}

// InitialSync is the last initial sync of a map: its outcome and both its legs, left to right first.
type InitialSync struct {
	State SyncState `json:"state"`
	Legs  []Leg     `json:"legs,omitempty"`
}

// Leg counts what one direction of an initial write did with the rows of its source. Read is the sum of the others.
type Leg struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Read     int64  `json:"read"`
	Inserted int64  `json:"inserted"`
	Updated  int64  `json:"updated"`
	Equal    int64  `json:"equal"`
	Skipped  int64  `json:"skipped"` // left to the queue, or the losing side of a difference
	Failed   int64  `json:"failed"`
}

// StreamStats are the live counters of one map in one direction.
type StreamStats struct {
	From      string `json:"from"`
	To        string `json:"to"`
	Applied   int64  `json:"applied"`
	Queued    int64  `json:"queued"`
	Held      int64  `json:"held"`
	Conflicts int64  `json:"conflicts"`
	LagMs     int64  `json:"lagMs"` // commit on the source to commit on the target, of the last change
}

// Alarm is a reason for which the engine had to take a map out of live writes by itself.
type Alarm struct {
	Kind    AlarmKind `json:"kind"`
	Message string    `json:"message"` // for people; no values of rows
}

// AlarmKind is what happened.
type AlarmKind string

// The kinds of alarms. Gap and Fault end in Not running, Breaker in Paused.
const (
	AlarmNone    AlarmKind = ""
	AlarmGap     AlarmKind = "gap"     // changes may have been lost
	AlarmFault   AlarmKind = "fault"   // the map cannot work as it is defined: a table or column is gone
	AlarmBreaker AlarmKind = "breaker" // too many changes fail
)
