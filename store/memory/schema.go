package memory

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

// Table is a table of users.
type Table struct {
	Name        string
	Columns     []Column
	Key         []string // the primary key; none: rows are told apart inwardly
	Unique      [][]string
	ForeignKeys []ForeignKey
	Checks      []Check
	Triggers    []Trigger
}

// Column is a column of a Table. Auto columns number rows by themselves when an insert leaves them out.
type Column struct {
	Name    string
	Type    store.Type
	NotNull bool
	Auto    bool
	Default store.Value // null: none
}

// Action is what a foreign key does to children.
type Action uint8

// The actions.
const (
	Restrict Action = iota
	Cascade
	SetNull
)

// ForeignKey says that Columns must be found as References in Table, at once. A null among them is found anywhere.
type ForeignKey struct {
	Columns    []string
	Table      string
	References []string
	OnDelete   Action
	OnUpdate   Action
}

// Check is a condition on every row, in the table's columns.
type Check struct {
	Column string // named in the error
	Holds  func(row store.Row) bool
}

// Trigger is what a table does by itself, in the columns of the table. old is nil for inserts, new for deletes.
type Trigger struct {
	Name string
	// Before may return another row to be written. Its error refuses the row (store.CodeRaised). nil: nothing.
	Before func(op store.Op, old, new store.Row) (store.Row, error)
	// After may write other rows, as the same transaction. Its error refuses the row. nil: nothing.
	After func(u *User, op store.Op, old, new store.Row) error
}

// catalog is all tables. It is never modified, but replaced.
type catalog struct {
	users  map[string]*table
	ledger map[string]*table // nil until it is installed
	list   []*table          // of users, in the order of creation
	trees  int
}

// table is a table with where its rows are kept.
type table struct {
	Table
	def      *store.LedgerTable // of the ledger
	names    []string
	primary  []int // columns; nil: hidden numbers
	rows     int   // place of its tree, also of its capture and its last number
	unique   []unique
	parents  []parentKey
	children []childKey // foreign keys of others that refer to it
	auto     int        // -1: none
}

type unique struct {
	columns []int
	tree    int
}

// parentKey is a foreign key as the child sees it.
type parentKey struct {
	columns []int
	parent  string
	access  []int // columns of the parent
	key     store.ForeignKey
}

// childKey is a foreign key as the parent sees it.
type childKey struct {
	child      string
	columns    []int // of the child
	references []int
	onDelete   Action
	onUpdate   Action
}

func (t *table) column(name string) int { return slices.Index(t.names, name) }

func (t *table) columns(names []string) ([]int, error) {
	out := make([]int, len(names))
	for i, name := range names {
		if out[i] = t.column(name); out[i] < 0 {
			return nil, fmt.Errorf("table %s has no column %s", t.Name, name)
		}
	}
	return out, nil
}

// join names columns as errors do.
func (t *table) join(columns []int) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = t.names[c]
	}
	return strings.Join(names, ", ")
}

// clone copies the catalog so that tables can be added or replaced.
func (c *catalog) clone() *catalog {
	out := &catalog{users: make(map[string]*table, len(c.users)+1), ledger: c.ledger, trees: c.trees}
	for _, t := range c.list {
		fresh := *t
		fresh.children = nil
		out.users[t.Name] = &fresh
		out.list = append(out.list, &fresh)
	}
	return out
}

// link fills in what tables know of each other.
func (c *catalog) link() error {
	for _, t := range c.list {
		t.parents = nil
		for _, fk := range t.ForeignKeys {
			if err := c.linkKey(t, fk); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *catalog) linkKey(t *table, fk ForeignKey) error {
	parent := c.users[fk.Table]
	if parent == nil {
		return fmt.Errorf("foreign key of %s refers to unknown table %s", t.Name, fk.Table)
	}
	columns, err := t.columns(fk.Columns)
	if err != nil {
		return err
	}
	references, err := parent.columns(fk.References)
	if err != nil {
		return err
	}
	t.parents = append(t.parents, parentKey{columns: columns, parent: fk.Table, access: references, key: fk.describe()})
	parent.children = append(parent.children, childKey{child: t.Name, columns: columns, references: references,
		onDelete: fk.OnDelete, onUpdate: fk.OnUpdate})
	return nil
}

func (fk ForeignKey) describe() store.ForeignKey {
	return store.ForeignKey{Columns: fk.Columns, Table: fk.Table, References: fk.References,
		Cascades: fk.OnDelete != Restrict || fk.OnUpdate != Restrict}
}

// build lays a table out.
func (c *catalog) build(def Table) (*table, error) {
	t := &table{Table: def, rows: c.trees, auto: -1}
	c.trees++
	for i, col := range def.Columns {
		t.names = append(t.names, col.Name)
		if col.Auto {
			t.auto = i
		}
	}
	var err error
	if len(def.Key) > 0 {
		if t.primary, err = t.columns(def.Key); err != nil {
			return nil, err
		}
	}
	for _, u := range def.Unique {
		columns, err := t.columns(u)
		if err != nil {
			return nil, err
		}
		t.unique = append(t.unique, unique{columns, c.trees})
		c.trees++
	}
	return t, nil
}

// install adds the ledger's tables.
func (c *catalog) install() {
	c.ledger = make(map[string]*table)
	for _, def := range store.Ledger() {
		t := &table{Table: Table{Name: def.Name}, def: &def, rows: c.trees, auto: -1}
		c.trees++
		for i, col := range def.Columns {
			t.names = append(t.names, col.Name)
			if i < def.Primary {
				t.primary = append(t.primary, i)
			}
		}
		c.ledger[def.Name] = t
	}
}

// describe is the table as Describe tells it.
func (t *table) describe() store.Table {
	out := store.Table{Name: t.Name, PrimaryKey: slices.Clone(t.Key)}
	for _, c := range t.Columns {
		out.Columns = append(out.Columns, store.Column{Name: c.Name, Type: c.Type, Auto: c.Auto,
			NotNull: c.NotNull || slices.Contains(t.Key, c.Name), Default: !c.Default.IsNull() || c.Auto})
	}
	if len(t.Key) > 0 {
		out.Unique = append(out.Unique, slices.Clone(t.Key))
	}
	for _, u := range t.Unique {
		out.Unique = append(out.Unique, slices.Clone(u))
	}
	for _, fk := range t.ForeignKeys {
		out.ForeignKeys = append(out.ForeignKeys, fk.describe())
	}
	for _, tr := range t.Triggers {
		out.Triggers = append(out.Triggers, tr.Name)
	}
	return out
}
