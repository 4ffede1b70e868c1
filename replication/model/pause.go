package model

// Pause is live writes both ways, each direction of which is paused and resumed, by itself: its changes go to the queue on the side that
// they are for, and are played back.
type Pause struct {
	Users  [2]int
	Pauses [2]int // of what comes to A, and to B

	StampOfStream bool // B counts as having seen what is only in its queue
	StampNow      bool // a queued change is stamped as it is played back, not as it was when it came
}

// paused is a state.
type paused struct {
	a, b   Value
	la, lb log
	qa, qb log // the queues: of B's changes, on A; of A's changes, on B
	queues [2]bool
	sent   uint8
	stamp  uint8
	pos    uint8
	users  [2]uint8
	pauses [2]uint8
}

// World is what is to be searched.
func (p Pause) World() World[paused] {
	w := World[paused]{Moves: p.moves,
		Rests: func(s paused) bool {
			return s.la == "" && s.lb == "" && s.qa == "" && s.qb == "" && s.users == [2]uint8{} && s.queues == [2]bool{}
		},
		Right: func(s paused) bool { return s.a == s.b }}
	for _, v := range values {
		w.Starts = append(w.Starts, paused{a: v, b: v, users: [2]uint8{uint8(p.Users[0]), uint8(p.Users[1])}, pauses: [2]uint8{uint8(p.Pauses[0]), uint8(p.Pauses[1])}})
	}
	return w
}

func (p Pause) moves(s paused) []Move[paused] {
	out := p.usersMoves(s)
	for side := range s.pauses {
		if s.pauses[side] > 0 && !s.queues[side] {
			n := s
			n.pauses[side]--
			n.queues[side] = true
			out = append(out, Move[paused]{[]string{"what comes to A is paused", "what comes to B is paused"}[side], Absent, n})
		}
	}
	if s.la != "" {
		out = append(out, p.toB(s))
	}
	if s.lb != "" {
		out = append(out, p.toA(s))
	}
	if s.queues[1] {
		out = append(out, p.replayB(s))
	}
	if s.queues[0] {
		out = append(out, p.replayA(s))
	}
	return out
}

func (p Pause) usersMoves(s paused) []Move[paused] {
	var out []Move[paused]
	for _, v := range values {
		if s.users[0] > 0 && v != s.a {
			n := s
			n.users[0]--
			n.a = v
			out = append(out, Move[paused]{"A's user writes", v, n.logA(entry{kind: user, value: v})})
		}
		if s.users[1] > 0 && v != s.b {
			n := s
			n.users[1]--
			n.b, n.lb = v, s.lb.add(entry{kind: user, value: v, before: s.b})
			out = append(out, Move[paused]{"B's user writes", v, n})
		}
	}
	return out
}

func (s paused) logA(e entry) paused {
	s.pos++
	e.position = s.pos
	s.la = s.la.add(e)
	return s
}

// toB is the stream from A.
func (p Pause) toB(s paused) Move[paused] {
	e, rest := s.la.first()
	n := s
	n.la = rest
	sends := e.kind == user || e.kind == resend && s.sent <= e.seen || e.kind == echo && s.sent > e.seen
	image := e.value
	if e.kind == resend {
		image = s.a
	}
	if sends {
		n.sent = e.position
	}
	if e.kind != user && n.sent <= e.seen {
		n.sent = 0 // B has seen it
	}
	switch {
	case !sends:
		return Move[paused]{"A's reader drops", image, n}
	case s.queues[1]:
		n.qb = s.qb.add(entry{kind: user, position: e.position, value: image})
		if p.StampOfStream {
			n.lb = s.lb.add(entry{kind: marker, position: e.position})
		}
		return Move[paused]{"A's stream queues on B", image, n}
	}
	n.b, n.lb = image, s.lb.add(entry{kind: marker, position: e.position})
	return Move[paused]{"A's stream writes on B", image, n}
}

// toA is the stream from B.
func (p Pause) toA(s paused) Move[paused] {
	e, rest := s.lb.first()
	n := s
	n.lb = rest
	if e.kind == marker {
		n.stamp = e.position
		return Move[paused]{"B's reader meets a marker", Absent, n}
	}
	e.seen = s.stamp
	if s.queues[0] {
		n.qa = s.qa.add(e)
		return Move[paused]{"B's stream queues on A", e.value, n}
	}
	return p.onA(n, e)
}

// onA is a change of B's users that arrives on A.
func (p Pause) onA(s paused, e entry) Move[paused] {
	switch s.a {
	case e.before:
		n := s
		n.a = e.value
		return Move[paused]{"B's change is written on A", e.value, n.logA(entry{kind: echo, value: e.value, seen: e.seen})}
	case e.value:
		return Move[paused]{"B's change is on A already", e.value, s}
	}
	return Move[paused]{"B's change loses", e.value, s.logA(entry{kind: resend, value: s.a, seen: e.seen})}
}

func (p Pause) replayB(s paused) Move[paused] {
	n := s
	if s.qb == "" {
		n.queues[1] = false
		return Move[paused]{"what comes to B is live again", Absent, n}
	}
	e, rest := s.qb.first()
	n.qb, n.b, n.lb = rest, e.value, s.lb.add(entry{kind: marker, position: e.position})
	return Move[paused]{"the replay writes on B", e.value, n}
}

func (p Pause) replayA(s paused) Move[paused] {
	n := s
	if s.qa == "" {
		n.queues[0] = false
		return Move[paused]{"what comes to A is live again", Absent, n}
	}
	e, rest := s.qa.first()
	n.qa = rest
	if p.StampNow {
		e.seen = s.stamp
	}
	return p.onA(n, e)
}
