package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dualwrite/dualwrite/cmd/dualwrite/demo"
	"github.com/dualwrite/dualwrite/cmd/dualwrite/devserver"
	"github.com/dualwrite/dualwrite/starter"
	"github.com/dualwrite/dualwrite/workflows"
)

// demoGrace is how long the demo's Temporal may take to end; its state is thrown away.
const demoGrace = 3 * time.Second

func (p *program) demoCommand() *cobra.Command {
	keep := false
	var urls [2]string
	c := &cobra.Command{
		Use:   "demo",
		Short: "Tells what dualwrite does, step by step, on two SQLite files in a temporary folder, or on PostgreSQL",
		Args:  nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := demoURLs(urls); err != nil {
				return err
			}
			folder, err := os.MkdirTemp("", "dualwrite-demo-")
			if err != nil {
				return fmt.Errorf("make a temporary folder: %w", err)
			}
			err = p.demo(cmd.Context(), folder, urls)
			if keep {
				fmt.Fprintln(p.err, "kept: "+folder)
				return err
			}
			return errors.Join(err, os.RemoveAll(folder))
		},
	}
	c.Flags().BoolVar(&keep, "keep", false, "keep the temporary folder with the databases and logs")
	c.Flags().StringVar(&urls[0], "left", "", "URL of a PostgreSQL server for the first side, where the demo makes a database of its own and removes it")
	c.Flags().StringVar(&urls[1], "right", "", "likewise for the second side; it may be the same server")
	return c
}

// demoURLs refuses what the demo cannot be told on.
func demoURLs(urls [2]string) error {
	for i, flag := range []string{"--left", "--right"} {
		switch scheme, _, _ := strings.Cut(urls[i], ":"); {
		case urls[i] == "" && urls[1-i] != "":
			return usage("as in --left postgres://user@host/postgres --right postgres://user@host/postgres", "demo takes both --left and --right, or neither: %s is missing", flag)
		case urls[i] != "" && scheme != "postgres" && scheme != "postgresql":
			return usage("without --left and --right it is told on two SQLite files", "%s of demo takes the URL of a PostgreSQL server", flag)
		}
	}
	return nil
}

// demo tells the story in a folder. It leaves nothing running.
func (p *program) demo(ctx context.Context, folder string, urls [2]string) error {
	began := time.Now()
	story, err := demo.Prepare(ctx, folder, urls)
	if err != nil {
		return err
	}
	defer func() { _ = story.Close() }()
	logs := &bytes.Buffer{}
	err = p.tell(ctx, story, folder, logs)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		fmt.Fprint(p.err, lastLines(logs.String(), shownLogs))
		return err
	}
	fmt.Fprintf(p.out, "\nThat was the demo, in %s. Nothing is left running. `dualwrite --help` shows the commands.\n", time.Since(began).Round(time.Second))
	return nil
}

// shownLogs is how many of the worker's last logs are shown when the demo fails.
const shownLogs = 15

// tell starts Temporal and a worker on free ports, tells the story and ends them.
func (p *program) tell(ctx context.Context, story *demo.Story, folder string, logs *bytes.Buffer) error {
	fmt.Fprintln(p.out, "dualwrite demo: two databases kept equal. Starting Temporal's development server and a worker …")
	server, err := startServer(devserver.Options{
		StateDir: filepath.Join(folder, "temporal"), Attributes: workflows.Attributes(), Grace: demoGrace})
	if err != nil {
		return err
	}
	defer server.Stop()
	log, err := (&program{err: logs}).newLogger("warn")
	if err != nil {
		return err
	}
	conn, err := connect(ctx, server, log)
	if err != nil {
		return err
	}
	defer conn.Close()
	inner := p.inside(conn, story.Config())
	s, err := inner().open()
	if err != nil {
		return err
	}
	v, err := s.serve(ctx, conn, log)
	if err != nil {
		return err
	}
	defer v.stop()
	fmt.Fprintf(p.out, "Temporal's Web UI, while this runs: %s\n", server.UI())
	return story.Tell(ctx, p.out, func(ctx context.Context, args ...string) demo.Result {
		one := inner()
		out, problems := &bytes.Buffer{}, &bytes.Buffer{}
		one.out, one.err = out, problems
		exit := one.run(ctx, append([]string{"--config", story.Config()}, args...))
		return demo.Result{Exit: exit, Out: out.String(), Err: problems.String()}
	})
}

// inside makes programs that work on the demo's Temporal, each for one command line, and that nobody is asked by.
func (p *program) inside(conn *starter.Connection, config string) func() *program {
	r := p.reach
	r.temporal = func(_ context.Context, link string) (commander, func(), error) {
		return newService(conn, link), func() {}, nil
	}
	return func() *program {
		return &program{in: strings.NewReader(""), out: p.out, err: p.err, reach: r, config: config}
	}
}

func lastLines(text string, n int) string {
	lines := strings.SplitAfter(text, "\n")
	return strings.Join(lines[max(0, len(lines)-n-1):], "")
}
