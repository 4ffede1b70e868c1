package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dualwrite/dualwrite/config"
	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/tablemap"
)

func (p *program) initCommand() *cobra.Command {
	i := &initial{program: p}
	c := &cobra.Command{
		Use:   "init --left NAME=URL --right NAME=URL",
		Short: "Writes a config to begin with: tables of both databases paired by name, keys, related maps",
		Args:  nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := p.limited(cmd.Context())
			defer cancel()
			return i.run(ctx)
		},
	}
	c.Flags().StringVar(&i.sides[tablemap.Left], "left", "", "the first side: its name and the URL of its database, as in finops=postgres://user:password@host/erp")
	c.Flags().StringVar(&i.sides[tablemap.Right], "right", "", "the second side, which is the master")
	c.Flags().BoolVar(&i.force, "force", false, "overwrite the config file")
	return c
}

// initial is one `dualwrite init`.
type initial struct {
	program *program
	sides   [2]string // NAME=URL
	force   bool

	starter config.Starter
	secrets []config.Secret
}

func (i *initial) run(ctx context.Context) error {
	if err := i.readSides(); err != nil {
		return err
	}
	path := i.program.config
	if _, err := os.Lstat(path); err == nil && !i.force {
		return fail(exitUsage, "config_exists", "there is a file "+path+" already", "name another with --config, or overwrite it with --force")
	}
	placeholder := i.starter
	placeholder.Link.Maps = []tablemap.Map{{Name: "none", Tables: [2]string{"none", "none"}}}
	file, err := i.parse(&placeholder)
	if err != nil {
		return err
	}
	s := &session{program: i.program, file: file}
	defer s.close()
	l, err := s.rows(ctx)
	if err != nil {
		return i.unreachable(err)
	}
	draft, err := l.Draft(ctx)
	if err != nil {
		return i.unreachable(s.unreachable(err))
	}
	if len(draft.Maps) == 0 {
		return i.nothingPairs(draft)
	}
	i.take(draft)
	if _, err := i.parse(&i.starter); err != nil {
		return err
	}
	if err := i.write(path); err != nil {
		return err
	}
	return i.tell(draft)
}

// readSides takes names and URLs out of the flags.
func (i *initial) readSides() error {
	for n, flag := range []string{"--left", "--right"} {
		name, address, ok := strings.Cut(i.sides[n], "=")
		if !ok || name == "" || address == "" || strings.Contains(name, ":") {
			return usage("as in "+flag+" finops=postgres://user:password@host/erp", "init needs %s NAME=URL: what the side is called, and where its database is", flag)
		}
		if config.Passwords(address) > 1 {
			return usage("leave one of them", "%s has a URL with two passwords", flag)
		}
		var secret config.Secret
		i.starter.Link.Sides[n] = name
		if i.starter.URLs[n], secret = config.TakePassword(name, address); secret.Variable != "" {
			i.secrets = append(i.secrets, secret)
		}
	}
	if len(i.secrets) == 2 && i.secrets[0].Variable == i.secrets[1].Variable {
		return usage("give the sides names that differ in letters or digits", "the passwords of both sides would be called %s", i.secrets[0].Variable)
	}
	i.starter.Link.Master = tablemap.Right
	i.starter.Link.Name = linkName(i.starter.Link.Sides)
	return nil
}

func linkName(sides [2]string) string {
	name := regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(sides[0]+"-"+sides[1]), "-")
	return strings.Trim(name[:min(len(name), 40)], "-")
}

// parse reads the file as every command will, with the passwords that it leaves to the environment.
func (i *initial) parse(s *config.Starter) (*config.File, error) {
	text, err := s.Text()
	if err != nil {
		return nil, err
	}
	file, err := config.Parse(i.program.config, text, func(name string) (string, bool) {
		for _, s := range i.secrets {
			if s.Variable == name {
				return s.Value, true
			}
		}
		return os.LookupEnv(name)
	})
	if problems := config.Problems(err); len(problems) > 0 {
		return nil, usage(problems[0].Hint, "%s", problems[0].Message)
	}
	return file, err
}

// unreachable keeps the mend to what init was given: there is no config file yet.
func (i *initial) unreachable(err error) error {
	f := *explain(err)
	if f.Code == "database_unavailable" {
		f.Hint = "see that the URLs are right, and that both databases are up and take this user"
	}
	return &f
}

func (i *initial) nothingPairs(d *replication.Draft) error {
	if len(d.Refused) > 0 {
		m := d.Refused[0]
		return fail(exitError, "no_maps", fmt.Sprintf("no pair of tables can be mapped; %s: %s", m.Tables[0], m.Notes[0]),
			"mend that, or write the config by hand: docs/config.md says how")
	}
	return fail(exitError, "no_maps", "no table of "+i.starter.Link.Sides[0]+" is called like one of "+i.starter.Link.Sides[1],
		"write the config by hand, with the two names of each table under tables: docs/config.md says how")
}

// take makes the config of a draft.
func (i *initial) take(d *replication.Draft) {
	s := &i.starter
	s.Notes = make(map[string][]string)
	for _, m := range d.Maps {
		s.Link.Maps = append(s.Link.Maps, m.Map)
		s.Notes[m.Name] = m.Notes
	}
	for _, o := range i.leftOut(d) {
		s.Foot = append(s.Foot, "left out: "+o.Table+" of "+o.Side+": "+o.Reason)
	}
}

// leftOut is a table that the config does not map.
type leftOut struct {
	Side   string `json:"side"`
	Table  string `json:"table"`
	Reason string `json:"reason"`
}

func (i *initial) leftOut(d *replication.Draft) []leftOut {
	sides := i.starter.Link.Sides
	out := []leftOut{}
	for _, m := range d.Refused {
		out = append(out, leftOut{Side: sides[0], Table: m.Tables[0], Reason: strings.Join(m.Notes, "; ")})
	}
	for n, names := range d.Alone {
		for _, name := range names {
			out = append(out, leftOut{Side: sides[n], Table: name, Reason: sides[1-n] + " has no table of this name"})
		}
	}
	return out
}

// write writes the file whole or not at all.
func (i *initial) write(path string) error {
	text, err := i.starter.Text()
	if err != nil {
		return err
	}
	refused := func(err error) error {
		var reason *fs.PathError
		if errors.As(err, &reason) {
			err = reason.Err
		}
		return fail(exitError, "config", fmt.Sprintf("%s cannot be written: %s", path, err), "name another with --config")
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".dualwrite-*.yaml")
	if err != nil {
		return refused(err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // it is gone when all went well
	_, err = f.WriteString("# Written by `dualwrite init`. docs/config.md says what can be changed.\n" + text)
	if err := errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return refused(err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return refused(err)
	}
	return nil
}

// tell says what has been written, what not, and what comes next.
func (i *initial) tell(d *replication.Draft) error {
	p := i.program
	names := make([]string, len(d.Maps))
	for n, m := range d.Maps {
		names[n] = m.Name
	}
	out := i.leftOut(d)
	if p.output == outputJSON {
		return writeJSON(p.out, map[string]any{"config": p.config, "maps": names, "leftOut": out})
	}
	fmt.Fprintf(p.out, "wrote %s with %s: %s\n", p.config, plural(int64(len(names)), "map"), strings.Join(names, ", "))
	for _, o := range out {
		fmt.Fprintf(p.out, "left out: %s of %s: %s\n", printable(o.Table), o.Side, printable(o.Reason))
	}
	var variables []string
	for _, s := range i.secrets {
		variables = append(variables, s.Variable)
	}
	if len(variables) > 0 {
		slices.Sort(variables)
		fmt.Fprintf(p.out, "next: set %s, as in the URL, then `dualwrite check`\n", strings.Join(variables, " and "))
		return nil
	}
	fmt.Fprintln(p.out, "next: `dualwrite check`")
	return nil
}
