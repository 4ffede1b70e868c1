package main

import (
	"github.com/spf13/cobra"

	"github.com/dualwrite/dualwrite/tablemap"
)

func (p *program) skipSyncCommand() *cobra.Command {
	return p.simpleCommand(tablemap.SkipSync, "Writes live without an initial sync, or after a failed one")
}
