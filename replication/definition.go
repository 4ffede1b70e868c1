package replication

import (
	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// Definition is a map as resolved against the two schemas when a run begins. It is kept in the ledger of both sides
// and travels with the run: a later change of the config takes effect at the next run.
type Definition struct {
	Map     tablemap.Map      `json:"map"`     // as configured
	Columns []tablemap.Column `json:"columns"` // resolved, those of the key first, without those that only have a default
	// Relations are the two tables; position i of each is Columns[i]. Defaults are in the relation of the side that
	// has the column.
	Relations [2]store.Relation `json:"relations"`
	// Effects says for each side that writes of ours may have effects of their own there (triggers, cascades,
	// computed or lossy columns), so that what is stored has to be compared with what was meant.
	Effects [2]bool `json:"effects"`
	// Fills says for each side that it may fill columns of rows that we insert there which flow only from there.
	Fills [2]bool `json:"fills"`
	// Parents are the foreign keys of each side that point to tables of mapped tables or of this one.
	Parents [2][]Parent `json:"parents"`
	// AutoKey says for each side that the key is a number that the database gives out.
	AutoKey [2]bool `json:"autoKey"`
}

// Parent is a foreign key of a mapped table whose parent is mapped too.
type Parent struct {
	Map     string `json:"map"`     // of the parent; this map itself for a self-reference
	Table   string `json:"table"`   // of the parent, on the same side
	Columns []int  `json:"columns"` // of the child relation; nil when not all its columns are mapped
	// References are the referenced columns by name, in the parent's table.
	References []string `json:"references"`
	Circle     bool     `json:"circle,omitempty"` // the parent's map depends on this one in its turn, or is this one
	Key        bool     `json:"key"`              // References are exactly the parent's alternate key, in its order
}
