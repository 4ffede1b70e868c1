package model

// Initial is an initial write under load, up to both sides live: modes queue, a copy of the one chunk, replay, live.
type Initial struct {
	Users  [2]int
	Starts [][2]Value // default: any
	Must   func(Story) bool

	// What is left out; nil: nothing.
	NoWait   bool // the copy does not wait until both streams have met its notes
	NoSkip   bool // it writes although a queue has a change of the key
	NoGuard  bool // it writes although the row is not as it was read
	NoStampA bool // its write on A is not sent to B, whatever was sent since
	NoStampB bool // its write on B is not answered, whatever B's users have changed since
	NoInsert bool // an update on B of a row that A lacks never becomes an insert
}

// Story is what a search judges at rest.
type Story struct {
	A, B         Value // in the beginning
	LastA, LastB Value // that users wrote
	WroteA       bool  // whether they did
	WroteB       bool
	End          Value // on both sides
}

// phase is how far the copy is. It reads A, then B, commits its notes, looks into the queue of the side that it will not write, then into
// the other one as it writes.
type phase uint8

const (
	readA phase = iota
	readB
	noteA
	noteB
	check
	write
	replay
)

// initial is a state.
type initial struct {
	a, b         Value
	la, lb       log
	qa, qb       log  // the queues: of B's changes, on A; of A's changes, on B
	liveA, liveB bool // modes
	sent, stamp  uint8
	posA, posB   uint8
	metA, metB   uint8 // how far the streams have read
	usersB       uint8 // … the position of the last change of B's users that the stream has met
	phase        phase
	copyA, copyB Value // as read
	atA, atB     uint8 // positions of the notes
	bOnly        bool  // A lacked the key, and the copy has left it to the queues
	left         [2]uint8
	story        Story
}

// World is what is to be searched.
func (i Initial) World() World[initial] {
	w := World[initial]{Moves: i.moves,
		Rests: func(s initial) bool {
			return s.la == "" && s.lb == "" && s.qa == "" && s.qb == "" && s.left == [2]uint8{} && s.phase == replay && s.liveA && s.liveB
		},
		Right: func(s initial) bool {
			s.story.End = s.a
			return s.a == s.b && (i.Must == nil || i.Must(s.story))
		}}
	for _, a := range values {
		for _, b := range values {
			begins := i.Starts == nil
			for _, start := range i.Starts {
				begins = begins || start == [2]Value{a, b}
			}
			if begins {
				w.Starts = append(w.Starts, initial{a: a, b: b, left: [2]uint8{uint8(i.Users[0]), uint8(i.Users[1])}, story: Story{A: a, B: b}})
			}
		}
	}
	return w
}

func (i Initial) moves(s initial) []Move[initial] {
	out := i.users(s)
	if s.la != "" {
		out = append(out, i.toB(s))
	}
	if s.lb != "" {
		out = append(out, i.toA(s))
	}
	if s.phase < replay {
		return append(out, i.copies(s)...)
	}
	if !s.liveB {
		out = append(out, i.replayB(s))
	}
	if !s.liveA {
		out = append(out, i.replayA(s))
	}
	return out
}

func (i Initial) users(s initial) []Move[initial] {
	var out []Move[initial]
	for _, v := range values {
		if s.left[0] > 0 && v != s.a {
			n := s
			n.left[0]--
			n.a, n.story.LastA, n.story.WroteA = v, v, true
			n = n.logA(entry{kind: user, value: v})
			out = append(out, Move[initial]{"A's user writes", v, n})
		}
		if s.left[1] > 0 && v != s.b {
			n := s
			n.left[1]--
			n.b, n.story.LastB, n.story.WroteB = v, v, true
			n = n.logB(entry{kind: user, value: v, before: s.b})
			out = append(out, Move[initial]{"B's user writes", v, n})
		}
	}
	return out
}

func (s initial) logA(e entry) initial {
	s.posA++
	e.position = s.posA
	s.la = s.la.add(e)
	return s
}

func (s initial) logB(e entry) initial {
	s.posB++
	e.position = s.posB
	s.lb = s.lb.add(e)
	return s
}

// seenB writes on B, with the marker by which its log tells how far B has seen A.
func (s initial) seenB(v Value, position uint8) initial {
	s.b = v
	return s.logB(entry{kind: marker, seen: position})
}

// toB is the stream from A.
func (i Initial) toB(s initial) Move[initial] {
	e, rest := s.la.first()
	n := s
	n.la, n.metA = rest, e.position
	sends := e.kind == user || e.kind == resend && s.sent <= e.seen || e.kind == echo && s.sent > e.seen ||
		e.kind == copied && !i.NoStampA && s.sent > e.seen
	if !sends {
		return Move[initial]{"A's reader drops", e.value, n}
	}
	n.sent = e.position
	if !s.liveB {
		n.qb = s.qb.add(entry{kind: user, position: e.position, value: e.value})
		return Move[initial]{"A's stream queues on B", e.value, n}
	}
	return Move[initial]{"A's stream writes on B", e.value, n.seenB(e.value, e.position)}
}

// toA is the stream from B.
func (i Initial) toA(s initial) Move[initial] {
	e, rest := s.lb.first()
	n := s
	n.lb, n.metB = rest, e.position
	switch {
	case e.kind == marker && !s.liveA:
		n.qa = s.qa.add(e)
		return Move[initial]{"B's stream queues a stamp on A", Absent, n}
	case e.kind == marker:
		n.stamp = e.seen
		return Move[initial]{"B's reader meets a marker", Absent, n}
	case e.kind == copied && (i.NoStampB || s.usersB <= e.seen):
		return Move[initial]{"B's reader drops what the copy wrote", e.value, n}
	case e.kind == copied && !s.liveA:
		n.qa = s.qa.add(entry{kind: resend})
		return Move[initial]{"B's stream queues a resend on A", Absent, n}
	case e.kind == copied:
		return Move[initial]{"B's stream asks for a resend", s.a, n.logA(entry{kind: resend, value: s.a, seen: s.stamp})}
	case !s.liveA:
		n.usersB, n.qa = e.position, s.qa.add(e)
		return Move[initial]{"B's stream queues on A", e.value, n}
	}
	n.usersB = e.position
	return i.onA(n, e)
}

// onA is a change of B's users that arrives on A.
func (i Initial) onA(s initial, e entry) Move[initial] {
	n := s
	switch {
	case s.a == e.before, !i.NoInsert && s.a == Absent && s.bOnly && e.value != Absent && !s.liveA:
		n.a = e.value
		return Move[initial]{"B's change is written on A", e.value, n.logA(entry{kind: echo, value: e.value, seen: s.stamp})}
	case s.a == e.value:
		return Move[initial]{"B's change is on A already", e.value, n}
	}
	return Move[initial]{"B's change loses", e.value, n.logA(entry{kind: resend, value: s.a, seen: s.stamp})}
}

// copies is what the initial write does next.
func (i Initial) copies(s initial) []Move[initial] {
	n := s
	n.phase++
	switch s.phase {
	case readA:
		n.copyA = s.a
		return []Move[initial]{{"the copy reads A", s.a, n}}
	case readB:
		n.copyB = s.b
		return []Move[initial]{{"the copy reads B", s.b, n}}
	case noteA:
		n.atA = s.posA
		return []Move[initial]{{"its note on A", Absent, n}}
	case noteB:
		n.atB = s.posB
		return []Move[initial]{{"its note on B", Absent, n}}
	}
	if !i.NoWait && (s.metA < s.atA || s.metB < s.atB) {
		return nil // the streams have not met the notes
	}
	if s.phase == check {
		// The queue of the side that it will not write.
		if s.copyA == s.copyB || i.touched(s, s.copyA == Absent) {
			n.phase = replay
			return []Move[initial]{{"the copy leaves the key out", Absent, i.leftOut(n)}}
		}
		return []Move[initial]{{"the copy has looked into the other queue", Absent, n}}
	}
	return []Move[initial]{i.copied(n)}
}

// touched reports whether the queue on B, or on A, has a change of the key.
func (i Initial) touched(s initial, onB bool) bool {
	if onB {
		return !i.NoSkip && s.qb != ""
	}
	return !i.NoSkip && s.qa.has(user)
}

// leftOut is the state after the copy has left a key out.
func (i Initial) leftOut(s initial) initial {
	s.bOnly = s.copyA == Absent && s.qb == ""
	return s
}

// copied is the write of the copy.
func (i Initial) copied(n initial) Move[initial] {
	toA := n.copyA == Absent
	switch {
	case i.touched(n, !toA), toA && !i.NoGuard && n.a != n.copyA, !toA && !i.NoGuard && n.b != n.copyB:
		return Move[initial]{"the copy leaves the key out as it writes", Absent, i.leftOut(n)}
	case toA:
		n.a = n.copyB
		return Move[initial]{"the copy writes on A", n.copyB, n.logA(entry{kind: copied, value: n.copyB, seen: n.atA})}
	}
	n.b = n.copyA
	return Move[initial]{"the copy writes on B", n.copyA, n.logB(entry{kind: copied, value: n.copyA, seen: n.atB})}
}

func (i Initial) replayB(s initial) Move[initial] {
	n := s
	if s.qb == "" {
		n.liveB = true
		return Move[initial]{"A to B is live", Absent, n}
	}
	e, rest := s.qb.first()
	n.qb = rest
	return Move[initial]{"the replay writes on B", e.value, n.seenB(e.value, e.position)}
}

func (i Initial) replayA(s initial) Move[initial] {
	n := s
	if s.qa == "" {
		n.liveA = true
		return Move[initial]{"B to A is live", Absent, n}
	}
	e, rest := s.qa.first()
	n.qa = rest
	switch e.kind {
	case marker:
		n.stamp = e.seen
		return Move[initial]{"the replay comes to a stamp", Absent, n}
	case resend:
		return Move[initial]{"the replay asks for a resend", s.a, n.logA(entry{kind: resend, value: s.a, seen: s.stamp})}
	}
	return i.onA(n, e)
}
