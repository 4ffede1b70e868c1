package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	"go.uber.org/zap"

	"github.com/dualwrite/dualwrite/cmd/dualwrite/devserver"
	"github.com/dualwrite/dualwrite/starter"
	"github.com/dualwrite/dualwrite/worker"
	"github.com/dualwrite/dualwrite/workflows"
)

// serverPatience is how long Temporal's development server may take to answer.
const serverPatience = time.Minute

func (p *program) upCommand() *cobra.Command {
	o := devserver.Options{Attributes: workflows.Attributes()}
	level := ""
	c := &cobra.Command{
		Use:   "up",
		Short: "Runs everything for one machine in the foreground: Temporal with its Web UI, and a worker",
		Args:  nothing,
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
			return ended(cmd.Context(), s.up(cmd.Context(), o, log))
		},
	}
	c.Flags().StringVar(&o.StateDir, "state-dir", ".dualwrite", "where Temporal keeps its state")
	c.Flags().IntVar(&o.Port, "port", 7233, "port of Temporal; 0: any that is free")
	c.Flags().IntVar(&o.UIPort, "ui-port", 8233, "port of Temporal's Web UI; 0: any that is free")
	logLevel(c, &level)
	return c
}

// up runs Temporal and a worker until the context ends, or one of them does.
func (s *session) up(ctx context.Context, o devserver.Options, log *zap.Logger) error {
	server, err := startServer(o)
	if err != nil {
		return err
	}
	defer server.Stop()
	conn, err := connect(ctx, server, log)
	if err != nil {
		return err
	}
	defer conn.Close()
	v, err := s.serve(ctx, conn, log)
	if err != nil {
		return err
	}
	defer v.stop()
	s.printAddresses(server)
	s.printReady()
	return v.wait(ctx, server)
}

// startServer finds the `temporal` command and starts it.
func startServer(o devserver.Options) (*devserver.Server, error) {
	if o.Port < 0 || o.Port > 65535 || o.UIPort < 0 || o.UIPort > 65535 || (o.Port == o.UIPort && o.Port != 0) {
		return nil, usage("two different ones from 1 to 65535, or 0 for any that is free", "--port %d and --ui-port %d are not two ports", o.Port, o.UIPort)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own program: %w", err)
	}
	if o.Program, err = devserver.Find(self); err != nil {
		return nil, serverFailure(err)
	}
	server, err := devserver.Start(o)
	if err != nil {
		return nil, serverFailure(err)
	}
	return server, nil
}

// connect waits until the server answers.
func connect(ctx context.Context, server *devserver.Server, log *zap.Logger) (*starter.Connection, error) {
	ctx, cancel := context.WithTimeout(ctx, serverPatience)
	defer cancel()
	var conn *starter.Connection
	err := server.Await(ctx, func(ctx context.Context) (err error) {
		conn, err = starter.DialOptions(ctx, client.Options{HostPort: server.Address()}, worker.Logger(log))
		return err
	})
	if err != nil {
		return nil, serverFailure(err)
	}
	return conn, nil
}

// serverFailure explains what keeps Temporal's development server from running.
func serverFailure(err error) error {
	var known *devserver.Error
	if errors.As(err, &known) {
		return fail(exitError, "temporal_server", known.Message, known.Hint)
	}
	return err
}

func (s *session) printAddresses(server *devserver.Server) {
	out := s.program.out
	fmt.Fprintf(out, "Temporal: %s\nWeb UI:   %s\nlogs:     %s\n", server.Address(), server.UI(), server.LogFile())
	if _, port, _ := net.SplitHostPort(client.DefaultHostPort); !strings.HasSuffix(server.Address(), ":"+port) {
		fmt.Fprintf(out, "for other commands: export TEMPORAL_ADDRESS=%s\n", server.Address())
	}
}
