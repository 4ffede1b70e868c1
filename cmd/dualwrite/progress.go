package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// doing is how far a piece of work is: rows, or changes.
type doing struct {
	What        string // "initial write", "replay", "rows", "changes"; "": nothing is under way
	Done, Total int64  // Total is an estimate; 0: unknown
	Trouble     string // why what is under way is tried again, if it is
}

// progress shows work under way on standard error: a bar that is drawn again and again where a person looks, else a line
// per change of status and now and then one for the numbers, or nothing.
type progress struct {
	w     io.Writer
	style progressStyle
	width int // columns of the terminal
	now   func() time.Time

	status string // last shown
	line   string // last shown
	shown  time.Time
	first  doing // the sample that the rate is counted from
	since  time.Time
	last   doing // the sample that it is counted to: the latest that differs from the one before
	until  time.Time
}

type progressStyle int

const (
	progressBar progressStyle = iota
	progressLines
	progressSilent
)

// lineEvery is the time between two lines about the same status.
const lineEvery = 5 * time.Second

// stall is how long the numbers may stay the same, because they come by heartbeats, until the rate takes notice.
const stall = 3 * time.Second

// progress is silent with -o json, because standard error then holds nothing but JSON.
func (p *program) progress() *progress {
	pr := &progress{w: p.err, style: progressLines, width: p.terminal.width, now: time.Now}
	switch {
	case p.terminal.err:
		pr.style = progressBar
	case p.output != outputTable:
		pr.style = progressSilent
	}
	return pr
}

// show tells how far a map is.
func (p *progress) show(name, status string, d doing) {
	if p.style == progressSilent {
		return
	}
	now := p.now()
	if d.What != p.first.What || d.Done < p.first.Done || p.since.IsZero() {
		p.first, p.since, p.last, p.until = d, now, d, now
	}
	if d.Done != p.last.Done {
		p.last, p.until = d, now
	}
	text := name + ": " + status
	numbers := p.numbers(d, now)
	if p.style == progressBar {
		p.draw(text, d, numbers)
		return
	}
	if numbers != "" {
		numbers = ", " + d.What + numbers
	}
	changed := text != p.status
	if !changed && (now.Sub(p.shown) < lineEvery || text+numbers == p.line) {
		return
	}
	fmt.Fprintln(p.w, text+numbers)
	p.status, p.line, p.shown = text, text+numbers, now
}

// numbers are those of work under way: " 6,300 of 10,000, 2,100/s, 2s left".
func (p *progress) numbers(d doing, now time.Time) string {
	if d.What == "" {
		return ""
	}
	text := " " + count(d.Done)
	if d.Total > 0 {
		text += " of " + count(max(d.Total, d.Done))
	}
	until := p.until
	if now.Sub(until) > stall {
		until = now
	}
	elapsed := until.Sub(p.since).Seconds()
	moved := float64(p.last.Done - p.first.Done)
	if elapsed < 0.5 || moved <= 0 {
		return text
	}
	rate := moved / elapsed
	text += fmt.Sprintf(", %s/s", count(int64(rate)))
	if left := d.Total - d.Done; left > 0 {
		remaining := time.Duration(float64(left)/rate*float64(time.Second)) - now.Sub(until)
		text += fmt.Sprintf(", %s left", max(remaining.Round(time.Second), time.Second))
	}
	return text
}

// draw draws the one line of a terminal again.
func (p *progress) draw(text string, d doing, numbers string) {
	const cells = 20
	if d.What != "" {
		text += "  " + d.What
	}
	if d.Total > 0 {
		full := int(min(d.Done*cells/d.Total, cells))
		text += " [" + strings.Repeat("#", full) + strings.Repeat(".", cells-full) + "]"
	}
	line := []rune(text + numbers)
	if p.width > 1 && len(line) >= p.width {
		line = line[:p.width-1]
	}
	if string(line) != p.line {
		fmt.Fprint(p.w, "\r\x1b[K"+string(line))
		p.line = string(line)
	}
}

// end takes the bar away, so that what follows begins on an empty line.
func (p *progress) end() {
	if p.style == progressBar && p.line != "" {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.line = ""
	}
}
