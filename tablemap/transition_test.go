package tablemap_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/tablemap"
)

func statuses() []tablemap.Status {
	return []tablemap.Status{tablemap.NotRunning, tablemap.Initializing, tablemap.Running, tablemap.Paused, tablemap.Resuming}
}

func commands() []tablemap.Command {
	return []tablemap.Command{tablemap.Run, tablemap.Pause, tablemap.Resume, tablemap.Stop, tablemap.SkipSync, tablemap.Discard}
}

func TestNext(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	idle := tablemap.Situation{Status: tablemap.NotRunning}
	kept := tablemap.Situation{Status: tablemap.NotRunning, Queueing: true}
	running := tablemap.Situation{Status: tablemap.Running}
	paused := tablemap.Situation{Status: tablemap.Paused}
	cases := []struct {
		at      tablemap.Situation
		command tablemap.Command
		options tablemap.Options
		want    tablemap.Status
	}{
		{idle, tablemap.Run, tablemap.Options{}, tablemap.Initializing},
		{idle, tablemap.Run, tablemap.Options{InitialSync: &yes, Master: "finops"}, tablemap.Initializing},
		{idle, tablemap.Run, tablemap.Options{InitialSync: &no}, tablemap.Running},
		{kept, tablemap.Run, tablemap.Options{}, tablemap.Initializing},
		{kept, tablemap.Run, tablemap.Options{InitialSync: &no}, tablemap.Resuming},
		{idle, tablemap.SkipSync, tablemap.Options{}, tablemap.Running},
		{kept, tablemap.SkipSync, tablemap.Options{}, tablemap.Resuming},
		{kept, tablemap.Discard, tablemap.Options{}, tablemap.NotRunning},
		{running, tablemap.Pause, tablemap.Options{}, tablemap.Paused},
		{running, tablemap.Stop, tablemap.Options{}, tablemap.NotRunning},
		{paused, tablemap.Run, tablemap.Options{}, tablemap.Resuming},
		{paused, tablemap.Resume, tablemap.Options{}, tablemap.Resuming},
		{idle, tablemap.Discard, tablemap.Options{}, ""},
		{idle, tablemap.SkipSync, tablemap.Options{Master: "finops"}, ""},
		{paused, tablemap.Run, tablemap.Options{InitialSync: &yes}, ""},
		{running, tablemap.Stop, tablemap.Options{Master: "finops"}, ""},
	}
	for _, c := range cases {
		got, err := tablemap.Next(c.at, c.command, c.options)
		require.Equal(t, c.want, got, "%v %s", c.at, c.command)
		require.Equal(t, c.want == "", err != nil)
	}
}

func TestNextAllowsJustTheActions(t *testing.T) {
	t.Parallel()
	for _, s := range statuses() {
		for _, queueing := range []bool{false, true} {
			at := tablemap.Situation{Status: s, Queueing: queueing}
			actions := tablemap.Actions(at)
			require.NotNil(t, actions, "JSON wants a list")
			for _, c := range commands() {
				_, err := tablemap.Next(at, c, tablemap.Options{})
				if err == nil {
					require.Contains(t, actions, c)
				} else {
					require.NotContains(t, actions, c)
				}
			}
		}
	}
	_, err := tablemap.Next(tablemap.Situation{Status: tablemap.Running}, tablemap.Run, tablemap.Options{})
	require.EqualError(t, err, "run is not allowed while Running; allowed: pause, stop")
	_, err = tablemap.Next(tablemap.Situation{Status: tablemap.Resuming}, tablemap.Run, tablemap.Options{})
	require.EqualError(t, err, "run is not allowed while Resuming; allowed: nothing until that has ended")
}

func TestEveryStatusCanBeReachedAndLeft(t *testing.T) {
	t.Parallel()
	into, out := map[tablemap.Status]bool{}, map[tablemap.Status]bool{}
	for _, one := range tablemap.Transitions() {
		into[one.To], out[one.From] = true, true
	}
	for _, one := range tablemap.Departures() {
		require.NotEmpty(t, one.Why)
		into[one.To], out[one.From] = true, true
	}
	for _, s := range statuses() {
		require.True(t, into[s] && out[s], "%s", s)
	}
}
