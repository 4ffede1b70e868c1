package main

import (
	"github.com/spf13/cobra"

	"github.com/dualwrite/dualwrite/tablemap"
)

func (p *program) pauseCommand() *cobra.Command {
	return p.simpleCommand(tablemap.Pause, "Queues all changes of a map until it is resumed")
}
