package replication_test

import (
	"fmt"

	"github.com/dualwrite/dualwrite/tablemap"
)

// whole is a user's transaction that wrote several keys that only this side writes: on the other side it is seen with all of
// them, or with none.
type whole struct {
	before, after map[string]int // how far the keys' stories had come
	turns         int            // of the map
}

// wholeness reports whether transactions must be seen whole: not where a row may be held, nor where a map goes to its queue by
// itself, which is played back by rows.
func (w *world) wholeness() bool { return w.solo() && !w.repeats && !w.locks }

// extents are how far the stories of a side's own keys have come.
func (u *users) extents(side tablemap.Side) map[string]int {
	out := make(map[string]int)
	for key, story := range u.story[side] {
		out[key] = len(story)
	}
	return out
}

// expectWhole notes a transaction of a user, if it is to be seen whole.
func (u *users) expectWhole(w *world, side tablemap.Side, before map[string]int) {
	if !w.wholeness() || len(w.maps) != 1 || w.maps[0].state != isLive {
		return
	}
	t := whole{make(map[string]int), make(map[string]int), w.maps[0].turns}
	for key, n := range u.extents(side) {
		if n > before[key] {
			t.before[key], t.after[key] = before[key], n
		}
	}
	if len(t.after) > 1 {
		u.wholes[side] = append(u.wholes[side], t)
	}
}

// checkWhole looks at a side's transactions on the other. A key that is not there does not tell how far it has come.
func (u *users) checkWhole(w *world, owner tablemap.Side, now map[string]string) error {
	kept := u.wholes[owner][:0]
	for _, t := range u.wholes[owner] {
		some, all := false, true
		for key, after := range t.after {
			if now[key] == "" {
				some, all = false, false
				break
			}
			some, all = some || u.told[owner][key] > t.before[key], all && u.told[owner][key] >= after
		}
		switch {
		case t.turns != w.maps[0].turns || all:
		case some:
			return fmt.Errorf("a transaction of %s is torn on the other side: of %v only %v", w.engine.Link.Sides[owner], t.after, u.told[owner])
		default:
			kept = append(kept, t)
		}
	}
	u.wholes[owner] = kept
	return nil
}
