package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

// What a row of the outbox is.
const (
	opInsert  int64 = 1
	opUpdate  int64 = 2
	opDelete  int64 = 3
	opTouch   int64 = 4 // a REPLACE would remove the row, if the write that it stands for takes place
	opNumber  int64 = 5 // likewise, because both have the same row number
	opSuspect int64 = 6 // it may
)

// maxCaptured bounds the columns of a captured table: an update takes two of the outbox for each, and SQLite allows 2,000.
const maxCaptured = 950

// layout says what the values of an outbox row of users' tables are: the captured columns, for updates first of the
// row before, then of the row after; for the touches first of the row touched, then of the one written. A layout is
// never changed: other columns or another filter make a new one, and old rows keep theirs.
type layout struct {
	id     int64
	active bool // its triggers are to be there
	lost   bool // they were gone for a while

	Table   string         `json:"table"`
	Columns []layoutColumn `json:"columns"` // those of the relation, those of its filter, the row number
	Shown   int            `json:"shown"`   // how many of them are delivered
	Key     int            `json:"key"`
	Filter  string         `json:"filter,omitempty"`
	Alias   int            `json:"alias"`   // the column that is the row number; -1: none
	Touches []string       `json:"touches"` // what can make a REPLACE remove rows; follows the table's unique indexes

	names []string // of the delivered columns
}

// layoutColumn is a captured column.
type layoutColumn struct {
	Name      string     `json:"name"` // as the relation has it
	Type      store.Type `json:"type"`
	Collation string     `json:"collation,omitempty"`
}

func newLayout(info *tableInfo, rel *store.Relation) (*layout, error) {
	l := &layout{active: true, Table: info.Name, Shown: len(rel.Columns), Key: rel.Key, Filter: rel.Filter, Alias: -1}
	for _, columns := range [][]store.Column{rel.Columns, rel.Extra} {
		for i := range columns {
			c, ok := info.column(columns[i].Name)
			if !ok {
				return nil, missing(rel.Table, "column %s is gone", columns[i].Name)
			}
			l.add(info, columns[i].Name, c.Type)
		}
	}
	if info.alias != "" {
		c, _ := info.column(info.alias)
		same := func(x layoutColumn) bool { return strings.EqualFold(x.Name, info.alias) }
		if !slices.ContainsFunc(l.Columns, same) {
			l.add(info, c.Name, c.Type)
		}
		l.Alias = slices.IndexFunc(l.Columns, same)
	}
	if len(l.Columns) > maxCaptured {
		return nil, missing(rel.Table, "it has more than %d mapped columns", maxCaptured)
	}
	for _, t := range info.touches() {
		l.Touches = append(l.Touches, t.signature)
	}
	l.finish()
	return l, nil
}

func (l *layout) add(info *tableInfo, name string, t store.Type) {
	l.Columns = append(l.Columns, layoutColumn{Name: name, Type: t, Collation: info.collations[strings.ToLower(name)]})
}

// finish derives what is not kept.
func (l *layout) finish() {
	l.names = make([]string, l.Shown)
	for i := range l.names {
		l.names[i] = l.Columns[i].Name
	}
}

// width is how many values a row of the outbox has.
func (l *layout) width() int { return 2 * len(l.Columns) }

// captured are the names of the captured columns.
func (l *layout) captured() []string {
	out := make([]string, len(l.Columns))
	for i, c := range l.Columns {
		out[i] = c.Name
	}
	return out
}

// equal reports whether rows mean the same in both.
func (l *layout) equal(o *layout) bool {
	return l.Table == o.Table && l.Shown == o.Shown && l.Key == o.Key && l.Filter == o.Filter && l.Alias == o.Alias &&
		slices.Equal(l.Columns, o.Columns)
}

// fits checks that the table still has the captured columns.
func (l *layout) fits(info *tableInfo) error {
	if info == nil {
		return missing(l.Table, "the table is gone")
	}
	for _, c := range l.Columns {
		now, ok := info.column(c.Name)
		if !ok {
			return missing(l.Table, "column %s is gone", c.Name)
		}
		if now.Type.Kind != c.Type.Kind || now.Type.Strict != c.Type.Strict {
			return missing(l.Table, "column %s was %s and is %s now", c.Name, c.Type.Name, now.Type.Name)
		}
	}
	return nil
}

const (
	sqlLayouts    = "SELECT id, active, lost, body FROM main." + layoutTable + " ORDER BY id"
	sqlNewLayout  = "INSERT INTO main." + layoutTable + " (tbl, active, lost, body) VALUES (?, 1, 0, ?)"
	sqlSetLayout  = "UPDATE main." + layoutTable + " SET active = ?2, lost = ?3, body = ?4 WHERE id = ?1"
	sqlOldLayouts = "DELETE FROM main." + layoutTable + " WHERE active = 0 AND lost = 0 AND id NOT IN (SELECT layout FROM main." +
		outboxTable + ")"
)

// layouts reads all layouts; without a ledger there are none.
func layouts(ctx context.Context, c *conn) ([]*layout, error) {
	var out []*layout
	err := c.query(ctx, sqlLayouts, nil, func(row []driver.Value) error {
		l := &layout{active: row[1] == int64(1), lost: row[2] == int64(1)}
		l.id, _ = row[0].(int64)
		body, _ := row[3].(string)
		if err := json.Unmarshal([]byte(body), l); err != nil {
			return fmt.Errorf("read layout %d: %w", l.id, err)
		}
		l.finish()
		out = append(out, l)
		return nil
	})
	if err != nil {
		return nil, noLedger(ctx, c, err)
	}
	return out, nil
}

// save writes the layout, which gets a number if it has none.
func (l *layout) save(ctx context.Context, c *conn) error {
	body, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("write layout: %w", err)
	}
	if l.id == 0 {
		l.id, err = c.insert(ctx, sqlNewLayout, l.Table, string(body))
		return fault(err)
	}
	return fault(c.exec(ctx, sqlSetLayout, l.id, flag(l.active), flag(l.lost), string(body)))
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
