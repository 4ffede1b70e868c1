package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dualwrite/dualwrite/tablemap"
)

// program is one invocation of dualwrite: its streams, its global flags, and the ways to the outside, which tests and
// the demo replace.
type program struct {
	in       io.Reader
	out, err io.Writer
	terminal terminal
	reach    reach

	config  string
	output  output
	noWait  bool
	timeout time.Duration

	warned   map[string]bool // texts, each of which is told once
	warnings []string        // kept until the end with -o json
}

// terminal says which of the streams a person sits at.
type terminal struct {
	in, out, err bool
	width        int // columns of standard error
}

// run carries out one command line and returns its exit code.
func (p *program) run(ctx context.Context, args []string) int {
	root := p.root()
	root.SetArgs(args)
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		p.flushWarnings()
		return exitDone
	}
	if wantsJSON(args) {
		p.output = outputJSON // the command line may not have been parsed to its end
	}
	f := meant(err)
	warnings := p.warnings
	if p.output != outputJSON {
		warnings = nil
	}
	f.print(p.err, p.output, warnings)
	return f.Exit
}

// ran marks an error that a command returned, as opposed to one that cobra found in the command line.
type ran struct{ error }

func (r ran) Unwrap() error { return r.error }

// meant explains an error; one that no command returned is about usage.
func meant(err error) *failure {
	var command ran
	var known *failure
	if errors.As(err, &command) || errors.As(err, &known) {
		return explain(err)
	}
	return usage("see `dualwrite --help`", "%s", err)
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "dualwrite",
		Short:         "Keeps chosen tables of two databases equal, in both directions, in near real time",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return p.check(cmd) },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	flags := root.PersistentFlags()
	flags.StringVar(&p.config, "config", "dualwrite.yaml", "the config file")
	flags.StringVarP((*string)(&p.output), "output", "o", "table", "format of what is printed: table or json (errors: also csv)")
	flags.BoolVar(&p.noWait, "no-wait", false, "do not wait for the outcome: return once the command is accepted")
	flags.DurationVar(&p.timeout, "timeout", 0, "wait for the outcome no longer than this, as in 5m (default: as long as it takes)")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("see `"+cmd.CommandPath()+" --help`", "%s", err)
	})
	root.AddGroup(&cobra.Group{ID: groupConfig, Title: "Config:"}, &cobra.Group{ID: groupMaps, Title: "Table maps:"}, &cobra.Group{ID: groupRows, Title: "Rows:"},
		&cobra.Group{ID: groupServices, Title: "Services:"})
	p.add(root, groupMaps, p.listCommand(), p.statusCommand(), p.relatedCommand(), p.runCommand(), p.pauseCommand(),
		p.resumeCommand(), p.stopCommand(), p.skipSyncCommand(), p.discardCommand())
	p.add(root, groupConfig, p.initCommand(), p.checkCommand(), p.previewCommand(), p.doctorCommand())
	p.add(root, groupRows, p.errorsCommand(), p.retryCommand(), p.conflictsCommand(), p.verifyCommand())
	p.add(root, groupServices, p.upCommand(), p.workerCommand(), p.demoCommand())
	return root
}

// Groups of commands in the help text.
const (
	groupConfig   = "config"
	groupMaps     = "maps"
	groupRows     = "rows"
	groupServices = "services"
)

// add adds commands whose errors are told from those of their usage.
func (p *program) add(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, c := range commands {
		c.GroupID = group
		run := c.RunE
		c.RunE = func(cmd *cobra.Command, args []string) error {
			if err := run(cmd, args); err != nil {
				return ran{err}
			}
			return nil
		}
		root.AddCommand(c)
	}
}

func unknownCommand(root *cobra.Command, name string) error {
	var names []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	hint := "see `dualwrite --help`"
	if near := tablemap.Closest(name, names); near != "" {
		hint = "did you mean `dualwrite " + near + "`? " + hint
	}
	return usage(hint, "unknown command %q", name)
}

// check looks at the global flags, whose values cobra does not know.
func (p *program) check(cmd *cobra.Command) error {
	formats := []string{string(outputTable), string(outputJSON)}
	if cmd.Name() == "errors" {
		formats = append(formats, string(outputCSV))
	}
	for _, f := range formats {
		if string(p.output) == f {
			if p.timeout < 0 {
				return usage("as in --timeout 5m", "--timeout cannot be negative")
			}
			return nil
		}
	}
	wrong := p.output
	p.output = outputTable
	return usage("-o "+strings.Join(formats, ", -o "), "%s does not know the format %q", cmd.CommandPath(), wrong)
}

// wantsJSON finds -o json in a command line.
func wantsJSON(args []string) bool {
	for i, a := range args {
		switch {
		case a == "--":
			return false
		case a == "-ojson", a == "-o=json", a == "--output=json":
			return true
		case (a == "-o" || a == "--output") && i+1 < len(args) && args[i+1] == "json":
			return true
		}
	}
	return false
}

// warn tells what whoever gave the command should know, though the command goes on. With -o json standard error holds
// nothing but JSON should the command fail, so it is kept until then.
func (p *program) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if p.warned[text] {
		return
	}
	if p.warned == nil {
		p.warned = make(map[string]bool)
	}
	p.warned[text] = true
	if p.output == outputJSON {
		p.warnings = append(p.warnings, text)
		return
	}
	fmt.Fprintln(p.err, "note: "+text)
}

func (p *program) flushWarnings() {
	for _, text := range p.warnings {
		fmt.Fprintln(p.err, "note: "+text)
	}
}

// limited bounds a context by --timeout.
func (p *program) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if p.timeout > 0 {
		return context.WithTimeout(ctx, p.timeout)
	}
	return context.WithCancel(ctx)
}
