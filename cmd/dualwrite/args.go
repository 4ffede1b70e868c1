package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// oneMap wants the name of one map.
func oneMap(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return usage("dualwrite "+cmd.Use, "%s needs the name of a map", cmd.CommandPath())
	case len(args) > 1:
		return usage("dualwrite "+cmd.Use, "%s takes one map, not %d arguments", cmd.CommandPath(), len(args))
	}
	return nil
}

// nothing wants no arguments.
func nothing(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("dualwrite "+cmd.Use, "%s takes no arguments, but there is %q", cmd.CommandPath(), args[0])
	}
	return nil
}

// split reads a list: names separated by commas, blanks around them ignored.
func split(list string) []string {
	var names []string
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// keyOf reads col=value,col=value. A backslash keeps a comma in a value.
func keyOf(text string) (map[string]string, error) {
	const hint = `as in --key company=usmf,account=C-1 (a comma in a value: \,)`
	key := map[string]string{}
	for _, part := range splitEscaped(text) {
		column, value, ok := strings.Cut(part, "=")
		column = strings.TrimSpace(column)
		if !ok || column == "" {
			return nil, usage(hint, "--key has a part %q without a column and its value", part)
		}
		if _, twice := key[column]; twice {
			return nil, usage(hint, "--key names the column %s twice", column)
		}
		key[column] = value
	}
	return key, nil
}

// splitEscaped splits at commas that no backslash precedes. A backslash before anything else is itself.
func splitEscaped(text string) []string {
	const comma = "\x00" // no value of a command line holds it
	parts := strings.Split(strings.ReplaceAll(text, `\,`, comma), ",")
	for i := range parts {
		parts[i] = strings.ReplaceAll(parts[i], comma, ",")
	}
	return parts
}
