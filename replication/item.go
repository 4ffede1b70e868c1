package replication

import (
	"hash/fnv"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// item is one thing that a stream has read from the log and that concerns the other side.
type item struct {
	kind     itemKind
	state    *mapState // of the map concerned; nil for a note
	change   store.Change
	rows     []*store.Change // of a check: rows, or keys of rows
	before   store.Row       // images in the columns of flow.source
	after    store.Row
	position store.Position
	restart  store.Position // from where the log has to be read again to meet the item again
	seen     store.Position // of a user's change: what its side had seen of the other. Of the others: the stamp of their transaction
	latest   store.Position // of one change that stands for several: what the side of the last of them had seen
	writer   string         // of a note or an echo
	seq      int64
	retry    retryKind // of a resend: asked for by a person
	effect   bool      // of a change: the database made it of a write of ours
	atMs     int64
}

type itemKind int

const (
	itemChange   itemKind = iota // a user's change
	itemEcho                     // a row of ours that may have crossed a change of this side
	itemWrote                    // the same of a row that is not in the log: before is its key alone
	itemResend                   // a request to send a row as it is
	itemCheck                    // rows of a copy: did users change them meanwhile?
	itemNote                     // a note of a copy was met
	itemTruncate                 // a TRUNCATE that is carried across
	itemRemove                   // what it does to a row of the target
	itemLost                     // the map's columns are gone or a TRUNCATE was met: the map has to stop
)

// key is the key of the row before the change, or where there was none, after it.
func (it *item) key() store.Row {
	if it.before != nil {
		return it.state.flow.source.KeyOf(it.before)
	}
	if it.after != nil {
		return it.state.flow.source.KeyOf(it.after)
	}
	return nil
}

// newKey is the key of the row after the change, when it differs.
func (it *item) newKey() store.Row {
	if it.before == nil || it.after == nil {
		return nil
	}
	if k := it.state.flow.source.KeyOf(it.after); !k.Equal(it.key()) {
		return k
	}
	return nil
}

// keys are the encoded keys of the source row that the item touches: one, or two when the key changes.
func (it *item) keys() []string {
	keys := []string{store.EncodeRow(it.key())}
	if k := it.newKey(); k != nil {
		keys = append(keys, store.EncodeRow(k))
	}
	return keys
}

// lost says to people why the map has to stop.
func (it *item) lost() string {
	table := "table " + it.change.Table
	switch applies := it.state.def.Map.Truncate == tablemap.TruncateApply; {
	case it.change.Op != store.Truncate:
		return "a mapped column of " + table + " is gone; run the map again"
	case applies && !it.state.flow.overwrites():
		return table + " was truncated, on the side that does not win; run the map again, and the rows come back"
	case applies:
		return table + " was truncated before an initial write was complete; run the map again"
	}
	return table + " was truncated; run the map again, or set `truncate: apply` for the next time"
}

// keyHash names a key in an end row.
func keyHash(key store.Row) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(store.EncodeRow(key)))
	return h.Sum64()
}

// mapState is what a stream knows of a map: what the log of its source has told so far. The exported fields are kept
// in the target's ledger (table flow).
type mapState struct {
	Run    int            `json:"run"`
	Master int            `json:"master"`
	Since  store.Position `json:"since,omitempty"`  // where the run begins in the log of the source
	Source string         `json:"source"`           // the map's mode on the source side, at this place of its log
	Seen   store.Position `json:"seen,omitempty"`   // what the source has applied of the target's changes while Source is not live
	Floor  store.Position `json:"floor,omitempty"`  // of the last TRUNCATE: which rows it deleted is not remembered
	Pruned store.Position `json:"pruned,omitempty"` // those up to here may be forgotten: the other side knew them

	name    string
	def     *Definition
	flow    *flow
	horizon store.Position // largest stamp met of what the other side has seen of this one
	decided store.Position // what it was when the items before it had all been decided about
	layout  []string       // columns of the changes that places was made for
	places  []int          // position in a change's row of each column of flow.source
	inOrder bool           // they are the change's own
	dirty   bool
	recent  window
	holds   bool // something was held in the last transaction, if only to wait behind what was
}

// attached reports whether changes of the source count.
func (m *mapState) attached() bool {
	return m.Source != "" && m.Source != modeOff && m.flow != nil && m.flow.flows()
}

// window remembers which of the last changes failed.
type window struct {
	failed [windowSize]bool
	n      int
	count  int
}

const (
	windowSize  = 1000
	windowFails = windowSize / 20 // of the last 1,000 changes: then the breaker trips
	heldLimit   = 1000
)

func (w *window) add(failed bool) {
	i := w.n % windowSize
	if w.n >= windowSize && w.failed[i] {
		w.count--
	}
	w.failed[i] = failed
	if failed {
		w.count++
	}
	w.n++
}

// tripped reports whether too many of the last changes failed.
func (w *window) tripped() bool { return w.n >= windowSize && w.count > windowFails }
