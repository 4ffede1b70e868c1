package workflows

import (
	"fmt"
	"strings"

	"github.com/dualwrite/dualwrite/tablemap"
)

func allowed(s *State) []tablemap.Command {
	switch s.Status {
	case tablemap.NotRunning:
		if s.Queueing {
			return []tablemap.Command{tablemap.Run, tablemap.SkipSync, tablemap.Discard}
		}
		return []tablemap.Command{tablemap.Run, tablemap.SkipSync}
	case tablemap.Running:
		return []tablemap.Command{tablemap.Pause, tablemap.Stop}
	case tablemap.Paused:
		return []tablemap.Command{tablemap.Run, tablemap.Resume}
	}
	return []tablemap.Command{}
}

// next is the status that a command leads to, or why it is not allowed.
func next(s *State, r Request) (tablemap.Status, error) {
	ok := allowed(s)
	for _, c := range ok {
		if c == r.Command {
			return nextAllowed(s, r)
		}
	}
	names := make([]string, len(ok))
	for i, c := range ok {
		names[i] = string(c)
	}
	return "", fmt.Errorf("%s is not allowed while %s; allowed: %s", r.Command, s.Status, strings.Join(names, ", "))
}

func nextAllowed(s *State, r Request) (tablemap.Status, error) {
	options := r.InitialSync != nil || r.Master != ""
	if options && (r.Command != tablemap.Run || s.Status == tablemap.Paused) {
		return "", fmt.Errorf("%s of a map that is %s takes no options", r.Command, s.Status)
	}
	switch r.Command {
	case tablemap.Run:
		if s.Status == tablemap.Paused {
			return tablemap.Resuming, nil
		}
		if r.InitialSync == nil || *r.InitialSync {
			return tablemap.Initializing, nil
		}
		return live(s), nil
	case tablemap.SkipSync:
		return live(s), nil
	case tablemap.Resume:
		return tablemap.Resuming, nil
	case tablemap.Pause:
		return tablemap.Paused, nil
	}
	return tablemap.NotRunning, nil
}

func live(s *State) tablemap.Status {
	if s.Queueing {
		return tablemap.Resuming
	}
	return tablemap.Running
}
