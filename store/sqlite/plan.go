package sqlite

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/dualwrite/dualwrite/store"
)

// plan is a relation with its table as the catalog has it, and the statements on it.
type plan struct {
	info     *tableInfo
	columns  []store.Column // of the relation, with the catalog's types
	defaults []store.Column
	key      int
	free     []bool // columns that a guard does not compare
	filter   string // with AND before it; "": none
	effects  bool   // triggers or cascades may change rows that a write does not name

	table   string // quoted, with its schema
	list    string // the columns as a result
	match   string // the row at a key
	one     string
	insert  string
	remove  string
	mu      sync.Mutex
	updates map[string]string
	lookups map[int]string
}

// plans are those of one state of the schema.
type plans struct {
	mu      sync.Mutex
	version int64
	known   map[string]*plan
}

func newPlans() *plans { return &plans{known: make(map[string]*plan)} }

// maxPlans bounds what is kept; relations are few, but each has its text as its name here.
const maxPlans = 1000

// plan returns the plan of a relation on a connection that is in a transaction and sees this version of the schema.
func (p *plans) plan(ctx context.Context, c *conn, version int64, rel *store.Relation) (*plan, error) {
	name := fingerprint(rel)
	p.mu.Lock()
	if version > p.version || len(p.known) > maxPlans {
		p.version = version
		clear(p.known)
	}
	found := p.known[name]
	current := p.version == version
	p.mu.Unlock()
	if found != nil && current {
		return found, nil
	}
	made, err := newPlan(ctx, c, rel)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.version == version {
		p.known[name] = made
	}
	return made, nil
}

// fingerprint names what of a relation its plan depends on.
func fingerprint(rel *store.Relation) string {
	var b strings.Builder
	b.WriteString(rel.Table)
	for _, list := range [][]store.Column{rel.Columns, rel.Extra} {
		b.WriteByte(0)
		for i := range list {
			b.WriteString(list[i].Name)
			b.WriteByte(1)
		}
	}
	for i := range rel.Defaults {
		b.WriteString(rel.Defaults[i].Column.Name)
		b.WriteByte(1)
	}
	fmt.Fprint(&b, rel.Key, rel.Free)
	b.WriteString(rel.Filter)
	return b.String()
}

func newPlan(ctx context.Context, c *conn, rel *store.Relation) (*plan, error) {
	info, err := describe(ctx, c, rel.Table)
	if err != nil {
		return nil, err
	}
	if info == nil {
		return nil, missing(rel.Table, "there is no such table")
	}
	p := &plan{info: info, key: rel.Key, updates: make(map[string]string), lookups: make(map[int]string)}
	if p.columns, err = p.info.pick(rel.Columns); err != nil {
		return nil, err
	}
	if _, err = p.info.pick(rel.Extra); err != nil {
		return nil, err
	}
	for i := range rel.Defaults {
		found, err := p.info.pick([]store.Column{rel.Defaults[i].Column})
		if err != nil {
			return nil, err
		}
		p.defaults = append(p.defaults, found...)
	}
	if rel.Filter != "" {
		if err := condition(rel.Filter); err != nil {
			return nil, missing(rel.Table, "its filter cannot be used: %v", err)
		}
		p.filter = " AND (" + rel.Filter + "\n)"
	}
	p.free = make([]bool, len(p.columns))
	for _, i := range rel.Free {
		p.free[i] = true
	}
	effects, err := c.number(ctx, sqlHasEffects)
	if err != nil {
		return nil, fault(err)
	}
	p.effects = effects != 0 || !p.bytewise()
	p.write()
	return p, nil
}
