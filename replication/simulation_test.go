package replication_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/memory"
	"github.com/dualwrite/dualwrite/tablemap"
)

// TestSimulation drives the real engine on two databases in memory through seeded interleavings of users, streams,
// commands and crashes. Users' writes happen between the engine's steps and inside them, at every call of a store. It
// proves for each seed: when the writing ends the engine comes to rest (no storm of conflicts), both sides are equal
// but for rows that are named as held, every row is one that a user wrote, and a key that only one side writes is never
// changed there by us, and takes its values on the other side in the order in which they were written.
//
// SEED and N choose other seeds (make simulate); a failing one prints the command that runs it alone.
func TestSimulation(t *testing.T) {
	t.Parallel()
	simulations(t, number(t, "N", 2000), func(*plan) {})
}

// simulations runs so many seeds, with plans that are changed.
func simulations(t *testing.T, n int, change func(*plan)) {
	t.Helper()
	first := number(t, "SEED", 1)
	const share = 250
	for start := first; start < first+n; start += share {
		t.Run(fmt.Sprintf("from %d", start), func(t *testing.T) {
			t.Parallel()
			for seed := start; seed < min(start+share, first+n); seed++ {
				if err := simulateAs(seed, change); err != nil {
					t.Errorf("seed %d: %v\nmake simulate SEED=%d N=1", seed, err, seed)
					t.Log(shrunk(seed, change))
					return // what this has to tell is enough
				}
			}
		})
	}
}

// TestSimulationKept runs seeds that have shown a defect of its own kind, each with what it was. Those found before users
// changed keys are run as they were then.
func TestSimulationKept(t *testing.T) {
	t.Parallel()
	eighth := func(p *plan) { p.keep = 0 }
	seventh := func(p *plan) {
		eighth(p)
		if p.pace = 0; p.long {
			p.steps /= longer
		}
	}
	sixth := func(p *plan) { seventh(p); p.stretch = 0 }
	fifth := func(p *plan) { sixth(p); p.ahead, p.triggers, p.locks = 0, false, false }
	fourth := func(p *plan) { fifth(p); p.gathers = false }
	third := func(p *plan) { fourth(p); p.quiet = 0 }
	second := func(p *plan) { third(p); p.merges, p.repeats, p.retries = false, false, false }
	first := func(p *plan) { second(p); p.jumps, p.moves = false, false }
	parted := func(p *plan) {
		*p = plan{steps: 378, letsGo: true, jumps: true, moves: true, merges: true, retries: true, gathers: true, ahead: 3, pace: 160, stretch: 2}
	}
	for _, kept := range []struct {
		seed   int
		as     func(*plan)
		defect string
	}{
		{3005538, first, "who had played back some deletes of a TRUNCATE was taken to have seen it"},
		{9497, first, "a copy went by a note that a crash of the server undid, with the queue that it stood for"},
		{2258, first, "the same, in another way"},
		{921997, first, "sums of two rows with each other's values were equal"},
		{304, second, "a change of a key lost at the new key, and the row of the old one was not sent, for the stamp of an earlier change"},
		{2221, third, "a held change that stood for several had the stamp of the first, so that the row it lost to was not sent"},
		{6026590, third, "a retry of the old key settled a change of the key that had come to be held since"},
		{7013793, fourth, "after a restart the echo of an echo was not judged by the first, which had been forgotten meanwhile"},
		{679, fourth, "what was sent again was forgotten by what the log told only after the row that it decided about"},
		{21017279, sixth, "the transaction that turned a map to its queue for a lock said that what it queued was applied"},
		{21000377, sixth, "changes from a queue were merged though the other side's row came between them"},
		{21029894, sixth, "each TRUNCATE of a paused map doubled its queue"},
		{20099982, seventh, "a long transaction stayed open whose last stretch was read ahead and asked for nothing"},
		{70000353, eighth, "a part of a long transaction did not know what the parts before it had sent again"},
		{3579, parted, "the same"},
		{2325, second, "a retry left a row alone whose key a held row had had meanwhile"},
	} {
		if err := simulateAs(kept.seed, kept.as); err != nil {
			t.Errorf("seed %d (%s): %v", kept.seed, kept.defect, err)
		}
	}
}

func number(t *testing.T, name string, usual int) int {
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, name)
	return n
}

// world is one simulation.
type world struct {
	plan
	rand    *rand.Rand
	late    *rand.Rand // for what was thought of later
	latest  *rand.Rand // and later still
	newest  *rand.Rand // and last
	locked  [2]int     // how often our writes to a side still have to wait
	ctx     context.Context
	nowMs   int64
	dbs     [2]*memory.Database
	engine  *replication.Engine
	streams [2]*replication.Stream
	maps    []*controller
	users   *users
	story   *story
	tape    *tape                               // of what chance decides; nil: none
	calls   func(side tablemap.Side, op string) // of a store, in worlds that a test makes
	hooked  bool                                // inside a hook: hooks do not nest
	ending  bool                                // the writing has ended
	peace   bool                                // it has, long ago: what keeps others from coming to rest ends, too
	waited  bool                                // something was held for a reference, which is tried again without being asked for
	taken   int                                 // steps of the engine
	noteID  int                                 // of the last note of a change
	broken  error
}

// simulateAs runs a seed, with a plan that is changed.
func simulateAs(seed int, change func(*plan)) error {
	_, err := run(seed, change)
	return err
}

// run returns how many steps the engine took, too.
func run(seed int, change func(*plan)) (taken int, err error) {
	p, sources := begin(seed)
	change(&p)
	w := newWorld(p, sources, newStory())
	err = w.play()
	return w.taken, err
}

// sources are where the chances of a world come from: those that were there first, and what was thought of later.
type sources [4]rand.Source

// begin is what a seed decides, and where all else that it decides comes from.
func begin(seed int) (plan, sources) {
	var all sources
	for i, stream := range []uint64{7, 9, 10, 11} {
		all[i] = rand.NewPCG(uint64(seed), stream)
	}
	return draw(rand.New(all[0]), uint64(seed)), all
}

func newWorld(p plan, from sources, s *story) *world {
	return &world{plan: p, rand: rand.New(from[0]), late: rand.New(from[1]), latest: rand.New(from[2]), newest: rand.New(from[3]),
		ctx: context.Background(), nowMs: 1_000_000, story: s}
}

// play runs the simulation.
func (w *world) play() error {
	if err := w.build(); err != nil {
		return err
	}
	w.users.begin(w)
	for range w.steps {
		w.tape.next()
		if err := w.step(); err != nil {
			return err
		}
	}
	w.tape.next()
	w.ending = true
	for _, c := range w.maps {
		c.want = wantLive
	}
	if err := w.settle(); err != nil {
		return err
	}
	return w.check()
}

// BenchmarkSimulation tells how many steps the engine takes in a second of one core.
func BenchmarkSimulation(b *testing.B) {
	steps, seed := 0, 0
	for b.Loop() {
		seed++
		n, err := run(seed, func(*plan) {})
		if err != nil {
			b.Fatal(err)
		}
		steps += n
	}
	b.ReportMetric(float64(steps)/b.Elapsed().Seconds(), "steps/s")
}

// build makes the databases and the maps.
func (w *world) build() error {
	w.users = newUsers(w)
	for side := range w.dbs {
		w.dbs[side] = memory.New(memory.Options{OnCall: func(op string) error { return w.hook(tablemap.Side(side), op) },
			Clock: func() int64 { return w.nowMs }, CopyRows: 3, QuietRows: w.quiet, LetsGo: w.letsGo, Forgets: w.forgets, Batch: w.stretch})
		all := tables(w.plan, tablemap.Side(side))
		if w.judged {
			all = w.noted(tablemap.Side(side), all)
		}
		if err := w.dbs[side].Create(all...); err != nil {
			return err
		}
	}
	link := tablemap.Link{Name: "sim", Sides: [2]string{"left", "right"}, Master: w.master, Maps: mapsOf(w.plan)}
	w.engine = &replication.Engine{Link: link, Stores: [2]store.Store{w.dbs[0].Store(), w.dbs[1].Store()},
		Now: func() time.Time { return time.UnixMilli(w.nowMs) }}
	if w.gathers {
		w.engine.Flood = 1
	}
	w.engine.Ahead, w.engine.Keep = w.ahead, w.keep
	for _, m := range link.Maps {
		w.maps = append(w.maps, &controller{world: w, def: m, want: wantLive})
	}
	return nil
}

// hook is called inside the engine's steps, at every call of a store.
func (w *world) hook(side tablemap.Side, op string) error {
	if w.hooked {
		return nil
	}
	w.hooked = true
	defer func() { w.hooked = false }()
	if op == "committed" || op == "fenced" {
		w.story.commit(w, side)
	}
	if op == "committed" && w.broken == nil {
		w.broken = w.users.observe(w, side)
	}
	if w.ending {
		return nil
	}
	if op == "begin" && w.forgets && w.late.IntN(200) == 0 { // between what was read and the transaction that goes by it
		w.forget(side)
	}
	if w.rand.IntN(cmp.Or(w.pace, 12)) == 0 {
		w.users.act(w, tablemap.Side(w.rand.IntN(2)))
	}
	if w.crashes && w.rand.IntN(400) == 0 {
		return store.Transient(errors.New("the connection is lost"))
	}
	if w.locks && strings.HasPrefix(op, "apply") && w.waits(side) {
		return store.Busy(errors.New("a user has locked the table"))
	}
	return nil
}

// step lets someone do something.
func (w *world) step() error {
	w.nowMs += int64(w.rand.IntN(20))
	if w.jumps && w.latest.IntN(12) == 0 {
		w.nowMs += int64(w.latest.IntN(4000))
	}
	if w.forgets && w.late.IntN(8) == 0 {
		w.dbs[w.late.IntN(2)].Sync()
	}
	if w.retries && w.latest.IntN(40) == 0 && w.held() > 0 {
		if err := w.beginRetry(); err != nil {
			return w.first(err)
		}
	}
	switch n := w.rand.IntN(100); {
	case n < 30:
		w.users.act(w, tablemap.Side(w.rand.IntN(2)))
	case n < 65:
		_, err := w.stream(tablemap.Side(w.rand.IntN(2)))
		return w.first(err)
	case n < 97:
		_, err := w.maps[w.rand.IntN(len(w.maps))].step()
		return w.first(err)
	case w.crashes:
		w.crash()
	}
	return w.broken
}

func (w *world) first(err error) error {
	if w.broken != nil {
		return w.broken
	}
	return err
}

// crash ends what is open on one database, or everything that the worker keeps in memory.
func (w *world) crash() {
	if n := w.rand.IntN(3); n < 2 {
		if w.forgets && w.late.IntN(2) == 0 {
			w.forget(tablemap.Side(n))
			return
		}
		w.dbs[n].Crash()
		return
	}
	w.streams = [2]*replication.Stream{}
	w.dbs[0].Abort()
	w.dbs[1].Abort()
	for _, c := range w.maps {
		c.forget()
	}
}

func (w *world) forget(side tablemap.Side) {
	w.story.tell("database %d forgets", side)
	w.dbs[side].Forget()
	w.users.forget(side)
}

// stream lets one direction do one step. After an error that another attempt may mend there will be another attempt.
func (w *world) stream(from tablemap.Side) (replication.Outcome, error) {
	var err error
	w.taken++
	outcome := replication.Moved
	if w.streams[from] == nil {
		attached, err := w.engine.Attached(w.ctx)
		if err != nil || len(attached) == 0 {
			return replication.Idle, mendable(err)
		}
		w.streams[from], err = w.engine.NewStream(w.ctx, from)
		if err != nil {
			w.streams[from] = nil
		}
		return replication.Moved, mendable(err)
	}
	// A second attempt begins while the first still runs. In the end a log that comes in small stretches, or is long, would never be read.
	if w.crashes && w.rand.IntN(60) == 0 && !(w.ending && w.stretch > 0) && !w.peace {
		stale := w.streams[from]
		if w.streams[from], err = w.engine.NewStream(w.ctx, from); err != nil {
			w.streams[from] = nil
			w.dbs[from.Other()].Abort() // the first may have been in the middle of a transaction
			return outcome, mendable(err)
		}
		if _, err := stale.Step(w.ctx); err != nil && !errors.Is(err, store.ErrFenced) {
			return outcome, mendable(err)
		}
		return outcome, nil
	}
	if outcome, err = w.streams[from].Step(w.ctx); err != nil {
		w.streams[from] = nil
		w.story.tell("stream from %d ends: %v", from, err)
	}
	return outcome, mendable(err)
}

// mendable swallows the errors after which a worker begins another attempt.
func mendable(err error) error {
	if errors.Is(err, store.ErrTransient) || errors.Is(err, store.ErrFenced) {
		return nil
	}
	return err
}
