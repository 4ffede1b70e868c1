package main

import "github.com/spf13/cobra"

func (p *program) demoCommand() *cobra.Command {
	return &cobra.Command{Use: "demo", Short: "Tells the whole story on two SQLite files in a temporary folder", RunE: func(*cobra.Command, []string) error { return nil }}
}
