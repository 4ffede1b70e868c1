package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

// layout is what the changes of a captured table mean: a row of the table captured, which is in the log beside them.
type layout struct {
	id         int64
	relid      uint32
	name       string
	active     bool
	entry      string            // oid of the publication's entry: another one means that there was none for a while
	identities map[string]string // by oid of a table, also of partitions: the REPLICA IDENTITY that Release puts back
	body       layoutBody
}

type layoutBody struct {
	Columns []layoutColumn `json:"columns"`
	Filter  string         `json:"filter,omitempty"`
	Since   uint64         `json:"since"`            // LSN: what commits before was captured, if at all, with another layout
	Theirs  bool           `json:"theirs,omitempty"` // the publication's entry was there before: its owner made it, and keeps it

	// Parts are the partitions, and the table itself where it has any: by oid the file that holds its rows, "" for none.
	Parts map[string]string `json:"parts,omitempty"`

	names []string
}

type layoutColumn struct {
	Name     string `json:"name"`
	Type     string `json:"type"` // with its length, as the catalog spells it
	OID      string `json:"oid"`
	Modifier string `json:"modifier"`
	Base     string `json:"base"` // base type's name in pg_type
}

func (b *layoutBody) finish() {
	b.names = make([]string, len(b.Columns))
	for i, c := range b.Columns {
		b.names[i] = c.Name
	}
}

// newLayout is the layout of a relation.
func newLayout(info *tableInfo, rel *store.Relation) (*layout, error) {
	l := &layout{name: info.Name, active: true, identities: make(map[string]string)}
	relid, err := strconv.ParseUint(info.oid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("read oid of %s: %w", info.Name, err)
	}
	l.relid, l.body.Filter, l.body.Theirs = uint32(relid), rel.Filter, true
	for _, col := range rel.Columns {
		now, ok := info.column(col.Name)
		if !ok {
			return nil, missing(rel.Table, "column %s is gone", col.Name)
		}
		t := info.types[col.Name]
		l.body.Columns = append(l.body.Columns, layoutColumn{col.Name, now.Type.Name, t.oid, t.modifier, t.base})
	}
	for _, col := range rel.Extra {
		if _, ok := info.column(col.Name); !ok {
			return nil, missing(rel.Table, "column %s is gone", col.Name)
		}
	}
	l.body.finish()
	return l, nil
}

// same reports whether changes mean the same in both.
func (l *layout) same(o *layout) bool {
	if l.relid != o.relid || l.name != o.name || l.body.Filter != o.body.Filter || len(l.body.Columns) != len(o.body.Columns) {
		return false
	}
	for i, c := range l.body.Columns {
		if c != o.body.Columns[i] {
			return false
		}
	}
	return true
}

const (
	sqlLayouts    = `SELECT id, relid, name, active, entry, identities, body FROM ` + capturedTable + ` WHERE active ORDER BY id`
	sqlLastLayout = `SELECT coalesce(pg_catalog.max(id), 0) FROM ` + capturedTable
	sqlNewLayout  = `INSERT INTO ` + capturedTable + ` (relid, name, active, entry, identities, body) VALUES ($1::oid, $2, true, $3::oid, $4, $5)`
	sqlEndLayout  = `UPDATE ` + capturedTable + ` SET active = false WHERE id = $1::bigint`
	sqlEntry      = `SELECT r.oid FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
		WHERE p.pubname = '` + usersPublication + `' AND r.prrelid = $1::oid`
)

// layouts reads those of the tables that are captured; without a ledger there are none.
func layouts(ctx context.Context, c *session) ([]*layout, error) {
	var out []*layout
	err := c.query(ctx, sqlLayouts, nil, func(values [][]byte) error {
		l, err := readLayout(texts(values))
		out = append(out, l)
		return err
	})
	if s := state(err); s == stateUndefinedTable || s == stateUndefinedSchema {
		return nil, errNoLedger
	}
	return out, fault(err)
}

// readLayout reads a row of the table captured.
func readLayout(row []string) (*layout, error) {
	l := layoutHead(row)
	return l, l.read(row)
}

// layoutHead reads of a row of the table captured what is sent also where it ends.
func layoutHead(row []string) *layout {
	l := &layout{name: row[2], active: row[3] == "t", entry: row[4]}
	l.id = store.Value{Kind: store.Integer, S: row[0]}.Int64()
	l.relid = uint32(store.Value{Kind: store.Integer, S: row[1]}.Int64())
	return l
}

// read reads the rest of a row.
func (l *layout) read(row []string) error {
	for text, into := range map[string]any{row[5]: &l.identities, row[6]: &l.body} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			return fmt.Errorf("read layout of %s: %w", l.name, err)
		}
	}
	l.body.finish()
	return nil
}

// texts are the identities and the body as they are kept.
func (l *layout) texts() (identities, body param, err error) {
	kept, err := json.Marshal(l.identities)
	if err != nil {
		return param{}, param{}, fmt.Errorf("write layout: %w", err)
	}
	rest, err := json.Marshal(&l.body)
	if err != nil {
		return param{}, param{}, fmt.Errorf("write layout: %w", err)
	}
	return textParam(string(kept)), textParam(string(rest)), nil
}

func (l *layout) save(ctx context.Context, c *session) error {
	identities, body, err := l.texts()
	if err != nil {
		return err
	}
	_, err = c.change(ctx, sqlNewLayout, numberParam(int64(l.relid)), textParam(l.name), textParam(l.entry), identities, body)
	return fault(err)
}

// named reports whether a table is among those named, with or without its schema.
func (l *layout) named(tables []string) bool {
	_, bare, _ := strings.Cut(l.name, ".")
	for _, t := range tables {
		if t == l.name || t == bare {
			return true
		}
	}
	return false
}
