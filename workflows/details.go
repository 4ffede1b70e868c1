package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/dualwrite/dualwrite/tablemap"
)

// Summary is the static summary of a map's workflow: its tables.
func Summary(definition tablemap.Map) string {
	return fmt.Sprintf("%s ⇄ %s", definition.Tables[tablemap.Left], definition.Tables[tablemap.Right])
}

// about describes a command in Temporal's Web UI.
func about(c tablemap.Command) string {
	switch c {
	case tablemap.Run:
		return "begin a run: initial sync, then live writes"
	case tablemap.Pause:
		return "queue changes until resume"
	case tablemap.Resume:
		return "play back what is queued, then live writes"
	case tablemap.Stop:
		return "take the map off both sides"
	case tablemap.SkipSync:
		return "live writes without an initial sync, or after a failed one"
	}
	return "give up what a failed initial sync has queued"
}

// show puts the state where the Web UI shows it.
func (m *tableMap) show(ctx workflow.Context) {
	workflow.SetCurrentDetails(ctx, details(&m.state))
}

// details are the state in Markdown, with the commands that it allows ready to be pasted.
func details(s *State) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n%s since %s\n\n", Summary(s.shown()), s.Status, s.Since.UTC().Format(time.RFC3339))
	if s.Reason != "" {
		fmt.Fprintf(&b, "**%s**\n\n", s.Reason)
	}
	if p := s.pending(); p != "" {
		fmt.Fprintf(&b, "*%s*\n\n", p)
	}
	if s.Run > 0 {
		fmt.Fprintf(&b, "Run %d, master %s, health %s. ", s.Run, s.Config.Sides[s.Master], s.Health)
	}
	fmt.Fprintf(&b, "Last initial sync: %s\n\n", s.Sync.State)
	writeLegs(&b, s.Sync.Legs)
	writeCommands(&b, s)
	writeRefused(&b, s.Refused)
	return b.String()
}

// shown is the definition that people see: that of the run, or as configured while there is none.
func (s *State) shown() tablemap.Map {
	if s.Run == 0 || s.Status == tablemap.NotRunning {
		return s.Config.Definition
	}
	return s.Definition
}

func writeLegs(b *strings.Builder, legs []tablemap.Leg) {
	if len(legs) == 0 {
		return
	}
	b.WriteString("| from | to | read | inserted | updated | equal | skipped | failed |\n|---|---|--:|--:|--:|--:|--:|--:|\n")
	for _, l := range legs {
		fmt.Fprintf(b, "| %s | %s | %d | %d | %d | %d | %d | %d |\n",
			l.From, l.To, l.Read, l.Inserted, l.Updated, l.Equal, l.Skipped, l.Failed)
	}
	b.WriteString("\n")
}

func writeCommands(b *strings.Builder, s *State) {
	commands := allowed(s)
	if len(commands) == 0 {
		b.WriteString("No command is allowed until this has ended; cancelling the workflow gives it up.\n")
		return
	}
	b.WriteString("Allowed commands:\n\n```\n")
	for _, c := range commands {
		fmt.Fprintf(b, "temporal workflow signal -w %s --name %s\n", MapID(s.Link, s.Map), c)
	}
	b.WriteString("```\n")
}

func writeRefused(b *strings.Builder, refused []RefusedCommand) {
	if len(refused) == 0 {
		return
	}
	b.WriteString("\nRefused:\n\n")
	for _, r := range refused {
		by := ""
		if r.Actor != "" {
			by = " by " + plain(r.Actor)
		}
		fmt.Fprintf(b, "* %s `%s`%s: %s\n", r.At.UTC().Format(time.RFC3339), plain(r.Command), by, plain(r.Reason))
	}
}

// plain keeps what others have sent from being Markdown or several lines.
func plain(s string) string {
	return strings.NewReplacer("\n", " ", "\r", " ", "`", "'", "*", "", "[", "(", "]", ")", "<", "(", ">", ")").Replace(clip(s))
}

func clip(s string) string {
	const limit = 300
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}
