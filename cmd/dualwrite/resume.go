package main

import (
	"github.com/spf13/cobra"

	"github.com/dualwrite/dualwrite/tablemap"
)

func (p *program) resumeCommand() *cobra.Command {
	return p.simpleCommand(tablemap.Resume, "Plays back what is queued, then writes live again")
}
