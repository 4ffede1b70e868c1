package replication

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// This file turns rows of the ledger into structs and back: the only place that knows the order of their columns.

// The modes of a map on a side.
const (
	modeOff   = "off"
	modeQueue = "queue"
	modeLive  = "live"
)

// mode is a map's row in the table mode.
type mode struct {
	Map     string
	Mode    string
	Run     int
	Master  tablemap.Side
	Synced  bool // an initial sync is complete
	Request string
}

func (m mode) row() store.Row {
	return store.Row{store.Str(m.Map), store.Str(m.Mode), store.Int(int64(m.Run)), store.Int(int64(m.Master)),
		flag(m.Synced), store.Str(m.Request)}
}

func modeOf(r store.Row) mode {
	return mode{r[0].S, r[1].S, int(r[2].Int64()), tablemap.Side(r[3].Int64()), r[4].Int64() != 0, r[5].S}
}

func flag(b bool) store.Value {
	if b {
		return store.Int(1)
	}
	return store.Int(0)
}

// The phases in which a change can fail, as users see them.
const (
	phaseInitial = "initial"
	phaseLive    = "live"
	phaseReplay  = "replay"
)

// The kinds of queued and held changes.
const (
	kindChange = "change" // of a user
	kindResend = "resend" // the source's row as it was when the reader came by

	kindRetry       = "retry"        // a resend that a person asked for: what is held of its key gives way
	kindRetryInsert = "retry insert" // likewise, of a row under a generated key
)

// entry is a row of the queue, or the payload of a held change. Images are in the source's columns (flow.source);
// Key and NewKey are those of the target, where the source's could be translated.
type entry struct {
	ID       int64
	Map      string
	Position store.Position
	Seen     store.Position
	Kind     string
	Key      string
	NewKey   string
	Before   string
	After    string
	AtMs     int64
}

func (e entry) row() store.Row {
	return store.Row{store.Int(e.ID), store.Str(e.Map), store.Str(string(e.Position)), store.Str(string(e.Seen)),
		store.Str(e.Kind), blob(e.Key), blob(e.NewKey), blob(e.Before), blob(e.After), store.Int(e.AtMs)}
}

func entryOf(r store.Row) entry {
	return entry{r[0].Int64(), r[1].S, store.Position(r[2].S), store.Position(r[3].S), r[4].S, r[5].S, r[6].S, r[7].S,
		r[8].S, r[9].Int64()}
}

// sent is a row of the table sent. The key is that of the side that it is kept on. Of a map's rows the last has the latest position.
type sent struct {
	ID       int64
	Map      string
	Key      string
	Position store.Position
}

func (s sent) row() store.Row {
	return store.Row{store.Int(s.ID), store.Str(s.Map), blob(s.Key), store.Str(string(s.Position))}
}

func sentOf(r store.Row) sent {
	return sent{r[0].Int64(), r[1].S, r[2].S, store.Position(r[3].S)}
}

// held is a row of the table held.
type held struct {
	entry
	Phase    string
	Code     store.Code
	Column   string
	Message  string
	Attempts int64
}

func (h held) row() store.Row {
	return store.Row{store.Int(h.ID), store.Str(h.Map), store.Str(h.Phase), store.Str(string(h.Position)),
		store.Str(string(h.Seen)), store.Str(h.Kind), blob(h.Key), blob(h.NewKey), blob(h.Before), blob(h.After),
		store.Str(string(h.Code)), store.Str(h.Column), store.Str(h.Message), store.Int(h.Attempts), store.Int(h.AtMs)}
}

func heldOf(r store.Row) held {
	return held{
		entry: entry{r[0].Int64(), r[1].S, store.Position(r[3].S), store.Position(r[4].S), r[5].S, r[6].S, r[7].S,
			r[8].S, r[9].S, r[14].Int64()},
		Phase: r[2].S, Code: store.Code(r[10].S), Column: r[11].S, Message: r[12].S, Attempts: r[13].Int64()}
}

// stat is a row of the table stat: counters of one map on the side it is written to.
type stat struct {
	Map                             string
	Applied, Conflicts, LagMs, AtMs int64
}

func (s stat) row() store.Row {
	return store.Row{store.Str(s.Map), store.Int(s.Applied), store.Int(s.Conflicts), store.Int(s.LagMs), store.Int(s.AtMs)}
}

func statOf(r store.Row) stat {
	return stat{r[0].S, r[1].Int64(), r[2].Int64(), r[3].Int64(), r[4].Int64()}
}

// clash is a row of the table conflict. Winning is in the columns of the winner's side (of the flow from there), Losing
// in those of the other.
type clash struct {
	ID              int64
	Map             string
	Key             string // on the side that keeps the row
	Winning, Losing string
	AtMs            int64
	Restored        bool
	Run             int
	Winner          tablemap.Side
}

func (c clash) row() store.Row {
	return store.Row{store.Int(c.ID), store.Str(c.Map), blob(c.Key), blob(c.Winning), blob(c.Losing), store.Int(c.AtMs),
		flag(c.Restored), store.Int(int64(c.Run)), store.Int(int64(c.Winner))}
}

func clashOf(r store.Row) clash {
	return clash{r[0].Int64(), r[1].S, r[2].S, r[3].S, r[4].S, r[5].Int64(), r[6].Int64() != 0, int(r[7].Int64()),
		tablemap.Side(r[8].Int64())}
}

// resendRow asks for a row. Of a conflict seen is what the change that lost had seen of this side, of a retry the last change
// that was held when it was asked for.
func resendRow(mapName, key string, retry retryKind, seen store.Position) store.Row {
	return store.Row{store.Int(0), store.Str(mapName), blob(key), store.Int(int64(retry)), store.Str(string(seen))}
}

func alarmRow(mapName string, a tablemap.Alarm, atMs int64) store.Row {
	return store.Row{store.Str(mapName), store.Str(string(a.Kind)), store.Str(a.Message), store.Int(atMs)}
}

func blob(s string) store.Value { return store.Value{Kind: store.Blob, S: s} }

// byMap is a query for the rows of one map.
func byMap(table, mapName string) store.Query {
	return store.Query{Table: table, Where: []store.Cond{store.Where("map", store.Eq, store.Str(mapName))}}
}

// and adds a condition to a query.
func and(q store.Query, column string, is store.Comparison, v store.Value) store.Query {
	q.Where = append(q.Where[:len(q.Where):len(q.Where)], store.Where(column, is, v))
	return q
}

// in adds the condition that a column has one of the values.
func in(q store.Query, column string, values []store.Value) store.Query {
	q.Where = append(q.Where[:len(q.Where):len(q.Where)], store.Cond{Column: column, Is: store.In, Values: values})
	return q
}

func strs(texts []string) []store.Value {
	out := make([]store.Value, len(texts))
	for i, s := range texts {
		out[i] = store.Str(s)
	}
	return out
}

// modes reads the mode rows of the maps named, or of all.
func modes(ctx context.Context, r store.Reader, maps ...string) (map[string]mode, error) {
	rows, err := r.Select(ctx, modesOf(maps...))
	if err != nil {
		return nil, fmt.Errorf("read modes: %w", err)
	}
	out := make(map[string]mode, len(rows))
	for _, row := range rows {
		m := modeOf(row)
		out[m.Map] = m
	}
	return out, nil
}

func modesOf(maps ...string) store.Query {
	q := store.Query{Table: store.ModeTable}
	if len(maps) > 0 {
		q = in(q, "map", strs(maps))
	}
	return q
}

// definition reads a map's definition of one run.
func definition(ctx context.Context, r store.Reader, mapName string, run int) (*Definition, error) {
	q := and(byMap(store.DefinitionTable, mapName), "run", store.Eq, store.Int(int64(run)))
	rows, err := r.Select(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("read definition of map %s: %w", mapName, err)
	}
	if len(rows) == 0 {
		return nil, ErrNoDefinition
	}
	def := new(Definition)
	if err := json.Unmarshal([]byte(rows[0][2].S), def); err != nil {
		return nil, fmt.Errorf("read definition of map %s: %w", mapName, err)
	}
	return def, nil
}
