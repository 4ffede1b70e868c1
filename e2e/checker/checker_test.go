package checker_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/checker"
)

// good is a run in which every promise was kept: keys that one side writes, a conflict that the master D has won, a row that
// was deleted.
func good() *checker.Run {
	event := func(key, old, now string) checker.Event {
		return checker.Event{Table: "item", Key: key, Old: old, New: now}
	}
	row := func(key, token string) checker.Row {
		return checker.Row{Table: "item", Key: key, Token: token, Rest: "of " + token}
	}
	f := checker.Side{Name: "finops", Prefix: "F", Rows: []checker.Row{row("f", "F2"), row("c", "D1")}, Events: []checker.Event{
		event("f", "", "F1"), event("f", "F1", "F2"), event("g", "", "F3"), event("g", "F3", "F4x"), event("g", "F4x", ""),
		event("c", "", "F5"), event("c", "F5", "D1")}}
	d := checker.Side{Name: "dataverse", Prefix: "D", Rows: []checker.Row{row("f", "F2"), row("c", "D1")}, Events: []checker.Event{
		event("f", "", "F1"), event("f", "F1", "F2"), event("g", "", "F3"), event("g", "F3", "F4x"), event("g", "F4x", ""),
		event("c", "", "D1")}}
	return &checker.Run{Sides: [2]checker.Side{f, d}, Master: 1, Losses: []checker.Loss{{Table: "item", Key: "c", Token: "F5"}},
		Writers: func(_, key string) checker.Writers {
			if key == "c" {
				return checker.Writers{Side: -1}
			}
			return checker.Writers{Held: key == "h"}
		},
		Live: func(string) bool { return true },
		Rest: func(token string) string { return "of " + token }}
}

func TestGoodRun(t *testing.T) {
	t.Parallel()
	require.Empty(t, good().Check())
}

// TestWhatIsWrongIsFound makes one thing wrong at a time.
func TestWhatIsWrongIsFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(r *checker.Run)
		says  string
	}{
		"a row is missing":     {func(r *checker.Run) { r.Sides[1].Rows = r.Sides[1].Rows[1:] }, "finops has"},
		"a row is left":        {func(r *checker.Run) { r.Sides[0].Rows = r.Sides[0].Rows[1:] }, "only dataverse has"},
		"a row is torn":        {func(r *checker.Run) { r.Sides[0].Rows[0].Rest, r.Sides[1].Rows[0].Rest = "of F1", "of F1" }, "beside token F2"},
		"a write is lost":      {func(r *checker.Run) { cut(&r.Sides[1], "F2") }, `change 1 was "F1" to "F2" on finops and nothing`},
		"a write is repeated":  {func(r *checker.Run) { again(&r.Sides[1], "F2") }, "change 2 was nothing on finops"},
		"a write comes back":   {func(r *checker.Run) { again(&r.Sides[0], "F2") }, `and nothing on dataverse`},
		"two are exchanged":    {func(r *checker.Run) { e := r.Sides[1].Events; e[0], e[1] = e[1], e[0] }, "change 0"},
		"a delete is lost":     {func(r *checker.Run) { cut(&r.Sides[1], "") }, "change 2"},
		"a delete is invented": {func(r *checker.Run) { e := r.Sides[0].Events; e[4].Old = "F3" }, `finops had "-" after "F3", which nobody wrote`},
		"a value is invented":  {func(r *checker.Run) { r.Sides[1].Events[1].New = "F9" }, "which nobody wrote"},
		"a key of one side":    {func(r *checker.Run) { r.Losses = append(r.Losses, checker.Loss{Table: "item", Key: "f", Token: "F2"}) }, "though nobody else"},
		"a loss is not told":   {func(r *checker.Run) { r.Losses = nil }, "F5 of finops has neither come"},
		"the master gives way": {func(r *checker.Run) {
			r.Sides[1].Events = append(r.Sides[1].Events, checker.Event{Table: "item", Key: "c", Old: "D1", New: "F5"})
		}, "D1 gave way to F5"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := good()
			c.spoil(r)
			require.Contains(t, strings.Join(r.Check(), "\n"), c.says)
		})
	}
}

// TestWhatWasHeld: what is tried again later is the row as it is then, so that changes may be left out, or come after it; but none
// comes that was there before.
func TestWhatWasHeld(t *testing.T) {
	t.Parallel()
	made := []checker.Event{{"item", "h", "", "F7"}, {"item", "h", "F7", "F8"}, {"item", "h", "F8", "F9x"}, {"item", "h", "F9x", ""}}
	for come, says := range map[*[]checker.Event]string{
		{{"item", "h", "", "F7"}, {"item", "h", "F7", ""}}:                                                       "",
		{{"item", "h", "", "F8"}, {"item", "h", "F8", "F7"}, {"item", "h", "F7", "F8"}, {"item", "h", "F8", ""}}: "",
		{{"item", "h", "", "F7"}, {"item", "h", "F7", "F8"}, {"item", "h", "F8", "F7"}, {"item", "h", "F7", ""}}: "F7 came to dataverse out of order",
		{{"item", "h", "", "F8"}, {"item", "h", "F8", "F8"}, {"item", "h", "F8", ""}}:                            "F8 came to dataverse out of order",
	} {
		r := good()
		r.Sides[0].Events = append(r.Sides[0].Events, made...)
		r.Sides[1].Events = append(r.Sides[1].Events, *come...)
		if found := r.Check(); says == "" {
			require.Empty(t, found)
		} else {
			require.Contains(t, strings.Join(found, "\n"), says)
		}
	}
}

// TestWhoHasSeenMayOverwrite: a change that follows on the master's is none of a conflict, and neither is a row that is put
// where the master has deleted one that its author never saw.
func TestWhoHasSeenMayOverwrite(t *testing.T) {
	t.Parallel()
	r := good()
	for i := range r.Sides {
		r.Sides[i].Events = append(r.Sides[i].Events, checker.Event{Table: "item", Key: "c", Old: "D1", New: "F6"})
		r.Sides[i].Rows[1].Token, r.Sides[i].Rows[1].Rest = "F6", "of F6"
	}
	require.Empty(t, r.Check())

	r = good()
	r.Losses = nil
	r.Sides[1].Events = append(r.Sides[1].Events[:5], checker.Event{Table: "item", Key: "c", New: "D1"},
		checker.Event{Table: "item", Key: "c", Old: "D1", New: "D2x"}, checker.Event{Table: "item", Key: "c", Old: "D2x"},
		checker.Event{Table: "item", Key: "c", New: "F5"})
	r.Sides[0].Events = r.Sides[0].Events[:6]
	for i := range r.Sides {
		r.Sides[i].Rows[1].Token, r.Sides[i].Rows[1].Rest = "F5", "of F5"
	}
	require.Empty(t, r.Check())
}

func cut(s *checker.Side, token string) {
	s.Events = slices.DeleteFunc(s.Events, func(e checker.Event) bool { return e.New == token })
}

func again(s *checker.Side, token string) {
	i := slices.IndexFunc(s.Events, func(e checker.Event) bool { return e.New == token })
	s.Events = slices.Insert(s.Events, i+1, s.Events[i])
}
