package workflows

import "github.com/dualwrite/dualwrite/tablemap"

func (s *State) situation() tablemap.Situation {
	return tablemap.Situation{Status: s.Status, Queueing: s.Queueing}
}

func allowed(s *State) []tablemap.Command { return tablemap.Actions(s.situation()) }

// next is the status that a command leads to, or why it is not allowed.
func next(s *State, r Request) (tablemap.Status, error) {
	return tablemap.Next(s.situation(), r.Command, tablemap.Options{InitialSync: r.InitialSync, Master: r.Master})
}
