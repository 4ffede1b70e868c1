package replication_test

import (
	"math/rand/v2"

	"github.com/dualwrite/dualwrite/tablemap"
)

// plan is what a seed decides before anything happens.
type plan struct {
	master   tablemap.Side
	withSync bool // pre-existing rows, and an initial write; without: both sides begin empty
	stops    bool // maps are stopped and run again
	crashes  bool
	oneWay   bool // column n flows from left to right only
	unique   bool // column u is unique on both sides
	tree     bool // a second map, whose rows the first refers to
	steps    int
	oneSided bool // before the first run only the left side has rows: they may be copied in bulk
	down     bool // nothing flows to the left, where users leave the right side alone
	empties  bool // users of the side that wins empty its table now and then
	forgets  bool // a crash of a database may undo what was committed without waiting for the disk
	letsGo   bool // the databases keep no log while no table is captured
	jumps    bool // seconds pass now and then
	moves    bool // users change keys
	merges   bool // of changes of a key that are applied together only the last is written
	repeats  bool // users write the same few values again and again
	retries  bool // what is held is tried again now and then
	quiet    int  // how many rows of ours make a transaction quiet; 0: none does
	gathers  bool // maps that coalesce read on before they write
	triggers bool // of users, which change nothing in mapped tables
	locks    bool // users keep our writes waiting now and then
	ahead    int  // from so many changes on the next transaction is prepared beside the one before; 0: never
	keep     int  // from so many changes on what was sent is written down with them; 0: never
	pace     int  // users write at every so many calls of a store; 0: 12
	long     bool // so many steps that most initial writes end while users still write
	judged   bool // every change of a row is noted, for the checker of the convergence test
	stretch  int  // changes that a log delivers at once, so that longer transactions are cut; 0: any number
}

// longer is how many times as long a long simulation is.
const longer = 4

func draw(r *rand.Rand, seed uint64) plan {
	flip := func() bool { return r.IntN(2) == 0 }
	p := plan{master: tablemap.Side(r.IntN(2)), withSync: flip(), stops: r.IntN(4) == 0, crashes: flip(),
		oneWay: r.IntN(4) == 0, unique: r.IntN(3) == 0, tree: r.IntN(3) == 0, steps: 100 + r.IntN(400), oneSided: r.IntN(3) == 0}
	late := rand.New(rand.NewPCG(seed, 8)) // what was thought of later is drawn apart, so that a seed stays what it was
	p.down, p.letsGo = late.IntN(6) == 0 && !p.stops, late.IntN(2) == 0
	p.empties = late.IntN(5) == 0 && p.withSync
	p.forgets = late.IntN(3) == 0 && p.crashes
	p.jumps, p.moves = late.IntN(2) == 0, late.IntN(4) == 0
	p.merges, p.repeats, p.retries = late.IntN(5) == 0, late.IntN(4) == 0, late.IntN(2) == 0
	p.quiet = max(0, late.IntN(6)-2)
	p.gathers, p.ahead = late.IntN(2) == 0, late.IntN(4)
	p.triggers, p.locks = late.IntN(3) == 0, late.IntN(3) == 0
	p.stretch = max(0, late.IntN(6)-2)
	p.pace = []int{0, 0, 40, 160}[late.IntN(4)]
	if p.long = late.IntN(3) == 0 && p.withSync; p.long {
		p.steps *= longer
	}
	p.keep = max(0, late.IntN(6)-3)
	return p
}
