package tablemap

import "context"

// Activities is what the workflows ask of the engine: the seam between them. Package workflows reaches it by method
// expressions, so that the compiler checks inputs and results, and package activities implements it. It has nine
// methods because it is the list of everything a workflow can have done. No row data passes through it.
type Activities interface {
	// Attach puts a map under capture on both sides, in mode queue, as run number Run. Asking twice is harmless.
	// A map that cannot run as it is configured is an application error of type ErrorRefused, not retryable.
	Attach(ctx context.Context, in AttachRequest) (AttachResult, error)
	// InitialCopy copies pre-existing rows both ways. It heartbeats CopyProgress. Rows that failed are counted, not errors.
	InitialCopy(ctx context.Context, in MapRun) (CopyResult, error)
	// Replay plays back the queues of both directions and turns the map live in both. It heartbeats ReplayProgress.
	// Rows that fail are held, with what has to wait behind them.
	Replay(ctx context.Context, in MapRun) (ReplayResult, error)
	// LiveWrites supervises a live map until it is cancelled or an alarm ends it. It heartbeats LiveProgress.
	LiveWrites(ctx context.Context, in MapRun) (LiveResult, error)
	// Pause turns a map to mode queue on both sides.
	Pause(ctx context.Context, in MapRun) error
	// Stop takes a map off both sides: mode off, capture released, queue and held changes dropped.
	Stop(ctx context.Context, in MapRun) error
	// Discard gives up what a failed initial sync has kept: mode off, capture released, queue dropped; errors stay readable.
	Discard(ctx context.Context, in MapRun) error
	// Stream moves changes from one side to the other until it is cancelled. It heartbeats StreamProgress. It returns
	// when no map of the link is attached any more.
	Stream(ctx context.Context, in StreamRequest) (StreamResult, error)
	// EnsureLink sees to it that the link's workflow runs.
	EnsureLink(ctx context.Context, in LinkRequest) error
}

// Types of application errors that activities return.
const (
	ErrorRefused = "Refused" // the map cannot run as it is configured; message and mend for people
	ErrorGap     = "Gap"     // a log has lost changes
	ErrorFenced  = "Fenced"  // another attempt of the same activity has taken over
	ErrorFault   = "Fault"   // a table or column of the map is gone or has changed
)

// MapRun names one run of one map.
type MapRun struct {
	Link string `json:"link"`
	Map  string `json:"map"`
	Run  int    `json:"run"` // counts from 1; a rerun after a failed initial sync keeps its number
}

// AttachRequest asks for a run to begin.
type AttachRequest struct {
	MapRun
	Definition Map    `json:"definition"`
	Master     Side   `json:"master"`
	Request    string `json:"request,omitempty"` // id of the command
}

// AttachResult tells what was attached.
type AttachResult struct {
	Warnings []string `json:"warnings,omitempty"` // findings that do not prevent the run
}

// CopyResult is the outcome of an initial write: both legs, left to right first.
type CopyResult struct {
	Legs   []Leg `json:"legs"`
	Failed int64 `json:"failed"` // rows on the list of errors, all legs
}

// CopyProgress is the heartbeat of InitialCopy. Total estimates the rows to read on both sides.
type CopyProgress struct {
	Legs  []Leg `json:"legs"`
	Total int64 `json:"total"`
}

// ReplayResult is the outcome of a replay.
type ReplayResult struct {
	Applied int64 `json:"applied"`
}

// ReplayProgress is the heartbeat of Replay.
type ReplayProgress struct {
	Applied int64 `json:"applied"`
	Left    int64 `json:"left"`
}

// LiveProgress is the heartbeat of LiveWrites: left to right first.
type LiveProgress struct {
	Streams []StreamStats `json:"streams"`
	Health  Health        `json:"health"`
}

// LiveResult says why live writes ended by themselves.
type LiveResult struct {
	Alarm Alarm `json:"alarm"`
}

// StreamRequest names one direction of a link.
type StreamRequest struct {
	Link string `json:"link"`
	From Side   `json:"from"`
	Look bool   `json:"look,omitempty"` // whether any map is attached, before anything else
}

// StreamProgress is the heartbeat of Stream.
type StreamProgress struct {
	Applied int64 `json:"applied"`
	LagMs   int64 `json:"lagMs"`
}

// StreamResult is the outcome of a stream.
type StreamResult struct {
	Alarm Alarm `json:"alarm"` // a gap; AlarmNone when no map is attached any more
}

// LinkRequest names a link, with what its workflow needs to start.
type LinkRequest struct {
	Link  string    `json:"link"`
	Sides [2]string `json:"sides"`
}
