// Package model is the protocol (docs/protocol.md) made so small that it can be searched to the end: one key, three values, a few writes
// of users on each side, and every order in which users, readers and writers can take turns. The rules are switches, so that the search
// also shows what goes wrong without each of them. It shares no code with the engine: who changes a rule there changes it here first.
//
// What it does not know: several keys, and so unique and foreign keys and transactions of several rows. Those the simulation has
// (replication/simulation_test.go), which drives the engine itself, at random.
package model

import (
	"fmt"
	"slices"
)

// Value is what a row of the one key holds.
type Value uint8

// The values. Absent: there is no row.
const (
	Absent Value = iota
	One
	Two
)

var values = []Value{Absent, One, Two}

func (v Value) String() string { return [...]string{"-", "1", "2"}[v] }

// Move is one thing that can happen in a state.
type Move[S comparable] struct {
	What  string
	Value Value // that is written, sent or queued
	Next  S
}

// World is what is searched.
type World[S comparable] struct {
	Starts []S
	Moves  func(S) []Move[S]
	Rests  func(S) bool // nothing is under way any more, and users have written all that they would
	Right  func(S) bool // judges a state at rest
}

// Result is what a search has come to.
type Result struct {
	States int
	Ends   int      // states at rest
	Wrong  []string // the shortest way to a state that should not be, with that state; nil: there is none
}

// Search looks at every state, the nearest first (breadth-first search). A state from which nothing leads on, but that is not at rest, is
// wrong too.
func Search[S comparable](w World[S]) Result {
	var r Result
	states, from := slices.Clone(w.Starts), make([]int, len(w.Starts))
	known := make(map[S]bool)
	for i, s := range states {
		from[i], known[s] = -1, true
	}
	for i := 0; i < len(states); i++ {
		moves := w.Moves(states[i])
		rests := w.Rests(states[i])
		if rests {
			r.Ends++
		}
		if rests && !w.Right(states[i]) || !rests && len(moves) == 0 {
			r.States, r.Wrong = len(states), way(w, states, from, i)
			return r
		}
		for _, m := range moves {
			if !known[m.Next] {
				known[m.Next] = true
				states, from = append(states, m.Next), append(from, i)
			}
		}
	}
	r.States = len(states)
	return r
}

// way tells how a state was reached.
func way[S comparable](w World[S], states []S, from []int, at int) []string {
	out := []string{fmt.Sprintf("the end: %+v", states[at])}
	for ; from[at] >= 0; at = from[at] {
		for _, m := range w.Moves(states[from[at]]) {
			if m.Next == states[at] {
				out = append(out, fmt.Sprintf("%s %s", m.What, m.Value))
				break
			}
		}
	}
	out = append(out, fmt.Sprintf("the beginning: %+v", states[at]))
	slices.Reverse(out)
	return out
}

// log is a side's log, or a queue, or what is under way: entries, the oldest first. A string, so that states can be compared.
type log string

// entry is one of a log.
type entry struct {
	kind     byte
	position uint8
	value    Value // after the change
	before   Value
	seen     uint8 // how far the other side had seen this one's
}

const entrySize = 5

func (l log) add(e entry) log {
	return l + log([]byte{e.kind, e.position, byte(e.value), byte(e.before), e.seen})
}

func (l log) len() int { return len(l) / entrySize }

func (l log) at(i int) entry {
	b := l[i*entrySize:]
	return entry{b[0], b[1], Value(b[2]), Value(b[3]), b[4]}
}

// first is the oldest entry, and what is left without it.
func (l log) first() (entry, log) { return l.at(0), l[entrySize:] }

// has reports whether an entry of a kind is there.
func (l log) has(kind byte) bool {
	for i := range l.len() {
		if l.at(i).kind == kind {
			return true
		}
	}
	return false
}

// Kinds of entries.
const (
	user   = 'u' // a user's change
	echo   = 'e' // of LA: what B's users changed, written by dualwrite
	resend = 't' // of LA: the row is to be sent, as it is
	marker = 'm' // of LB: B has seen A up to a position
	copied = 'r' // written by the initial write
)
