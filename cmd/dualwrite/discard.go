package main

import (
	"github.com/spf13/cobra"

	"github.com/dualwrite/dualwrite/tablemap"
)

func (p *program) discardCommand() *cobra.Command {
	return p.simpleCommand(tablemap.Discard, "After a failed initial sync: gives up what is queued")
}
