package postgres

import (
	"context"
	"errors"
	"strconv"

	"github.com/dualwrite/dualwrite/store"
)

// met is what a message of the log was.
type met uint8

const (
	metNothing met = iota
	metBegin
	metChange
	metEnd
)

// decoder makes changes of the messages of pgoutput.
type decoder struct {
	s         *Store
	after     store.Position // changes up to here have been delivered
	known     int64          // layouts up to this number were read with those below; of the others the log tells
	layouts   map[uint32]*layout
	relations map[uint32]*relationMessage // the last of each
	tables    map[uint32]*decoded         // what they mean

	tx  begin
	n   uint32         // changes met in the transaction, ours or not
	any bool           // one has been delivered
	own bool           // what follows is between the two rows of a marker of ours
	out []store.Change // of the last message
}

// decoded is what the changes of one relation become.
type decoded struct {
	table  string
	ledger *store.LedgerTable
	l      *layout // of a table of users
	ours   bool    // it is the table captured
	full   bool    // old rows are sent whole
	shape  shape
	err    error // why they cannot be read
}

func newDecoder(ctx context.Context, s *Store, after store.Position) (*decoder, error) {
	d := &decoder{s: s, after: after, layouts: make(map[uint32]*layout), relations: make(map[uint32]*relationMessage),
		tables: make(map[uint32]*decoded)}
	err := s.reading(ctx, func(c *session) error {
		all, err := layouts(ctx, c)
		if err != nil {
			return err
		}
		for _, l := range all {
			d.layouts[l.relid] = l
		}
		d.known, err = c.number(ctx, sqlLastLayout)
		return err
	})
	return d, err
}

// message reads one message. Its changes are in d.out until the next; their positions are not yet that of an end.
func (d *decoder) message(data []byte) (met, error) {
	d.out = d.out[:0]
	m := newMessage(data)
	switch m.byte() {
	case 'B':
		d.tx, d.n, d.any, d.own = m.begin(), 0, false, false
		return metBegin, m.check()
	case 'C':
		return metEnd, nil
	case 'R':
		rel := m.relation()
		d.relations[rel.relid] = &rel
		d.tables[rel.relid] = d.relation(&rel)
		return metNothing, m.check()
	case 'I':
		return metChange, d.row(m, store.Insert)
	case 'U':
		return metChange, d.row(m, store.Update)
	case 'D':
		return metChange, d.row(m, store.Delete)
	case 'T':
		return metChange, d.truncate(m)
	}
	return metNothing, nil // types, origins and messages say nothing to us
}

func (m *message) check() error {
	if m.bad {
		return errMessage
	}
	return nil
}

// relation takes over what a relation message says.
func (d *decoder) relation(rel *relationMessage) *decoded {
	if rel.schema == schema {
		return d.ledgerRelation(rel)
	}
	l := d.layouts[rel.relid]
	if l == nil {
		return nil
	}
	out := &decoded{table: l.name, l: l, full: rel.identity == 'f'}
	out.shape = newShape(rel, l.body.names)
	for _, want := range l.body.Columns {
		out.shape.types = append(out.shape.types, newType("", "", want.Base))
		have := rel.find(want.Name)
		switch {
		case have < 0:
			out.err = missing(l.name, "column %s is gone", want.Name)
		case strconv.FormatUint(uint64(rel.columns[have].typ), 10) != want.OID || strconv.Itoa(int(rel.columns[have].mod)) != want.Modifier:
			out.err = missing(l.name, "column %s was %s and has another type now", want.Name, want.Type)
		}
	}
	return out
}

func (r *relationMessage) find(name string) int {
	for i, c := range r.columns {
		if c.name == name {
			return i
		}
	}
	return -1
}

// newShape puts the columns named in their order; the types are added by the caller.
func newShape(rel *relationMessage, names []string) shape {
	s := shape{names: names, place: make([]int, len(rel.columns))}
	for i, c := range rel.columns {
		s.place[i] = -1
		for j, name := range names {
			if c.name == name {
				s.place[i] = j
			}
		}
	}
	return s
}

func (d *decoder) ledgerRelation(rel *relationMessage) *decoded {
	out := &decoded{table: rel.name, full: true}
	var names []string
	text := pgType{kind: store.Text}
	if schema+"."+rel.name == capturedTable {
		out.ours = true
		names = []string{"id", "relid", "name", "active", "entry", "identities", "body"}
		out.shape = newShape(rel, names)
		for range names {
			out.shape.types = append(out.shape.types, text)
		}
		return out
	}
	for _, t := range store.Ledger() {
		if t.Name != rel.name {
			continue
		}
		out.ledger = &t
		for _, c := range t.Columns {
			names = append(names, c.Name)
			out.shape.types = append(out.shape.types, pgType{kind: c.Kind})
		}
		types := out.shape.types
		out.shape = newShape(rel, names)
		out.shape.types = types
		return out
	}
	return nil
}

// next is the position of the next change of the transaction, and whether it is still to be delivered.
func (d *decoder) next() (store.Position, bool) {
	d.n++
	p := place{lsn: d.tx.lsn, n: d.n}.position()
	return p, p > d.after
}

// row reads an insert, update or delete.
func (d *decoder) row(m *message, op store.Op) error {
	t := d.tables[m.uint32()]
	p, fresh := d.next()
	if t == nil || !fresh && !t.ours {
		return m.check()
	}
	c := store.Change{Position: p, Op: op, Table: t.table, Ledger: t.ledger != nil, Columns: t.shape.names, AtMs: d.tx.atMs}
	err := t.err
	if err == nil && d.own && t.l != nil && uint64(d.tx.lsn) >= t.l.body.Since {
		d.any = true
		c.Load = d.later(m.text, t, c)
		d.out = append(d.out, c)
		return m.check()
	}
	if err == nil {
		err = d.images(m, t, &c)
	}
	switch {
	case err != nil && t.l != nil && uint64(d.tx.lsn) < t.l.body.Since:
		return nil // it was captured otherwise then, and that has ended
	case err != nil:
		return d.faulty(t, err)
	case t.ours:
		return d.layout(c.After)
	}
	if t.ledger != nil && t.ledger.Name == store.MarkerTable {
		d.own = c.After[2].S == store.MarkerBegin
	}
	d.any = true
	d.out = append(d.out, c)
	return nil
}

// later reads the images of a change when they are asked for.
func (d *decoder) later(text string, t *decoded, c store.Change) func() (before, after store.Row, err error) {
	return func() (before, after store.Row, err error) {
		if err := d.images(newMessage([]byte(text)), t, &c); err != nil {
			return nil, nil, d.faulty(t, err)
		}
		return c.Before, c.After, nil
	}
}

// images reads the old row and the new one.
func (d *decoder) images(m *message, t *decoded, c *store.Change) error {
	kind := m.byte()
	if kind == 'O' || kind == 'K' {
		whole := kind == 'O' && t.full
		before := make(store.Row, len(t.shape.names))
		if err := m.tuple(&t.shape, before, nil); err != nil {
			return err
		}
		if whole || t.ledger != nil || t.ours {
			c.Before = before
		}
		if c.Op == store.Update {
			kind = m.byte()
		}
	}
	if c.Op != store.Insert && c.Before == nil && t.ledger == nil && !t.ours {
		return &store.GapError{Table: t.table, Reason: "its REPLICA IDENTITY is not FULL any more"}
	}
	if c.Op == store.Delete {
		return m.check()
	}
	if kind != 'N' {
		return errMessage
	}
	c.After = make(store.Row, len(t.shape.names))
	if err := m.tuple(&t.shape, c.After, t.sent(c.Before)); err != nil {
		return err
	}
	if t.ledger != nil {
		c.Before = nil
	}
	return nil
}

// sent is what a value has that was not sent because it has not changed: that of the old row. Of the table captured, of which the
// server sends no old row, it is nothing: what ends a layout changes none of its values.
func (d *decoded) sent(before store.Row) store.Row {
	if d.ours && before == nil {
		return make(store.Row, len(d.shape.names))
	}
	return before
}

// faulty is an error of reading a table's change as one that concerns the table only.
func (d *decoder) faulty(t *decoded, err error) error {
	var fault *store.MapError
	var gap *store.GapError
	if errors.As(err, &fault) || errors.As(err, &gap) || errors.Is(err, errMessage) || t.l == nil {
		return err
	}
	return &store.MapError{Table: t.table, Reason: "its changes cannot be read: " + err.Error(), Err: err}
}

// layout takes over a row of the table captured.
func (d *decoder) layout(row store.Row) error {
	text := make([]string, len(row))
	for i, v := range row {
		text[i] = v.S
	}
	l := layoutHead(text)
	if l.id <= d.known {
		return nil
	}
	old := d.layouts[l.relid]
	switch {
	case l.active:
		if err := l.read(text); err != nil {
			return err
		}
		d.layouts[l.relid] = l
	case old != nil && old.id == l.id:
		delete(d.layouts, l.relid)
	default:
		return nil
	}
	if rel := d.relations[l.relid]; rel != nil { // the server does not repeat it
		d.tables[l.relid] = d.relation(rel)
	}
	return nil
}

// truncate reads which tables were emptied.
func (d *decoder) truncate(m *message) error {
	n := m.uint32()
	m.byte() // CASCADE and RESTART IDENTITY
	for range n {
		t := d.tables[m.uint32()]
		p, fresh := d.next()
		if m.bad {
			return errMessage
		}
		if t == nil || t.l == nil || !fresh {
			continue
		}
		d.any = true
		d.out = append(d.out, store.Change{Position: p, Op: store.Truncate, Table: t.table, Columns: t.shape.names, AtMs: d.tx.atMs})
	}
	return nil
}
