package replication

import "github.com/dualwrite/dualwrite/store"

// Limits after which a row that the databases change in turn counts as a loop.
const (
	loopTimes = 3
	loopMs    = 60_000
	loopKeys  = 10_000 // keys remembered
)

// loopGuard notices rows that never settle: what one database makes of our write comes to the other, which makes
// something else of it, and so on.
type loopGuard map[echoKey]loopCount

type loopCount struct {
	sinceMs int64
	n       int
}

// turns counts an effect of a write of ours on a key; true when there have been too many lately.
func (g loopGuard) turns(k echoKey, nowMs int64) bool {
	c, known := g[k]
	if !known && len(g) >= loopKeys {
		clear(g)
	}
	if !known || nowMs-c.sinceMs > loopMs {
		c = loopCount{sinceMs: nowMs}
	}
	c.n++
	g[k] = c
	return c.n > loopTimes
}

// loopFault holds a change that is part of a loop.
func loopFault() *fault {
	return &fault{code: store.CodeLoop, text: "the row changes with every write, by triggers on both sides: it came back more than 3 times in a minute; " +
		"take the column that they change out of the map, or let one of them be, then retry"}
}
