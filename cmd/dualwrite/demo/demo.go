// Package demo tells what dualwrite does, step by step, on two SQLite files: with the commands that a person would type,
// and with two applications that know nothing of it. Every step checks that it held.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dualwrite/dualwrite/examples/customers"
)

// Result is what a command of dualwrite printed, and its exit code.
type Result struct {
	Exit     int
	Out, Err string
}

// Command carries out a command line of dualwrite, its words in args.
type Command func(ctx context.Context, args ...string) Result

// Story is the demo in its folder: the config and the two databases.
type Story struct {
	folder      string
	left, right *application
}

// Prepare makes the two databases and their config in a folder; or, where URLs are given, the databases on PostgreSQL
// servers, each beside the one that its URL names.
func Prepare(ctx context.Context, folder string, urls [2]string) (*Story, error) {
	s := &Story{folder: folder}
	config, err := fs.ReadFile(customers.Files(), configFile)
	if err != nil {
		return nil, fmt.Errorf("read example: %w", err)
	}
	for i, side := range []**application{&s.left, &s.right} {
		name := []string{"finops", "dataverse"}[i]
		if urls[i] == "" {
			*side, err = newApplication(ctx, folder, name)
		} else {
			*side, config, err = newPostgres(ctx, urls[i], name, config)
		}
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	if err := os.WriteFile(s.Config(), config, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("write config: %w", err), s.Close())
	}
	return s, nil
}

const configFile = "dualwrite.yaml"

// Config is the path of the config file.
func (s *Story) Config() string { return filepath.Join(s.folder, configFile) }

// Close ends the two applications.
func (s *Story) Close() error {
	var errs []error
	for _, a := range []*application{s.left, s.right} {
		if a != nil {
			errs = append(errs, a.close())
		}
	}
	return errors.Join(errs...)
}

// Tell tells the story, and ends with the first step that does not hold.
func (s *Story) Tell(ctx context.Context, out io.Writer, run Command) error {
	t := &teller{ctx: ctx, out: out, run: run, left: s.left, right: s.right}
	for _, step := range []func(){
		t.twoDatabases, t.before, t.relatedMaps, t.firstRun, t.failedRows, t.fixAndRerun, t.live, t.pause, t.resume, t.conflict, t.verify, t.stop,
	} {
		step()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if t.err != nil {
			return t.err
		}
	}
	return nil
}
