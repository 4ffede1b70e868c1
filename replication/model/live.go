package model

// Echo says which of B's changes, made on A, are sent back to B.
type Echo int

// The ways to treat echoes.
const (
	EchoCausal Echo = iota // those of which B has overwritten, or will, what it had not seen
	EchoNever
	EchoAlways
)

// Resend says how B gets the row that won a conflict.
type Resend int

// The ways to answer a conflict.
const (
	ResendUnlessNewer Resend = iota // by a note in A's log, unless the last that was sent is newer than what the losing change had seen
	ResendAlways                    // by a note in A's log
	ResendDirect                    // at once, past the log
	ResendNever
)

// Memory says when A's reader may forget what it has sent, and when A's log may be confirmed: what was confirmed is gone after a crash.
type Memory int

// The ways to remember.
const (
	MemoryMoved   Memory = iota // confirmed with the cursor, once what was sent is written down on B; forgotten when A's log says that B has seen it
	MemoryKept                  // confirmed, and forgotten, when A's log says that B has seen it
	MemoryLost                  // confirmed with the cursor, and nothing is written down
	MemoryTooSoon               // confirmed, and forgotten, when the marker in B's log was met, whatever A's log has told by then
)

// Live is live writes both ways.
type Live struct {
	Users   [2]int // writes of A's and B's
	Crashes int    // of A's reader
	Unequal bool   // the sides begin with different values
	Lag     bool   // B's changes go across in batches, stamped as the first
	Race    bool   // what is absent on A cannot be locked: users may insert it while a conflict is written
	Blind   bool   // likewise on B: a delete misses a row that users have inserted just before

	Echo   Echo
	Resend Resend
	Image  bool // a resend carries the row as it was when the change lost, not as it is when the reader gets there
	Memory Memory
}

// live is a state.
type live struct {
	a, b        Value
	la, lb      log
	pending     log   // direct resends
	read        uint8 // entries of la that were read, and not confirmed
	pos         uint8 // last position in la
	sent, table uint8 // the last position that was sent to B, in memory and on B; 0: none, or B has been seen to know it
	met, stamp  uint8 // how far B has seen A, by its log; and by the batch that is open
	horizon     uint8 // how far A's log has told so
	usersA      uint8
	usersB      uint8
	crashes     uint8
	absent      bool // a conflict was found with no row on A, and is not written yet
	wrote       bool // dualwrite has written on B
}

// World is what is to be searched. In the end both sides are equal; where A's users write nothing, B's rows are theirs alone.
func (l Live) World() World[live] {
	w := World[live]{Moves: l.moves,
		Rests: func(s live) bool {
			return int(s.read) == s.la.len() && s.lb == "" && s.pending == "" && !s.absent && s.usersA == 0 && s.usersB == 0
		},
		Right: func(s live) bool { return s.a == s.b && (l.Unequal || l.Users[0] > 0 || !s.wrote) }}
	for _, a := range values {
		for _, b := range values {
			if (a != b) == l.Unequal {
				w.Starts = append(w.Starts, live{a: a, b: b, usersA: uint8(l.Users[0]), usersB: uint8(l.Users[1]), crashes: uint8(l.Crashes)})
			}
		}
	}
	return w
}

func (l Live) moves(s live) []Move[live] {
	out := l.users(s)
	if int(s.read) < s.la.len() {
		out = append(out, l.toB(s)...)
	}
	if s.pending != "" {
		e, rest := s.pending.first()
		n := s
		n.pending, n.b, n.lb = rest, e.value, s.lb.add(entry{kind: marker, position: s.stamp})
		out = append(out, Move[live]{"sent directly to B", e.value, n})
	}
	if s.absent {
		n := s
		n.absent = false
		out = append(out, Move[live]{"the conflict is written", Absent, l.conflict(n, Absent)})
		return append(out, l.crash(s)...)
	}
	if l.Lag && s.met != s.stamp {
		n := s
		n.stamp = s.met
		out = append(out, Move[live]{"a batch ends", Absent, n})
	}
	if s.lb != "" {
		out = append(out, l.toA(s))
	}
	return append(append(out, l.confirm(s)...), l.crash(s)...)
}

// users are the writes of users. Between finding no row and writing the conflict A's may only insert one.
func (l Live) users(s live) []Move[live] {
	var out []Move[live]
	for _, v := range values {
		if s.usersA > 0 && v != s.a && (!s.absent || s.a == Absent) {
			n := s
			n.a, n.pos, n.usersA = v, s.pos+1, s.usersA-1
			n.la = s.la.add(entry{kind: user, position: n.pos, value: v})
			out = append(out, Move[live]{"A's user writes", v, n})
		}
		if s.usersB > 0 && v != s.b {
			n := s
			n.b, n.usersB = v, s.usersB-1
			n.lb = s.lb.add(entry{kind: user, value: v, before: s.b})
			out = append(out, Move[live]{"B's user writes", v, n})
		}
	}
	return out
}

// sends reports whether an entry of A's log is sent to B, by what was sent last.
func (l Live) sends(e entry, sent uint8) bool {
	switch e.kind {
	case echo:
		return l.Echo == EchoAlways || l.Echo == EchoCausal && sent > e.seen
	case resend:
		return l.Resend == ResendAlways || l.Resend == ResendUnlessNewer && sent <= e.seen
	}
	return true
}

// toB is the stream from A: it reads an entry, and sends it or does not.
func (l Live) toB(s live) []Move[live] {
	e := s.la.at(int(s.read))
	n := s
	n.read++
	image := e.value
	if e.kind == resend && !l.Image {
		image = s.a
	}
	what := "A's reader drops"
	sends := l.sends(e, s.sent)
	if sends {
		what = "A's stream writes on B"
		n.b, n.sent, n.wrote, n.lb = image, e.position, true, s.lb.add(entry{kind: marker, position: e.position})
	}
	n = l.learn(n, e)
	if l.Crashes == 0 {
		_, n.la = n.la.first()
		n.read--
	}
	out := []Move[live]{{what, image, n}}
	if last := s.lb.len() - 1; l.Blind && sends && image == Absent && s.b != Absent && last >= 0 && s.lb.at(last).kind == user && s.lb.at(last).before == Absent {
		n.b = s.b
		out = append(out, Move[live]{"A's stream deletes on B, and misses", s.b, n})
	}
	return out
}

// learn is what A's reader learns from an entry: how far B has seen A. Up to there it forgets.
func (l Live) learn(s live, e entry) live {
	if e.kind != echo && e.kind != resend {
		return s
	}
	s.horizon = max(s.horizon, e.seen)
	if l.Memory == MemoryTooSoon {
		return s
	}
	if s.sent <= e.seen {
		s.sent = 0
	}
	if s.table <= e.seen {
		s.table = 0
	}
	return s
}

// toA is the stream from B.
func (l Live) toA(s live) Move[live] {
	e, rest := s.lb.first()
	n := s
	n.lb = rest
	switch {
	case e.kind == marker:
		n.met = e.position
		if !l.Lag {
			n.stamp = e.position
		}
		if l.Memory == MemoryTooSoon && s.sent <= e.position {
			n.sent = 0
		}
		return Move[live]{"B's reader meets a marker", Absent, n}
	case s.a == e.before:
		n.a, n.pos = e.value, s.pos+1
		n.la = s.la.add(entry{kind: echo, position: n.pos, value: e.value, seen: s.stamp})
		return Move[live]{"B's stream writes on A", e.value, n}
	case s.a == e.value:
		return Move[live]{"B's stream finds on A already", e.value, n}
	case l.Race && s.a == Absent:
		n.absent = true
		return Move[live]{"B's stream finds no row on A", e.value, n}
	}
	return Move[live]{"B's stream loses", e.value, l.conflict(n, s.a)}
}

// conflict answers a change that lost to a value of A.
func (l Live) conflict(s live, winner Value) live {
	if l.Resend == ResendDirect {
		s.pending = s.pending.add(entry{value: winner})
		return s
	}
	s.pos++
	s.la = s.la.add(entry{kind: resend, position: s.pos, value: winner, seen: s.met})
	return s
}

// confirm lets A's log go, up to the oldest entry that was read.
func (l Live) confirm(s live) []Move[live] {
	if l.Crashes == 0 || s.read == 0 {
		return nil
	}
	e, rest := s.la.first()
	if l.Memory == MemoryKept && e.position > s.horizon || l.Memory == MemoryTooSoon && e.position > s.met {
		return nil
	}
	n := s
	n.la, n.read = rest, s.read-1
	if l.Memory == MemoryMoved {
		n.table = max(s.table, s.sent)
	}
	return []Move[live]{{"A's log is confirmed", Absent, n}}
}

// crash has A's reader begin anew: what it remembers it has from B, and from what its log still has.
func (l Live) crash(s live) []Move[live] {
	if s.crashes == 0 {
		return nil
	}
	n := s
	n.crashes, n.sent = s.crashes-1, s.table
	for i := range int(s.read) {
		e := s.la.at(i)
		if l.sends(e, n.sent) {
			n.sent = e.position
		}
		n = l.learn(n, e)
	}
	return []Move[live]{{"A's reader crashes", Absent, n}}
}
