package model

import (
	"strings"
	"testing"
)

// right requires that no order of moves leads to a wrong end.
func right[S comparable](t *testing.T, what any, w World[S]) {
	t.Helper()
	r := Search(w)
	if r.Wrong != nil {
		t.Errorf("%+v:\n%s", what, strings.Join(r.Wrong, "\n"))
	}
	if r.Ends == 0 {
		t.Errorf("%+v: none of %d states is at rest", what, r.States)
	}
	t.Logf("%d states, %d at rest: %+v", r.States, r.Ends, what)
}

// wrong requires that some order does, and tells the shortest.
func wrong[S comparable](t *testing.T, what any, w World[S]) {
	t.Helper()
	r := Search(w)
	if r.Wrong == nil {
		t.Errorf("%+v: every order of moves is right, so that nothing shows why the rule is needed", what)
	}
	t.Logf("%d states: %+v\n%s", r.States, what, strings.Join(r.Wrong, "\n"))
}

// Live writes both ways converge, whatever comes between.
func TestLive(t *testing.T) {
	t.Parallel()
	for _, l := range []Live{
		{Users: [2]int{0, 3}, Lag: true},
		{Users: [2]int{3, 3}},
		{Users: [2]int{2, 3}, Lag: true},
		{Users: [2]int{2, 2}, Unequal: true},
		{Users: [2]int{2, 2}, Race: true, Blind: true, Lag: true},
		{Users: [2]int{2, 2}, Crashes: 1, Lag: true},
		{Users: [2]int{3, 2}, Crashes: 1},
		{Users: [2]int{2, 1}, Crashes: 2, Lag: true, Race: true},
		{Users: [2]int{2, 2}, Crashes: 1, Memory: MemoryKept},
	} {
		right(t, l, l.World())
	}
}

// Without each of the rules some order of moves leaves the sides different.
func TestLiveWithout(t *testing.T) {
	t.Parallel()
	for _, l := range []Live{
		{Users: [2]int{3, 2}, Echo: EchoNever},
		{Users: [2]int{0, 2}, Echo: EchoAlways},
		{Users: [2]int{3, 2}, Resend: ResendDirect},
		{Users: [2]int{0, 1}, Resend: ResendNever, Unequal: true},
		{Users: [2]int{2, 2}, Resend: ResendAlways, Image: true, Race: true},
		{Users: [2]int{2, 2}, Memory: MemoryLost, Crashes: 1},
		{Users: [2]int{3, 2}, Memory: MemoryTooSoon},
		{Users: [2]int{2, 2}, Memory: MemoryTooSoon, Crashes: 1},
	} {
		wrong(t, l, l.World())
	}
}

// alone is for a key that only B's users write. What they write stays, but where the sides differed before: then A's row does.
func alone(s Story) bool {
	if !s.WroteB {
		return s.End == either(s.A, s.B)
	}
	return s.End == s.LastB || s.A != s.B && s.A != Absent
}

// masters is for a key that only A's users write: what they write stays, but that a row which they make and delete may have been on B all the time.
func masters(s Story) bool {
	if !s.WroteA {
		return s.End == either(s.A, s.B)
	}
	return s.End == s.LastA || s.A == Absent && s.LastA == Absent
}

func either(a, b Value) Value {
	if a != Absent {
		return a
	}
	return b
}

// sameOrNew are beginnings in which the sides do not differ but for rows that only B has.
var sameOrNew = [][2]Value{{Absent, Absent}, {Absent, One}, {Absent, Two}, {One, One}, {Two, Two}}

// An initial write under load converges, and takes no user's last word where nobody else had one.
func TestInitialWrite(t *testing.T) {
	t.Parallel()
	for _, i := range []Initial{
		{Users: [2]int{2, 1}},
		{Users: [2]int{1, 2}},
		{Users: [2]int{3, 0}},
		{Users: [2]int{0, 3}, Starts: sameOrNew, Must: alone},
		{Users: [2]int{0, 2}, Must: alone},
		{Users: [2]int{2, 0}, Must: masters},
	} {
		right(t, i.Users, i.World())
	}
}

func TestInitialWriteWithout(t *testing.T) {
	t.Parallel()
	for _, i := range []Initial{
		{NoWait: true, Users: [2]int{1, 1}},
		{NoSkip: true, Users: [2]int{1, 1}},
		{NoGuard: true, Users: [2]int{1, 0}, Must: masters},
		{NoStampA: true, Users: [2]int{2, 1}},
		{NoStampB: true, Users: [2]int{0, 2}},
		{NoInsert: true, Users: [2]int{0, 3}, Starts: sameOrNew, Must: alone},
	} {
		wrong(t, i.Users, i.World())
	}
}

// Either direction may be paused and resumed at any moment, alone.
func TestPause(t *testing.T) {
	t.Parallel()
	for _, p := range []Pause{
		{Users: [2]int{2, 2}, Pauses: [2]int{1, 1}},
		{Users: [2]int{1, 3}, Pauses: [2]int{2, 1}},
		{Users: [2]int{3, 1}, Pauses: [2]int{1, 2}},
	} {
		right(t, p, p.World())
	}
}

func TestPauseWithout(t *testing.T) {
	t.Parallel()
	for _, p := range []Pause{
		{Users: [2]int{1, 2}, Pauses: [2]int{1, 1}, StampOfStream: true},
		{Users: [2]int{1, 2}, Pauses: [2]int{1, 1}, StampNow: true},
	} {
		wrong(t, p, p.World())
	}
}
