package replication_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/dualwrite/dualwrite/e2e/checker"
	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/memory"
	"github.com/dualwrite/dualwrite/tablemap"
)

// TestSimulationJudged has simulations judged by what judges the convergence test on real databases: by what triggers have noted
// of every change of every row. Their users write as the applications there do.
func TestSimulationJudged(t *testing.T) {
	t.Parallel()
	simulations(t, max(1, number(t, "N", 2000)/4), forChecker)
}

// forChecker leaves a plan what the checker can judge: each change is carried across by itself, and none is held.
func forChecker(p *plan) {
	p.judged, p.withSync, p.pace = true, true, max(40, p.pace)
	if !p.long {
		p.long, p.steps = true, p.steps*longer
	}
	for _, feature := range []*bool{&p.stops, &p.oneWay, &p.unique, &p.tree, &p.down, &p.empties, &p.merges, &p.repeats, &p.moves} {
		*feature = false
	}
}

// notes is the table of a side in which its trigger notes changes of rows.
const notes = "notes"

// marks begin what each side's users write.
var marks = [2]string{"L", "R"}

// token is what a row has that nothing else was written with: the count, which the row's number is, too.
func (u *users) token(side tablemap.Side) string { return marks[side] + strconv.Itoa(u.count) }

// part gives a row that is about to be deleted a token of its own, and returns it as it is then; "": there is none.
func (u *users) part(side tablemap.Side, tx *memory.User, where memory.Values) (string, error) {
	n := namesOf(side)
	u.count++
	if _, err := tx.Update(n.rows, where, memory.Values{n.v: store.Str(u.token(side) + checker.Tombstone), n.n: store.Int(int64(u.count))}); err != nil {
		return "", err
	}
	rows, err := tx.Get(n.rows, where)
	return show(rows), err
}

// noted adds the trigger that notes changes of the first table given, and its table.
func (w *world) noted(side tablemap.Side, all []memory.Table) []memory.Table {
	cell := func(row store.Row, at int) string {
		if row == nil {
			return ""
		}
		return row[at].S
	}
	note := func(u *memory.User, key, was, is string) error {
		w.noteID++
		return u.Insert(notes, memory.Values{"id": store.Int(int64(w.noteID)), "key": store.Str(key), "was": store.Str(was), "now": store.Str(is)})
	}
	rows := &all[0]
	rows.Triggers = []memory.Trigger{{Name: notes, After: func(u *memory.User, _ store.Op, old, row store.Row) error {
		from, to := cell(old, 0), cell(row, 0)
		if from == to {
			return note(u, from, cell(old, 1), cell(row, 1))
		}
		var err error
		if from != "" {
			err = note(u, from, cell(old, 1), "")
		}
		if err == nil && to != "" {
			err = note(u, to, "", cell(row, 1))
		}
		return err
	}}}
	return append(all, memory.Table{Name: notes, Key: []string{"id"}, Columns: []memory.Column{{Name: "id", Type: number64(), NotNull: true},
		{Name: "key", Type: words()}, {Name: "was", Type: words()}, {Name: "now", Type: words()}}})
}

// checker hands over what has come of a simulation.
func (w *world) checker() error {
	judged := &checker.Run{Master: int(w.master),
		Writers: func(_, key string) checker.Writers { return checker.Writers{Side: strings.Index("lr", key[:1])} },
		Live: func(token string) bool {
			n, err := strconv.Atoi(strings.Trim(token, marks[0]+marks[1]+checker.Tombstone))
			return err == nil && n > w.users.live
		},
		Rest: func(token string) string { return strings.Trim(token, marks[0]+marks[1]+checker.Tombstone) + "|u|" }}
	for side, db := range w.dbs {
		s := &judged.Sides[side]
		s.Name, s.Prefix = w.engine.Link.Sides[side], marks[side]
		for _, row := range db.Rows(notes) {
			s.Events = append(s.Events, checker.Event{Key: row[1].S, Old: row[2].S, New: row[3].S})
		}
		for key, row := range w.rows(tablemap.Side(side)) {
			cells := strings.SplitN(row, "|", 3)
			s.Rows = append(s.Rows, checker.Row{Key: key, Token: cells[1], Rest: cells[2]})
		}
		for _, row := range db.LedgerRows(store.ConflictTable) {
			key, err := store.DecodeRow(row[2].S)
			if err != nil {
				return err
			}
			losing, err := store.DecodeRow(row[4].S)
			if err != nil {
				return err
			}
			if losing != nil {
				judged.Losses = append(judged.Losses, checker.Loss{Key: key[0].S, Token: losing[1].S})
			}
		}
	}
	if wrong := judged.Check(); len(wrong) > 0 {
		return fmt.Errorf("the checker: %s", strings.Join(wrong, "\n"))
	}
	return nil
}
