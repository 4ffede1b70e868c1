package store

// Position is a place in one side's log. Positions of one store compare bytewise; "" is before everything. Those of a
// ledger queue or of a copied key never mix with them. SQLite: the outbox sequence, 20 digits. PostgreSQL: the commit
// LSN, 16 hex digits, and the number of the change within the transaction. MariaDB: the sequence number of the one
// GTID domain that mapped tables use, likewise.
type Position string

// Table is a table as the catalog has it.
type Table struct {
	Name        string // as Relation.Table wants it: unambiguous, unquoted, the catalog's spelling
	Columns     []Column
	PrimaryKey  []string   // column names; nil: none
	Unique      [][]string // columns of every unconditional unique index, the primary key's among them
	ForeignKeys []ForeignKey
	Triggers    []string // names of users' triggers that a write of ours would fire
	Generated   []string // columns that the database computes
}

// Column is a column as the catalog has it.
type Column struct {
	Name    string `json:"name"`
	Type    Type   `json:"type"`
	NotNull bool   `json:"notNull,omitempty"`
	Auto    bool   `json:"auto,omitempty"`    // the database numbers rows by it (identity, serial, rowid alias)
	Default bool   `json:"default,omitempty"` // an insert may leave it out
}

// ForeignKey says that Columns must be found as References in Table.
type ForeignKey struct {
	Columns    []string
	Table      string // as Table.Name
	References []string
	Cascades   bool // deletes or updates of the parent change the child (CASCADE, SET NULL, SET DEFAULT)
}

// Relation is the part of a table that a map uses: its columns, those of the alternate key first. The relations of a
// map's two sides have corresponding columns at the same positions.
type Relation struct {
	Table    string          `json:"table"`
	Columns  []Column        `json:"columns"`
	Key      int             `json:"key"`                // how many of the first columns are the key
	Filter   string          `json:"filter,omitempty"`   // SQL condition; rows outside do not exist for the map
	Extra    []Column        `json:"extra,omitempty"`    // other columns that the filter reads; captured, not delivered
	Defaults []ColumnDefault `json:"defaults,omitempty"` // written when a row is inserted
	Unique   [][]int         `json:"unique,omitempty"`   // unique indexes within Columns, by position, less the key's
	Free     []int           `json:"free,omitempty"`     // positions that a guard (Expect) does not compare: they flow one way only

	SkipTriggers bool `json:"skipTriggers,omitempty"` // our writes fire no triggers; only where Limits.SkipTriggers
}

// ColumnDefault is a value for a column that the other side does not have.
type ColumnDefault struct {
	Column Column `json:"column"`
	Value  Value  `json:"value"`
}

// KeyOf returns the key of a row of the relation.
func (r *Relation) KeyOf(row Row) Row { return row[:r.Key:r.Key] }

// Names returns the names of the relation's columns.
func (r *Relation) Names() []string {
	names := make([]string, len(r.Columns))
	for i, c := range r.Columns {
		names[i] = c.Name
	}
	return names
}
