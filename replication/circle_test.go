package replication_test

import (
	"context"
	"testing"
	"time"

	"math/rand/v2"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/memory"
	"github.com/dualwrite/dualwrite/tablemap"
)

// newCircle makes a link of two maps whose tables refer to each other, and of one whose rows refer to rows of their own
// table: departments have a head, employees have a department and a manager.
func newCircle(t *testing.T) *world {
	t.Helper()
	w := &world{rand: rand.New(rand.NewPCG(1, 1)), ctx: context.Background(), story: newStory(), hooked: true, ending: true}
	link := tablemap.Link{Name: "circle", Sides: [2]string{"left", "right"}, Master: tablemap.Right}
	for _, name := range []string{"departments", "employees"} {
		link.Maps = append(link.Maps, tablemap.Map{Name: name, Tables: [2]string{name, name}})
	}
	for side := range w.dbs {
		w.dbs[side] = memory.New(memory.Options{CopyRows: 3, Clock: func() int64 { return w.nowMs }})
		column := func(name string) memory.Column { return memory.Column{Name: name, Type: words()} }
		key := memory.Column{Name: "id", Type: words(), NotNull: true}
		require.NoError(t, w.dbs[side].Create(
			memory.Table{Name: "departments", Key: []string{"id"}, Columns: []memory.Column{key, column("head")},
				ForeignKeys: []memory.ForeignKey{{Columns: []string{"head"}, Table: "employees", References: []string{"id"}}}},
			memory.Table{Name: "employees", Key: []string{"id"}, Columns: []memory.Column{key, column("department"), column("manager")},
				ForeignKeys: []memory.ForeignKey{{Columns: []string{"department"}, Table: "departments", References: []string{"id"}},
					{Columns: []string{"manager"}, Table: "employees", References: []string{"id"}}}}))
	}
	w.engine = &replication.Engine{Link: link, Stores: [2]store.Store{w.dbs[0].Store(), w.dbs[1].Store()},
		Now: func() time.Time { return time.UnixMilli(w.nowMs) }}
	for _, m := range link.Maps {
		w.maps = append(w.maps, &controller{world: w, def: m, want: wantLive, state: isOff})
	}
	w.plan.withSync = true
	return w
}

// people writes two departments whose heads work there, and whose heads manage each other, on one side.
func (w *world) people(t *testing.T, side tablemap.Side, prefix string) {
	t.Helper()
	id := func(s string) store.Value { return store.Str(prefix + s) }
	require.NoError(t, w.dbs[side].Exec(func(u *memory.User) error {
		for _, d := range []string{"d1", "d2"} {
			if err := u.Insert("departments", memory.Values{"id": id(d)}); err != nil {
				return err
			}
		}
		for _, e := range []string{"e1", "e2", "e3", "e4", "e5"} {
			if err := u.Insert("employees", memory.Values{"id": id(e), "department": id("d1")}); err != nil {
				return err
			}
		}
		for e, m := range map[string]string{"e1": "e2", "e2": "e1", "e3": "e4", "e4": "e5"} {
			if _, err := u.Update("employees", memory.Values{"id": id(e)}, memory.Values{"manager": id(m)}); err != nil {
				return err
			}
		}
		for d, h := range map[string]string{"d1": "e1", "d2": "e5"} {
			if _, err := u.Update("departments", memory.Values{"id": id(d)}, memory.Values{"head": id(h)}); err != nil {
				return err
			}
		}
		return nil
	}))
}

func TestMapsThatReferToEachOtherInACircleAreLoaded(t *testing.T) {
	t.Parallel()
	w := newCircle(t)
	w.people(t, tablemap.Left, "l")
	w.people(t, tablemap.Right, "r")
	for _, c := range w.maps { // one after the other, as RunRelated does
		for range 2000 {
			if c.state == isLive {
				break
			}
			_, err := c.step()
			require.NoError(t, err)
			for side := range w.dbs {
				_, err := w.stream(tablemap.Side(side))
				require.NoError(t, err)
			}
		}
		require.Equal(t, isLive, c.state, c.def.Name)
		require.Zero(t, c.failed, c.def.Name)
	}
	require.NoError(t, w.settle())
	require.Zero(t, w.held())
	for _, table := range []string{"departments", "employees"} {
		require.Equal(t, w.dbs[0].Rows(table), w.dbs[1].Rows(table))
	}
	require.Len(t, w.dbs[0].Rows("employees"), 10)
	for _, row := range w.dbs[1].Rows("departments") {
		require.False(t, row[1].IsNull(), "department %s has lost its head", row[0].S)
	}
}
