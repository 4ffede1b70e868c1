// Package tablemap holds the words of the product: links, table maps, columns, keys, statuses, commands and the
// rules between them. It knows no database, no Temporal and no clock, so every other package may use it.
package tablemap

// Side is one of the two databases of a link: Left is the first in the config file, Right the second.
type Side int

// The two sides.
const (
	Left Side = iota
	Right
)

// Other returns the opposite side.
func (s Side) Other() Side { return 1 - s }

// Link is a pair of databases with its maps: the content of one config file, less the database URLs.
type Link struct {
	Name   string    `json:"name"`
	Sides  [2]string `json:"sides"`  // the users' names for the two sides
	Master Side      `json:"master"` // default winner of conflicts
	Maps   []Map     `json:"maps"`   // in the order of the config file
}

// Map returns the map of that name, or false.
func (l *Link) Map(name string) (Map, bool) {
	for _, m := range l.Maps {
		if m.Name == name {
			return m, true
		}
	}
	return Map{}, false
}

// Side returns the side of that name, or false.
func (l *Link) Side(name string) (Side, bool) {
	for s, n := range l.Sides {
		if n == name {
			return Side(s), true
		}
	}
	return Left, false
}

// Map pairs one table on each side: the columns that correspond and the alternate key by which rows pair.
// As configured, Key and Columns may be empty: they are then taken from the two schemas when the map runs.
type Map struct {
	Name     string    `json:"name"`
	Tables   [2]string `json:"tables"`            // as written in the config: "custtable", "sales.custtable"
	Key      []Column  `json:"key,omitempty"`     // empty: the primary key, columns of the same name
	Columns  []Column  `json:"columns,omitzero"`  // without the key's; nil: every column of the same name
	Filter   [2]string `json:"filter,omitzero"`   // SQL condition on each side's rows; "" lets all rows through
	Related  []string  `json:"related,omitempty"` // declared dependencies, added to those of the foreign keys
	Coalesce bool      `json:"coalesce,omitempty"`
	Triggers Triggers  `json:"triggers,omitempty"`
	Truncate Truncate  `json:"truncate,omitempty"`
}

// Column is one pair of corresponding columns.
type Column struct {
	Names     [2]string         `json:"names"`               // "" on the side that has no such column (then Default is set)
	Direction Direction         `json:"direction,omitempty"` // which way values flow
	Values    map[string]string `json:"values,omitempty"`    // value map, left text to right text; empty: values pass unchanged
	Default   *string           `json:"default,omitempty"`   // written on insert on the one side that has the column
}

// Direction says which way a column's values flow.
type Direction string

// The directions. Both is the zero value.
const (
	Both        Direction = ""
	LeftToRight Direction = "left-to-right"
	RightToLeft Direction = "right-to-left"
)

// Flows reports whether values flow from the given side to the other.
func (d Direction) Flows(from Side) bool {
	return d == Both || (d == LeftToRight) == (from == Left)
}

// Triggers says whether our writes fire the triggers of the table they go to.
type Triggers string

// TriggersFire is the zero value; TriggersSkip needs a database that can (PostgreSQL, with a grant).
const (
	TriggersFire Triggers = ""
	TriggersSkip Triggers = "skip"
)

// Truncate says what a TRUNCATE of the mapped table does.
type Truncate string

// TruncateRefuse, the zero value, stops the map; TruncateApply deletes the mapped rows on the other side.
const (
	TruncateRefuse Truncate = ""
	TruncateApply  Truncate = "apply"
)

// Flows reports whether rows of the map flow from the given side to the other: some column does, or the map is its
// key alone.
func (m *Map) Flows(from Side) bool {
	data := 0
	for _, c := range m.Columns {
		if c.Default != nil {
			continue
		}
		data++
		if c.Direction.Flows(from) {
			return true
		}
	}
	if data > 0 {
		return false
	}
	for _, c := range m.Key {
		if !c.Direction.Flows(from) {
			return false
		}
	}
	return true
}
