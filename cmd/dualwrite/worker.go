package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dualwrite/dualwrite/starter"
	"github.com/dualwrite/dualwrite/worker"
)

func (p *program) workerCommand() *cobra.Command {
	level := ""
	c := &cobra.Command{
		Use:   "worker",
		Short: "Runs a worker against an existing Temporal; several may run",
		Long: "Runs a worker against an existing Temporal; several may run.\n\nTemporal's address, namespace, TLS and profile come from the same " +
			"environment and file as the `temporal` command's: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, …",
		Args: nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := p.newLogger(level)
			if err != nil {
				return err
			}
			s, err := p.open()
			if err != nil {
				return err
			}
			defer s.close()
			conn, err := starter.Dial(cmd.Context(), worker.Logger(log))
			if err != nil {
				return err
			}
			defer conn.Close()
			v, err := s.serve(cmd.Context(), conn, log)
			if err != nil {
				return ended(cmd.Context(), err)
			}
			defer v.stop()
			fmt.Fprintf(p.out, "Temporal: %s, namespace %s\n", conn.Address, conn.Namespace)
			s.printReady()
			return v.wait(cmd.Context(), nil)
		},
	}
	logLevel(c, &level)
	return c
}

// printReady tells that the maps can be used.
func (s *session) printReady() {
	fmt.Fprintf(s.program.out, "ready: link %s, %s\n", s.link().Name, plural(int64(len(s.link().Maps)), "map"))
}

// ended is the error of a start that did not come to its end; none when whoever started it has ended it.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
