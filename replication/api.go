package replication

import (
	"errors"
	"time"

	"github.com/dualwrite/dualwrite/tablemap"
)

// Refusal is an error about what a person asked for: it cannot be done as things are. Its words reach the person.
type Refusal struct {
	Message string // one sentence, without values of rows
	Hint    string // the mend
}

func (r *Refusal) Error() string { return r.Message }

// ErrNoDefinition means that a map has never been run.
var ErrNoDefinition = errors.New("map has never been run")

// MapLive is what the ledgers say about one map right now.
type MapLive struct {
	Streams [2]tablemap.StreamStats // left to right first
	Modes   [2]string               // of each side: off, queue or live
	Alarm   tablemap.Alarm
}

// ErrorQuery selects failed rows; zero fields select all.
type ErrorQuery struct {
	Map           string
	Phase         string // initial, live or replay
	Code          string
	Limit, Offset int
}

// RowFailure is one failed row, as `errors` prints it.
type RowFailure struct {
	ID       int64          `json:"id"`
	Phase    string         `json:"phase"`
	From     string         `json:"from"`
	To       string         `json:"to"`
	Key      map[string]any `json:"key"`
	Column   string         `json:"column"`
	Code     string         `json:"code"`
	Message  string         `json:"message"`
	Values   map[string]any `json:"values"` // in the columns of the side the row comes from
	Attempts int64          `json:"attempts"`
	At       time.Time      `json:"at"`
}

// Conflict is one conflict, as `conflicts` prints it; images are in the columns of the side each comes from.
type Conflict struct {
	ID      int64          `json:"id"`
	At      time.Time      `json:"at"`
	Key     map[string]any `json:"key"`
	Winner  string         `json:"winner"`
	Winning map[string]any `json:"winning"`
	Losing  map[string]any `json:"losing"`
}

// RetryResult counts held rows.
type RetryResult struct {
	Tried   int64 `json:"tried"`
	Applied int64 `json:"applied"`
	Left    int64 `json:"left"`
}

// VerifyMode says what Verify does about differences.
type VerifyMode string

// The modes of Verify.
const (
	Compare VerifyMode = "compare"
	Repair  VerifyMode = "repair" // by the master's values
)

// VerifyResult is what `verify` prints.
type VerifyResult struct {
	Map       string `json:"map"`
	OnlyLeft  int64  `json:"onlyLeft"`
	OnlyRight int64  `json:"onlyRight"`
	Different int64  `json:"different"`
	Equal     int64  `json:"equal"`
	OK        bool   `json:"ok"`
}

// Finding is one result of a check.
type Finding struct {
	Code     string `json:"code"`
	Map      string `json:"map"`
	Side     string `json:"side"` // name of the side; "" when it concerns both
	Message  string `json:"message"`
	Hint     string `json:"hint"`
	Severity string `json:"severity"`
}
