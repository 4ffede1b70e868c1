package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func (p *program) retryCommand() *cobra.Command {
	text := ""
	c := &cobra.Command{
		Use:   "retry MAP",
		Short: "Tries held rows again; a row ends as its last change",
		Args:  oneMap,
		RunE: func(cmd *cobra.Command, args []string) error {
			var key map[string]string
			if cmd.Flags().Changed("key") {
				var err error
				if key, err = keyOf(text); err != nil {
					return err
				}
			}
			return p.onMap(cmd, args, func(ctx context.Context, s *session, name string) error {
				return s.retry(ctx, name, key)
			})
		},
	}
	c.Flags().StringVar(&text, "key", "", "only the row with this key: col=value,… in the columns of either side")
	return c
}

// retried is what `retry` prints with -o json.
type retried struct {
	Map     string `json:"map"`
	Tried   int64  `json:"tried"`
	Applied int64  `json:"applied"`
	Left    int64  `json:"left"`
}

func (s *session) retry(ctx context.Context, name string, key map[string]string) error {
	l, err := s.rows(ctx)
	if err != nil {
		return err
	}
	bar := s.program.progress()
	defer bar.end()
	r, err := work(ctx, func() (retry, error) { return l.Retry(ctx, name, key) }, func(r retry) {
		result := r.Result()
		bar.show(name, "retry", doing{What: "changes", Done: result.Tried, Total: result.Tried + result.Left})
	})
	if err != nil {
		return s.named(name, err)
	}
	bar.end()
	result := r.Result()
	if s.program.output == outputJSON {
		err = writeJSON(s.program.out, retried{name, result.Tried, result.Applied, result.Left})
	} else {
		_, err = fmt.Fprintf(s.program.out, "%s: tried %s, applied %s, still held %s\n",
			name, count(result.Tried), count(result.Applied), count(result.Left))
	}
	if err == nil && result.Left > 0 {
		return fail(exitRows, "failed_rows", fmt.Sprintf("%s of %s still held", plural(result.Left, "change"), name),
			"see why with `dualwrite errors "+name+"`")
	}
	return err
}
