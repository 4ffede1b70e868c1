package postgres

import (
	"bytes"
	"context"
	"errors"

	"github.com/dualwrite/dualwrite/store"
)

// copyLeast is how many rows make a COPY worth its round trips.
const copyLeast = 200

// copyIn inserts the rows of a group whose keys are new, as far as its source knows, by COPY: the server then stores many
// rows at a time. false means that one of them was refused, most likely because it is there already, and that nothing has
// been written.
func (a *applier) copyIn(ctx context.Context, g *group) (bool, error) {
	if err := a.tx.c.exec(ctx, sqlSavepoint); err != nil {
		return false, fault(err)
	}
	names := g.p.names
	for _, d := range g.writes[0].Relation.Defaults {
		names = append(names[:len(names):len(names)], d.Column.Name)
	}
	sql := "COPY " + g.p.table + " (" + quoteAll("", names) + ") FROM STDIN"
	err := a.tx.c.copyFrom(ctx, sql, bytes.NewReader(g.copyText()))
	if err == nil {
		for _, at := range g.at {
			a.out[at] = store.Result{Outcome: store.Applied}
		}
		return true, fault(a.tx.c.exec(ctx, sqlRelease))
	}
	if pgError(err) == nil || errors.Is(fault(err), store.ErrTransient) {
		return false, fault(err)
	}
	return false, a.tx.undo(ctx)
}

// copyText is the rows in the text form of COPY.
func (g *group) copyText() []byte {
	var out, text []byte
	for _, w := range g.writes {
		for i, v := range w.After {
			if i > 0 {
				out = append(out, '\t')
			}
			out, text = appendCopy(out, text, v)
		}
		for _, d := range w.Relation.Defaults {
			out, text = appendCopy(append(out, '\t'), text, d.Value)
		}
		out = append(out, '\n')
	}
	return out
}

// appendCopy adds one value; text is room for its plain form.
func appendCopy(out, text []byte, v store.Value) ([]byte, []byte) {
	if v.IsNull() {
		return append(out, `\N`...), text
	}
	text = appendText(text[:0], v)
	for _, b := range text {
		switch b {
		case '\\':
			out = append(out, '\\', '\\')
		case '\t':
			out = append(out, '\\', 't')
		case '\n':
			out = append(out, '\\', 'n')
		case '\r':
			out = append(out, '\\', 'r')
		default:
			out = append(out, b)
		}
	}
	return out, text
}
