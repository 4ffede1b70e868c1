package replication_test

import (
	"errors"
	"fmt"

	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/tablemap"
)

// controller does for one map what its workflow does.
type controller struct {
	*world
	def     tablemap.Map
	want    want
	state   state
	run     int
	turns   int // how often the state has changed
	copying *replication.Copy
	failed  int64 // of the last initial write
	replays []*replication.Replay
	behind  []tablemap.Side // from which the replays are; nil: from both
}

type want int

const (
	wantLive want = iota
	wantPaused
	wantOff
)

type state int

const (
	isOff state = iota
	isCopying
	isReplaying
	isLive
	isPausing
	isPaused
	isStopping
)

// forget loses what a worker keeps in memory.
func (c *controller) forget() { c.copying, c.replays = nil, nil }

// step does the next piece of what is wanted.
func (c *controller) step() (replication.Outcome, error) {
	c.wish()
	c.taken++
	was := c.state
	defer func() {
		if c.state != was {
			c.turns++
		}
	}()
	switch c.state {
	case isOff:
		return c.begin()
	case isCopying:
		return c.copy()
	case isReplaying:
		return c.replay()
	case isLive:
		return c.leave()
	case isPausing:
		return c.finish(c.engine.Pause(c.ctx, c.def.Name), isPaused)
	case isStopping:
		return c.finish(c.engine.Stop(c.ctx, c.def.Name), isOff)
	case isPaused:
		if c.want == wantLive {
			c.state = isReplaying
			return replication.Moved, nil
		}
	}
	return replication.Idle, nil
}

// wish changes a person's mind now and then.
func (c *controller) wish() {
	if c.ending || c.rand.IntN(25) != 0 {
		return
	}
	switch c.state {
	case isLive:
		c.want = wantPaused
		if c.stops && c.rand.IntN(2) == 0 {
			c.want = wantOff
		}
	case isPaused, isOff:
		c.want = wantLive
	}
}

func (c *controller) begin() (replication.Outcome, error) {
	if c.want != wantLive {
		return replication.Idle, nil
	}
	_, err := c.engine.Attach(c.ctx, tablemap.AttachRequest{
		MapRun: tablemap.MapRun{Link: "sim", Map: c.def.Name, Run: c.run + 1}, Definition: c.def, Master: c.master})
	if err != nil {
		return replication.Moved, mendable(err)
	}
	c.run++
	if c.users != nil {
		clear(c.users.deeds)
	}
	c.state = isReplaying
	if c.withSync || c.run > 1 {
		c.state = isCopying
	}
	return replication.Moved, nil
}

func (c *controller) copy() (replication.Outcome, error) {
	var err error
	if c.copying == nil {
		if c.copying, err = c.engine.NewCopy(c.ctx, c.def.Name, c.run); err != nil {
			c.copying = nil
		}
		return replication.Moved, mendable(err)
	}
	outcome, err := c.copying.Step(c.ctx)
	if err != nil {
		c.copying = nil
		return replication.Moved, mendable(err)
	}
	if outcome != replication.Done {
		return outcome, nil
	}
	failed := c.copying.Result().Failed
	c.copying = nil
	c.failed = failed
	if failed > 0 && !c.ending {
		return replication.Moved, nil // a rerun: what failed may go now
	}
	c.state = isReplaying
	return replication.Moved, nil
}

func (c *controller) replay() (replication.Outcome, error) {
	if c.replays == nil {
		from := c.behind
		if from == nil {
			from = []tablemap.Side{tablemap.Left, tablemap.Right}
		}
		for _, from := range from {
			r, err := c.engine.NewReplay(c.ctx, c.def.Name, from)
			if err != nil {
				c.replays = nil
				return replication.Moved, mendable(err)
			}
			c.replays = append(c.replays, r)
		}
	}
	i := c.rand.IntN(len(c.replays))
	outcome, err := c.replays[i].Step(c.ctx)
	if err != nil {
		c.replays = nil
		return replication.Moved, mendable(err)
	}
	if outcome == replication.Done {
		if c.replays = append(c.replays[:i:i], c.replays[i+1:]...); len(c.replays) == 0 {
			c.replays, c.behind, c.state = nil, nil, isLive
			if c.users != nil && c.users.live == 0 {
				c.users.live = c.users.count
			}
		}
	}
	return replication.Moved, nil
}

// leave goes out of live writes when a person or an alarm says so.
func (c *controller) leave() (replication.Outcome, error) {
	live, err := c.engine.Live(c.ctx)
	if err != nil {
		return replication.Moved, mendable(err)
	}
	switch alarm := live[c.def.Name].Alarm; alarm.Kind {
	case tablemap.AlarmNone:
	case tablemap.AlarmBreaker:
		c.state = isPausing
		return replication.Moved, nil
	default:
		return replication.Moved, fmt.Errorf("map %s: alarm %s: %s", c.def.Name, alarm.Kind, alarm.Message)
	}
	switch c.want {
	case wantPaused:
		c.state = isPausing
	case wantOff:
		c.state = isStopping
	default:
		return c.catchUp(live[c.def.Name].Modes)
	}
	return replication.Moved, nil
}

// catchUp plays back what a stream has queued by itself.
func (c *controller) catchUp(modes [2]string) (replication.Outcome, error) {
	for side, mode := range modes {
		if mode == "queue" {
			c.behind, c.state = append(c.behind, tablemap.Side(side).Other()), isReplaying
		}
	}
	if c.behind == nil {
		return replication.Idle, nil
	}
	return replication.Moved, nil
}

func (c *controller) finish(err error, next state) (replication.Outcome, error) {
	if err == nil {
		c.state = next
	}
	return replication.Moved, mendable(err)
}

// patience is how many rounds everything may take to come to rest; when a failing seed is made short, less.
func (w *world) patience() int {
	if w.tape != nil && !w.long {
		return 500
	}
	return 20_000
}

// settle runs everything until nothing moves any more.
func (w *world) settle() error {
	quiet, waited := 0, !w.forgets
	for round := range w.patience() {
		w.nowMs += 5
		w.peace = round > w.patience()/2
		moved := false
		for _, db := range w.dbs {
			db.Sync()
		}
		for side := range w.dbs {
			outcome, err := w.stream(tablemap.Side(side))
			if err := w.first(err); err != nil {
				return err
			}
			moved = moved || outcome == replication.Moved
		}
		for _, c := range w.maps {
			outcome, err := c.step()
			if err := w.first(err); err != nil {
				return err
			}
			moved = moved || outcome == replication.Moved
		}
		if quiet++; moved {
			quiet = 0
		}
		if quiet > 3 && waited {
			w.story.end(w)
			return nil
		}
		if quiet > 3 { // a stream that has nothing to do notices within seconds that its target has forgotten
			quiet, waited = 0, true
			w.nowMs += 3000
		}
	}
	return errors.New("does not come to rest")
}
