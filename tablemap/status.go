package tablemap

// Status is where a map stands. Statuses are shown to people as they are spelled here.
type Status string

// The statuses. Who moves a map into and out of each is the transition table's business (Transitions).
const (
	NotRunning   Status = "Not running"  // nothing flows; after a failed initial sync changes are still queued
	Initializing Status = "Initializing" // pre-existing rows are being copied both ways; changes are queued
	Running      Status = "Running"      // live in both directions
	Paused       Status = "Paused"       // changes are queued until resume
	Resuming     Status = "Resuming"     // the queue is being played back
)

// Command is what a person asks of a map; signals and Updates carry these names.
type Command string

// The commands.
const (
	Run      Command = "run"
	Pause    Command = "pause"
	Resume   Command = "resume"
	Stop     Command = "stop"
	SkipSync Command = "skip-sync"
	Discard  Command = "discard"
)

// SyncState is the outcome of the last initial sync.
type SyncState string

// The states of an initial sync.
const (
	SyncNone      SyncState = "none"
	SyncRunning   SyncState = "running"
	SyncSucceeded SyncState = "succeeded"
	SyncFailed    SyncState = "failed"
	SyncSkipped   SyncState = "skipped"
)

// Health is the value of the search attribute DualwriteHealth.
type Health string

// The healths, best first.
const (
	HealthOK         Health = "ok"
	HealthCatchingUp Health = "catching-up"
	HealthRetrying   Health = "retrying"
	HealthHeld       Health = "held"
	HealthGap        Health = "gap"
)
