package harness

import "encoding/json"

// Status of a map, as `status` prints it.
type Status string

// The statuses.
const (
	NotRunning   Status = "Not running"
	Initializing Status = "Initializing"
	Running      Status = "Running"
	Paused       Status = "Paused"
	Resuming     Status = "Resuming"
)

// Report is what `status MAP -o json` prints.
type Report struct {
	Map         string   `json:"map"`
	Status      Status   `json:"status"`
	Since       string   `json:"since"`
	Reason      string   `json:"reason"`
	Actions     []string `json:"actions"`
	Master      string   `json:"master"`
	Related     []string `json:"related"`
	InitialSync struct {
		State string `json:"state"`
		Legs  []Leg  `json:"legs"`
	} `json:"initialSync"`
	Streams []Stream `json:"streams"` // from finops, from dataverse
	Health  string   `json:"health"`
	Pending string   `json:"pending"`
}

// Leg is one direction of an initial sync.
type Leg struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Read     int    `json:"read"`
	Inserted int    `json:"inserted"`
	Updated  int    `json:"updated"`
	Equal    int    `json:"equal"`
	Skipped  int    `json:"skipped"`
	Failed   int    `json:"failed"`
}

// Stream is one direction of live writes.
type Stream struct {
	From      string `json:"from"`
	To        string `json:"to"`
	Applied   int    `json:"applied"`
	Queued    int    `json:"queued"`
	Held      int    `json:"held"`
	Conflicts int    `json:"conflicts"`
	LagMs     int    `json:"lagMs"`
}

// Queued are the changes that wait in the queue, from finops and from dataverse.
func (r Report) Queued() [2]int {
	if len(r.Streams) != 2 {
		return [2]int{-1, -1}
	}
	return [2]int{r.Streams[0].Queued, r.Streams[1].Queued}
}

// Failure is one element of what `errors -o json` prints.
type Failure struct {
	ID       int64          `json:"id"`
	Phase    string         `json:"phase"`
	From     string         `json:"from"`
	To       string         `json:"to"`
	Key      map[string]any `json:"key"`
	Column   string         `json:"column"`
	Code     string         `json:"code"`
	Message  string         `json:"message"`
	Values   map[string]any `json:"values"`
	Attempts int            `json:"attempts"`
	At       string         `json:"at"`
}

// Conflict is one element of what `conflicts -o json` prints.
type Conflict struct {
	ID      int64          `json:"id"`
	At      string         `json:"at"`
	Key     map[string]any `json:"key"`
	Winner  string         `json:"winner"`
	Winning map[string]any `json:"winning"`
	Losing  map[string]any `json:"losing"`
}

// Comparison is what `verify -o json` prints.
type Comparison struct {
	Map       string `json:"map"`
	OnlyLeft  int    `json:"onlyLeft"`
	OnlyRight int    `json:"onlyRight"`
	Different int    `json:"different"`
	Equal     int    `json:"equal"`
	OK        bool   `json:"ok"`
}

// Finding is one element of what `check -o json` prints.
type Finding struct {
	Code     string `json:"code"`
	Map      string `json:"map"`
	Side     string `json:"side"`
	Message  string `json:"message"`
	Hint     string `json:"hint"`
	Severity string `json:"severity"`
}

// Related is one element of what `related -o json` prints.
type Related struct {
	Map    string `json:"map"`
	Status Status `json:"status"`
	Reason string `json:"reason"`
}

// Outcome is what became of one map in a command for several.
type Outcome struct {
	Map        string   `json:"map"`
	Outcome    string   `json:"outcome"` // done, already, left alone, failed, waiting
	Status     Status   `json:"status"`
	Reason     string   `json:"reason"`
	WaitingFor []string `json:"waitingFor"`
	FailedRows int      `json:"failedRows"`
}

// Status is where a map stands.
func (l *Link) Status(name string) Report {
	l.t.Helper()
	var r Report
	l.Read(&r, "status", name)
	return r
}

// Await waits until a map has a status.
func (l *Link) Await(name string, want Status) Report {
	l.t.Helper()
	return l.Reaches(name, string(want), func(r Report) bool { return r.Status == want })
}

// AwaitHealth waits until a map has a health.
func (l *Link) AwaitHealth(name, want string) {
	l.t.Helper()
	l.Reaches(name, want, func(r Report) bool { return r.Health == want })
}

// Reaches waits until a map is as it should be. A server or worker that has just been started may leave one question
// without an answer: it is asked again.
func (l *Link) Reaches(name, want string, ok func(Report) bool) Report {
	l.t.Helper()
	var r Report
	var last Result
	done := polled(Patience, func() bool {
		last = l.Try("status", name, "-o", "json")
		r = Report{}
		return last.Exit == 0 && json.Unmarshal([]byte(last.Out), &r) == nil && ok(r)
	})
	if !done {
		l.t.Fatalf("%s is not %s: exit code %d\n%s%s", name, want, last.Exit, last.Out, last.Err)
	}
	return r
}

// Failures are the failed rows of a map.
func (l *Link) Failures(name string, flags ...string) []Failure {
	l.t.Helper()
	var all []Failure
	l.Read(&all, append([]string{"errors", name}, flags...)...)
	return all
}

// Equal checks that both sides of a live map are equal, by its own verify, with nothing queued or held, and returns how
// many rows they have.
func (l *Link) Equal(name string) int {
	l.t.Helper()
	var c Comparison
	l.Read(&c, "verify", name)
	r := l.Status(name)
	if !c.OK || c.OnlyLeft+c.OnlyRight+c.Different > 0 {
		l.t.Fatalf("the sides of %s differ: %+v", name, c)
	}
	for _, s := range r.Streams {
		if s.Queued > 0 || s.Held > 0 {
			l.t.Fatalf("%s: %d queued, %d held from %s", name, s.Queued, s.Held, s.From)
		}
	}
	return c.Equal
}

// Same checks, by the application's own reading, that a query gives the same rows on both sides, and returns them.
func (l *Link) Same(left, right string) []string {
	l.t.Helper()
	a, b := l.Left.Rows(left), l.Right.Rows(right)
	if len(a) != len(b) {
		l.t.Fatalf("finops has %d rows, dataverse %d: %s", len(a), len(b), left)
	}
	for i := range a {
		if a[i] != b[i] {
			l.t.Fatalf("row %d is %q in finops, %q in dataverse: %s", i, a[i], b[i], left)
		}
	}
	return a
}
