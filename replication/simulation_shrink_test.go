package replication_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/tablemap"
)

// tape is what chance decided in a simulation: before its first step, in each of them, and after the last. It is written in one
// run and read in others, of which parts have been cut out; where it has ended, chance decides for whatever happens least.
// The method is that of Hypothesis (MacIver and Donaldson, "Test-Case Reduction via Test-Case Generation", 2020).
type tape struct {
	parts []taped
	read  []taped // by the run that goes on; it is a tape itself
}

// taped is what each source has given in one part.
type taped [len(sources{})][]uint64

// next begins the next part.
func (t *tape) next() {
	if t != nil {
		t.read = append(t.read, taped{})
	}
}

// calm makes IntN return its greatest number, to which nothing is ever bound that happens now and then.
const calm = ^uint64(0)

// playing is a source that is on a tape.
type playing struct {
	tape *tape
	n    int
	from rand.Source // nil: the tape's parts
}

func (p playing) Uint64() uint64 {
	at := len(p.tape.read) - 1
	used := &p.tape.read[at][p.n]
	value := calm
	switch {
	case p.from != nil:
		value = p.from.Uint64()
	case at < len(p.tape.parts) && len(*used) < len(p.tape.parts[at][p.n]):
		value = p.tape.parts[at][p.n][len(*used)]
	}
	*used = append(*used, value)
	return value
}

// attempt is a simulation that fails, or may.
type attempt struct {
	plan  plan
	parts []taped // one more than steps before them, and one after
}

// play runs it; used are the parts that it came to. from is where they come from, unless they are there.
func (a attempt) play(from sources, s *story) (used []taped, err error) {
	t := &tape{parts: a.parts}
	t.next()
	var all sources
	for i := range all {
		all[i] = playing{t, i, from[i]}
	}
	w := newWorld(a.plan, all, s)
	w.tape = t
	if err = w.play(); !w.ending {
		t.next() // it has failed before the end
	}
	return t.read, err
}

// reducer makes a failing simulation small, as long as it fails in the same way.
type reducer struct {
	attempt
	fails func(attempt) ([]taped, error)
	kind  string
	runs  int       // that are left
	until time.Time // the zero time: no bound
}

var varying = regexp.MustCompile(`"[^"]*"|\d+|\[.*\]`)

func kindOf(err error) string { return varying.ReplaceAllString(err.Error(), "") }

// try takes an attempt over if it fails in the same way.
func (r *reducer) try(a attempt) bool {
	if !r.until.IsZero() && time.Now().After(r.until) {
		r.runs = 0
	}
	if r.runs == 0 {
		return false
	}
	r.runs--
	a.plan.steps = len(a.parts) - 2
	used, err := r.fails(a)
	if err == nil || kindOf(err) != r.kind {
		return false
	}
	r.attempt = attempt{a.plan, used}
	r.plan.steps = len(used) - 2
	return true
}

// reduce cuts out what is not needed: features of the plan, steps, what chance decided within a step.
func (r *reducer) reduce() {
	for again := true; again && r.runs > 0; {
		again = r.reducePlan()
		again = r.reduceSteps() || again
		again = r.reduceWithin() || again
	}
}

func (r *reducer) reducePlan() bool {
	did := false
	for i := range len(r.plan.features()) {
		a := r.attempt
		on := false
		switch at := a.plan.features()[i].(type) {
		case *bool:
			on, *at = *at, false
		case *int:
			on, *at = *at != 0, 0
		}
		did = on && r.try(a) || did
	}
	return did
}

// features are what a plan has or has not.
func (p *plan) features() []any {
	return []any{&p.withSync, &p.stops, &p.crashes, &p.oneWay, &p.unique, &p.tree, &p.oneSided, &p.down, &p.empties, &p.forgets, &p.letsGo,
		&p.jumps, &p.moves, &p.merges, &p.repeats, &p.retries, &p.quiet, &p.gathers, &p.triggers, &p.locks, &p.ahead, &p.keep,
		&p.stretch, &p.pace}
}

func (r *reducer) reduceSteps() bool {
	did := false
	for size := max(1, len(r.parts)/2); size > 0; size /= 2 {
		for at := 1; at < len(r.parts)-1; {
			end := min(at+size, len(r.parts)-1)
			a := attempt{r.plan, slices.Concat(r.parts[:at], r.parts[end:])}
			if r.try(a) {
				did = true
			} else {
				at += size
			}
		}
	}
	return did
}

// reduceWithin has fewer things happen within a step.
func (r *reducer) reduceWithin() bool {
	did := false
	for part := 0; part < len(r.parts); part++ {
		for source := range r.parts[part] {
			for _, size := range []int{16, 8, 4, 2, 1} {
				for at := 0; part < len(r.parts) && at < len(r.parts[part][source]); at++ {
					did = r.calmDown(part, source, at, size) || did
				}
			}
		}
	}
	return did
}

// calmDown puts one calm decision in the place of some.
func (r *reducer) calmDown(part, source, at, size int) bool {
	was := r.parts[part][source]
	if size == 1 && was[at] == calm {
		return false
	}
	a := attempt{r.plan, slices.Clone(r.parts)}
	a.parts[part][source] = slices.Concat(was[:at], []uint64{calm}, was[min(at+size, len(was)):])
	return r.try(a)
}

// The effort for one seed.
const (
	shrinkRuns = 3000
	shrinkFor  = 2 * time.Minute
	storyBytes = 1 << 20 // of the story, its end
)

// shrunk tells the story of a failing seed, as short as it could be made. SHRINK=no leaves that out.
func shrunk(seed int, change func(*plan)) string {
	if os.Getenv("SHRINK") == "no" {
		return ""
	}
	p, from := begin(seed)
	change(&p)
	silent := func(a attempt) ([]taped, error) { return a.play(sources{}, newStory()) }
	parts, err := attempt{plan: p}.play(from, newStory())
	if err == nil {
		return "it does not fail again"
	}
	r := &reducer{attempt{p, parts}, silent, kindOf(err), shrinkRuns, time.Now().Add(shrinkFor)}
	r.plan.steps = len(parts) - 2
	before := r.plan.steps
	r.reduce()
	var told bytes.Buffer
	s := newStory()
	s.on, s.out = true, &told
	_, err = r.play(sources{}, s)
	story := told.Bytes()
	if len(story) > storyBytes { // TRACE=1 tells the whole
		story = append([]byte("…"), story[len(story)-storyBytes:]...)
	}
	return fmt.Sprintf("of %d steps %d are enough, with %+v:\n%s%v", before, r.plan.steps, r.plan, story, err)
}

// TestSimulationShrinks makes a simulation that is said to fail where a user of the right side has written twice as small as that: all else
// is cut out.
func TestSimulationShrinks(t *testing.T) {
	t.Parallel()
	fails := func(from sources) func(attempt) ([]taped, error) {
		return func(a attempt) ([]taped, error) {
			var told bytes.Buffer
			s := newStory()
			s.on, s.out = true, &told
			used, err := a.play(from, s)
			if n := strings.Count(told.String(), "user on 1: r"); err == nil && n >= 2 {
				err = errors.New("r was written more than once")
			}
			return used, err
		}
	}
	p, from := begin(3)
	p.withSync = true
	parts, err := fails(from)(attempt{plan: p})
	require.Error(t, err)
	r := &reducer{attempt: attempt{p, parts}, fails: fails(sources{}), kind: kindOf(err), runs: 1000}
	before := len(parts)
	require.Greater(t, before, 100)
	r.reduce()
	require.Less(t, r.plan.steps, 10, "of %d", before)
	require.Equal(t, plan{master: tablemap.Side(p.master), withSync: r.plan.withSync, steps: r.plan.steps}, r.plan, "no feature is needed")
	_, err = r.play(sources{}, newStory())
	require.NoError(t, err, "what is left is a simulation as any other")
}
