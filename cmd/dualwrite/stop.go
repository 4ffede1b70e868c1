package main

import (
	"github.com/spf13/cobra"

	"github.com/dualwrite/dualwrite/tablemap"
)

func (p *program) stopCommand() *cobra.Command {
	return p.simpleCommand(tablemap.Stop, "Takes a map off both databases: nothing flows or is queued any more")
}
