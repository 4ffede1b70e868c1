package replication_test

import (
	"fmt"
	"io"
	"os"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// story prints what happens in a simulation, for whoever looks into a failing seed: TRACE=1 make simulate SEED=… N=1.
type story struct {
	on   bool
	out  io.Writer
	told [2]map[string]bool // markers
}

func newStory() *story {
	return &story{on: os.Getenv("TRACE") != "", out: os.Stdout, told: [2]map[string]bool{{}, {}}}
}

func (s *story) tell(format string, args ...any) {
	if s.on {
		_, _ = fmt.Fprintf(s.out, format+"\n", args...)
	}
}

// commit tells what a side holds after a transaction of ours, and its new markers.
func (s *story) commit(w *world, side tablemap.Side) {
	if !s.on {
		return
	}
	db := w.dbs[side]
	if w.tree {
		s.tell("ours on %d: groups %v", side, db.Rows(namesOf(side).groups))
	}
	for _, table := range []string{store.HeldTable, store.QueueTable} {
		for _, r := range db.LedgerRows(table) {
			s.tell("    %s on %d: %v", table, side, r)
		}
	}
	s.tell("ours on %d: %v, queue %d, held %d", side, w.rows(side), len(db.LedgerRows(store.QueueTable)), len(db.LedgerRows(store.HeldTable)))
	for _, r := range db.LedgerRows(store.MarkerTable) {
		id := fmt.Sprint(r[0].S, r[1].S, r[2].S)
		if !s.told[side][id] {
			s.told[side][id] = true
			s.tell("    %s %s %s at %q %s", r[0].S, r[1].S, r[2].S, r[3].S, r[5].S)
		}
	}
}

// end tells what is left in the ledgers.
func (s *story) end(w *world) {
	if !s.on {
		return
	}
	for side, db := range w.dbs {
		for _, table := range []string{store.HeldTable, store.FlowTable, store.ModeTable, store.MetTable, store.ConflictTable, store.ResendTable, store.SentTable, store.ReplayedTable} {
			for _, r := range db.LedgerRows(table) {
				s.tell("%d %s: %v", side, table, r)
			}
		}
	}
}
