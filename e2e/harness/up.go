package harness

import (
	"context"
	"strings"
)

// Up starts `dualwrite up` with the flags given and waits until it is ready. From then on the commands of the link go
// to its Temporal.
func (l *Link) Up(flags ...string) *Process {
	l.t.Helper()
	command := l.command(context.Background(), append([]string{"up"}, flags...)...)
	p := begin(l.t, l.Folder, "up", command)
	p.AwaitLine("ready")
	l.address = strings.TrimSpace(strings.TrimPrefix(p.AwaitLine("Temporal:"), "Temporal:"))
	return p
}

// Address is where the commands of the link find Temporal.
func (l *Link) Address() string { return l.address }

// Elsewhere makes the commands of the link look for Temporal at another address.
func (l *Link) Elsewhere(address string) { l.address = address }
