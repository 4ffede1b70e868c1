package replication

import (
	"context"
	"fmt"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

// reason is why a change is held. The message is for people and may hold values of rows.
type reason struct {
	code    store.Code
	column  string
	message string
}

func waiting() reason {
	return reason{code: store.CodeWaiting, message: "waits behind an earlier change that failed"}
}

// hold keeps a change that cannot be applied, and blocks what has to wait behind it.
func (a *applier) hold(ctx context.Context, c *change, why reason) error {
	t := a.tally(c.name)
	if c.retry {
		t.failed = append(t.failed, true)
		known, err := a.heldBefore(ctx, c)
		if err != nil {
			return err
		}
		if known != nil {
			for _, token := range c.ownTokens() {
				a.tokens[token] = true
			}
			return a.failedAgain(ctx, known, why)
		}
	}
	h := held{entry: c.full(), Phase: a.phase, Code: why.code, Column: why.column, Message: why.message, Attempts: 1}
	h.ID, h.Seen, h.AtMs = 0, c.saw(), a.engine.nowMs()
	if err := a.tx.Put(ctx, store.HeldTable, h.row()); err != nil {
		return fmt.Errorf("hold change: %w", err)
	}
	t.held++
	t.failed = append(t.failed, why.code != store.CodeWaiting)
	return a.block(ctx, c)
}

// block makes later changes wait that a held one is in the way of.
func (a *applier) block(ctx context.Context, c *change) error {
	var rows []store.Row
	for _, token := range c.ownTokens() {
		a.tokens[token] = true
		rows = append(rows, store.Row{blob(token), store.Str(c.name), blob(c.entry.Key)})
	}
	if err := a.tx.Put(ctx, store.TokenTable, rows...); err != nil {
		return fmt.Errorf("hold change: %w", err)
	}
	return nil
}

func (a *applier) holdFault(ctx context.Context, c *change) error {
	return a.hold(ctx, c, reason{c.fault.code, c.fault.column, c.fault.text})
}

func (a *applier) holdRow(ctx context.Context, c *change, err *store.RowError) error {
	return a.hold(ctx, c, explain(c, err))
}

// heldBefore reads the first held change that a retry stands for; nil when nothing of its key is held.
func (a *applier) heldBefore(ctx context.Context, c *change) (*held, error) {
	q := and(byMap(store.HeldTable, c.name), "key", store.Eq, blob(c.entry.Key))
	if len(c.ids) > 0 {
		q = and(byMap(store.HeldTable, c.name), "id", store.Eq, store.Int(c.ids[0]))
	}
	q.Limit = 1
	rows, err := a.tx.Select(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("read held changes: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	h := heldOf(rows[0])
	return &h, nil
}

// failedAgain notes another attempt on a held change.
func (a *applier) failedAgain(ctx context.Context, h *held, why reason) error {
	h.Code, h.Column, h.Message = why.code, why.column, why.message
	h.Attempts++
	if err := a.tx.Put(ctx, store.HeldTable, h.row()); err != nil {
		return fmt.Errorf("hold change: %w", err)
	}
	return nil
}

// release drops what is held of a change, now that a retry has settled it, and what it blocked.
func (a *applier) release(ctx context.Context, c *change) error {
	q, keys := and(byMap(store.HeldTable, c.name), "key", store.Eq, blob(c.entry.Key)), []string{c.entry.Key}
	if len(c.ids) > 0 {
		ids := make([]store.Value, len(c.ids))
		for i, id := range c.ids {
			ids[i] = store.Int(id)
		}
		q, keys = in(byMap(store.HeldTable, c.name), "id", ids), unique(c.held)
	}
	a.released = true
	moved, err := a.heldMoves(ctx, c)
	if err != nil {
		return err
	}
	if err := a.tx.Delete(ctx, q); err != nil {
		return fmt.Errorf("release held changes: %w", err)
	}
	for _, key := range keys {
		n, err := a.tx.Count(ctx, and(byMap(store.HeldTable, c.name), "key", store.Eq, blob(key)))
		if err != nil {
			return fmt.Errorf("read held changes: %w", err)
		}
		if n > 0 {
			continue
		}
		if err := a.tx.Delete(ctx, and(byMap(store.TokenTable, c.name), "key", store.Eq, blob(key))); err != nil {
			return fmt.Errorf("release held changes: %w", err)
		}
	}
	return a.follow(ctx, c, moved)
}

// heldMoves reads what is held of changes of a retry's key to another one, if it has come to be held since the retry was asked
// for: then nobody has asked for the row at that other key.
func (a *applier) heldMoves(ctx context.Context, c *change) ([]held, error) {
	if len(c.ids) > 0 {
		return nil, nil // the retry stands for all of the row's changes
	}
	q := and(and(byMap(store.HeldTable, c.name), "key", store.Eq, blob(c.entry.Key)), "new_key", store.Gt, blob(""))
	q = and(q, "position", store.Gt, store.Str(string(c.entry.Seen)))
	return heldRows(ctx, a.tx, q)
}

// follow holds the rest of such changes, whose old key has been settled, under the new one, for the next retry.
func (a *applier) follow(ctx context.Context, c *change, moved []held) error {
	for _, h := range moved {
		h.Before, h.NewKey = "", ""
		rest, err := changeOf(c.flow, h.entry)
		if err != nil {
			return err
		}
		h.Key = rest.entry.Key
		if err := a.tx.Put(ctx, store.HeldTable, h.row()); err != nil {
			return fmt.Errorf("hold change: %w", err)
		}
		if err := a.block(ctx, rest); err != nil {
			return err
		}
	}
	return nil
}

// token names a set of values in columns of a map's target table.
func token(mapName string, columns []string, values store.Row) string {
	return mapName + "\x00" + strings.Join(columns, "\x00") + "\x00\x00" + store.EncodeRow(values)
}

// ownTokens name what a held change blocks: its keys and the unique values that it takes or frees.
func (c *change) ownTokens() []string {
	rel := &c.flow.target
	names := rel.Names()
	tokens := []string{token(c.name, names[:rel.Key], c.key)}
	if c.newKey != nil {
		tokens = append(tokens, token(c.name, names[:rel.Key], c.newKey))
	}
	for _, index := range rel.Unique {
		for _, row := range []store.Row{c.before, c.after} {
			if values, ok := valuesAt(row, index); ok {
				tokens = append(tokens, token(c.name, namesAt(names, index), values))
			}
		}
	}
	return unique(tokens)
}

// tokensOf name what a change must wait for: the same, and the parents that it refers to.
func (c *change) tokensOf() []string {
	tokens := c.ownTokens()
	for _, p := range c.flow.def.Parents[c.flow.from.Other()] {
		if values, ok := valuesAt(c.after, c.flow.placesOf(p.Columns)); ok {
			tokens = append(tokens, token(p.Map, p.References, values))
		}
	}
	return tokens
}

// placesOf turns positions of the definition's relation into positions of the flow's; nil when one does not flow.
func (f *flow) placesOf(columns []int) []int {
	out := make([]int, 0, len(columns))
	for _, i := range columns {
		for n, c := range f.cols {
			if c == i {
				out = append(out, n)
			}
		}
	}
	if len(out) != len(columns) {
		return nil
	}
	return out
}

// valuesAt picks values; false when there is no row, no place, or a null among them, which matches nothing.
func valuesAt(row store.Row, places []int) (store.Row, bool) {
	if len(row) == 0 || len(places) == 0 {
		return nil, false
	}
	out := make(store.Row, len(places))
	for n, i := range places {
		if i >= len(row) || row[i].IsNull() {
			return nil, false
		}
		out[n] = row[i]
	}
	return out, true
}

func namesAt(names []string, places []int) []string {
	out := make([]string, len(places))
	for n, i := range places {
		out[n] = names[i]
	}
	return out
}

func unique(list []string) []string {
	seen := make(map[string]bool, len(list))
	out := list[:0]
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// someToken asks whether anything is blocked at all.
var someToken = store.Query{Table: store.TokenTable, Limit: 1}

// findBlocked asks the ledger which of the changes must wait behind what is held there.
func (a *applier) findBlocked(ctx context.Context, changes []*change) (map[int]bool, error) {
	blocked := make(map[int]bool)
	n, err := a.tx.Select(ctx, someToken)
	if err != nil {
		return nil, fmt.Errorf("read held changes: %w", err)
	}
	if len(n) == 0 {
		return blocked, nil
	}
	const chunk = 200
	for start := 0; start < len(changes); start += chunk {
		part := changes[start:min(start+chunk, len(changes))]
		if err := a.findBlockedIn(ctx, part, start, blocked); err != nil {
			return nil, err
		}
	}
	return blocked, nil
}

func (a *applier) findBlockedIn(ctx context.Context, part []*change, start int, blocked map[int]bool) error {
	holders := make(map[string][]int)
	var values []store.Value
	for i, c := range part {
		for _, t := range c.tokensOf() {
			if holders[t] == nil {
				values = append(values, blob(t))
			}
			holders[t] = append(holders[t], start+i)
		}
	}
	rows, err := a.tx.Select(ctx, in(store.Query{Table: store.TokenTable}, "token", values))
	if err != nil {
		return fmt.Errorf("read held changes: %w", err)
	}
	for _, row := range rows {
		for _, i := range holders[row[0].S] {
			blocked[i] = true
		}
	}
	return nil
}

// waits reports whether a change must wait behind one that was held in this very transaction.
func (a *applier) waits(c *change) bool {
	if len(a.tokens) == 0 {
		return false
	}
	for _, t := range c.tokensOf() {
		if a.tokens[t] {
			return true
		}
	}
	return false
}

// explain says to people why a row was refused and what mends it.
func explain(c *change, err *store.RowError) reason {
	why := reason{code: err.Code, column: err.Column, message: err.Detail}
	if why.message == "" {
		why.message = err.Error()
	}
	if err.Code != store.CodeMissingParent {
		return why
	}
	values := make([]string, 0, len(err.Key.Columns))
	for _, column := range err.Key.Columns {
		values = append(values, quote(c.valueOf(column)))
	}
	why.message = fmt.Sprintf("missing parent: %s has no %s = %s", err.Key.Table,
		strings.Join(err.Key.References, ", "), strings.Join(values, ", "))
	if parent := c.parentMap(err.Key); parent != "" && parent != c.name {
		why.message += "; run map " + parent + ", then retry"
	} else if parent == "" {
		why.message += "; no map covers that table"
	}
	return why
}

func (c *change) valueOf(column string) store.Value {
	for i, col := range c.flow.target.Columns {
		if col.Name == column && i < len(c.after) {
			return c.after[i]
		}
	}
	return store.Value{}
}

func (c *change) parentMap(key store.ForeignKey) string {
	for _, p := range c.flow.def.Parents[c.flow.from.Other()] {
		if p.Table == key.Table {
			return p.Map
		}
	}
	return ""
}
