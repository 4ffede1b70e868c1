package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/dualwrite/dualwrite/store"
)

// bulkForm names the binary form of COPY for columns of built-in types: the same in all versions that we know.
const bulkForm = "postgres-copy-binary-1"

const (
	copyHeader  = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00" // signature, flags, length of the extension
	copyTrailer = "\xff\xff"
	exportAhead = 8 // blocks that are read before they are asked for
)

// exportable reports whether the rows of a relation are the same bytes in another database: no type of users, whose
// number would differ, and a key that can be read.
func exportable(info *tableInfo, rel *store.Relation) bool {
	for i, c := range rel.Columns {
		t, ok := info.types[c.Name]
		if !ok || t.schema != "pg_catalog" {
			return false
		}
		if i < rel.Key && !readableKey(t.base) {
			return false
		}
	}
	return true
}

func readableKey(base string) bool {
	switch base {
	case "int2", "int4", "int8", "text", "varchar", "uuid":
		return true
	}
	return false
}

// export reads COPY TO beside who asks for it, a few blocks ahead.
type export struct {
	cancel context.CancelFunc
	blocks chan *block
	err    error // why blocks has ended
}

// Export begins to copy a relation out.
func (v *View) Export(ctx context.Context, rel *store.Relation) (store.Export, error) {
	if err := v.usable(); err != nil {
		return nil, err
	}
	info, err := describeOne(ctx, v.c, rel.Table)
	if err != nil {
		return nil, err
	}
	if info == nil || !exportable(info, rel) {
		return nil, nil
	}
	query := "SELECT " + quoteAll("", rel.Names()) + " FROM " + info.quoted()
	if rel.Filter != "" {
		query += " WHERE (" + rel.Filter + "\n)"
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	e := &export{cancel: cancel, blocks: make(chan *block, exportAhead)}
	w := &blockWriter{ctx: ctx, out: e.blocks, key: keyKinds(info, rel), first: true}
	go func() {
		defer close(e.blocks)
		_, err := v.c.conn.Conn().PgConn().CopyTo(ctx, w, "COPY ("+query+") TO STDOUT (FORMAT binary)")
		if err == nil {
			err = w.flush()
		}
		e.err = tableFault(rel.Table, err)
	}()
	return e, nil
}

func keyKinds(info *tableInfo, rel *store.Relation) []string {
	kinds := make([]string, rel.Key)
	for i := range kinds {
		kinds[i] = info.types[rel.Columns[i].Name].base
	}
	return kinds
}

// exportBytes is the size of a block. Who asks for more gets several in one.
const exportBytes = 1 << 20

// Next returns the next rows.
func (e *export) Next(ctx context.Context, size int) (store.Block, error) {
	var out *block
	for out == nil || len(out.data) < size {
		var next *block
		var more bool
		select {
		case next, more = <-e.blocks:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if !more {
			if e.err != nil {
				return nil, fmt.Errorf("copy rows: %w", e.err)
			}
			break
		}
		if out == nil {
			next.data = slices.Grow(next.data, size)
		}
		out = out.and(next)
	}
	if out == nil {
		return nil, nil
	}
	return out, nil
}

// Close ends the copying; the view is of no use afterwards unless everything was read.
func (e *export) Close() error {
	e.cancel()
	for range e.blocks {
		continue
	}
	return nil
}

// block is rows of COPY in binary form, without header and trailer.
type block struct {
	data []byte
	ends []int // of the rows
	key  []string
}

func (b *block) and(o *block) *block {
	if b == nil {
		return o
	}
	for _, end := range o.ends {
		b.ends = append(b.ends, end+len(b.data))
	}
	b.data = append(b.data, o.data...)
	return b
}

// Rows is how many rows the block has.
func (b *block) Rows() int { return len(b.ends) }

// Without leaves out rows.
func (b *block) Without(places []int) store.Block {
	out := &block{key: b.key, data: make([]byte, 0, len(b.data)), ends: make([]int, 0, len(b.ends))}
	start := 0
	for i, end := range b.ends {
		if len(places) > 0 && places[0] == i {
			places = places[1:]
		} else {
			out.data = append(out.data, b.data[start:end]...)
			out.ends = append(out.ends, len(out.data))
		}
		start = end
	}
	return out
}

// Keys reads the keys, which are the first fields of the rows.
func (b *block) Keys() ([]store.Row, error) {
	out := make([]store.Row, len(b.ends))
	start := 0
	for i, end := range b.ends {
		row := b.data[start:end]
		start = end
		if len(row) < 2 {
			return nil, errMessage
		}
		rest := row[2:]
		for _, kind := range b.key {
			if len(rest) < 4 {
				return nil, errMessage
			}
			size := int(int32(binary.BigEndian.Uint32(rest)))
			if rest = rest[4:]; size < 0 || size > len(rest) {
				return nil, errMessage
			}
			v, err := readBinary(kind, rest[:size])
			if err != nil {
				return nil, err
			}
			out[i] = append(out[i], v)
			rest = rest[size:]
		}
	}
	return out, nil
}

// readBinary reads a value of a type that readableKey knows.
func readBinary(kind string, data []byte) (store.Value, error) {
	switch {
	case kind == "int2" && len(data) == 2:
		return store.Int(int64(int16(binary.BigEndian.Uint16(data)))), nil
	case kind == "int4" && len(data) == 4:
		return store.Int(int64(int32(binary.BigEndian.Uint32(data)))), nil
	case kind == "int8" && len(data) == 8:
		return store.Int(int64(binary.BigEndian.Uint64(data))), nil
	case kind == "text" || kind == "varchar":
		return store.Str(string(data)), nil
	case kind == "uuid" && len(data) == 16:
		h := hex.EncodeToString(data)
		return store.Value{Kind: store.UUID, S: h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]}, nil
	}
	return store.Value{}, errMessage
}

// blockWriter cuts what COPY sends, a row at a time, into blocks.
type blockWriter struct {
	ctx   context.Context
	out   chan<- *block
	key   []string
	first bool
	next  *block
}

func (w *blockWriter) Write(data []byte) (int, error) {
	n := len(data)
	if w.first {
		w.first = false
		if len(data) < len(copyHeader) || string(data[:len(copyHeader)-8]) != copyHeader[:len(copyHeader)-8] {
			return 0, errMessage
		}
		data = data[len(copyHeader):]
	}
	if len(data) == 0 || string(data) == copyTrailer {
		return n, nil
	}
	if w.next == nil {
		w.next = &block{key: w.key, data: make([]byte, 0, exportBytes+len(data))}
	}
	w.next.data = append(w.next.data, data...)
	w.next.ends = append(w.next.ends, len(w.next.data))
	if len(w.next.data) >= exportBytes {
		return n, w.flush()
	}
	return n, nil
}

func (w *blockWriter) flush() error {
	if w.next == nil {
		return nil
	}
	select {
	case w.out <- w.next:
		w.next = nil
		return nil
	case <-w.ctx.Done():
		return w.ctx.Err()
	}
}

// Import copies a block in.
func (tx *Tx) Import(ctx context.Context, rel *store.Relation, b store.Block) error {
	if err := tx.usable(); err != nil {
		return err
	}
	rows, ok := b.(*block)
	if !ok {
		return tx.fail(errors.New("block is of another form"))
	}
	p, err := tx.s.plans.plan(ctx, tx.c, rel)
	if err != nil {
		return tx.fail(err)
	}
	source := io.MultiReader(bytes.NewReader([]byte(copyHeader)), bytes.NewReader(rows.data), bytes.NewReader([]byte(copyTrailer)))
	sql := "COPY " + p.table + " (" + quoteAll("", p.names) + ") FROM STDIN (FORMAT binary)"
	if err := tx.c.copyFrom(ctx, sql, source); err != nil {
		return tx.fail(rowFault(rel.Table, err))
	}
	return nil
}

// Renumber moves sequences beyond the greatest number. Without the privilege, or a sequence, nothing is done.
func (tx *Tx) Renumber(ctx context.Context, rel *store.Relation) error {
	if err := tx.usable(); err != nil {
		return err
	}
	info, err := describeOne(ctx, tx.c, rel.Table)
	if err != nil || info == nil {
		return tx.fail(err)
	}
	for _, c := range rel.Columns {
		if !c.Auto || c.Type.Kind != store.Integer {
			continue
		}
		name := textParam(info.quoted())
		allowed, err := tx.c.text(ctx, sqlSequence, name, textParam(c.Name))
		if err != nil {
			return tx.fail(fault(err))
		}
		if allowed == "" {
			continue
		}
		column := quote(c.Name)
		sql := "SELECT pg_catalog.setval($1::text::regclass, m) FROM (SELECT pg_catalog.max(" + column + ") AS m FROM " + info.quoted() + ") AS x, " +
			allowed + " AS s WHERE m IS NOT NULL AND (m > s.last_value OR m = s.last_value AND NOT s.is_called)"
		if _, err := tx.c.change(ctx, sql, textParam(allowed)); err != nil {
			return tx.fail(fault(err))
		}
	}
	return nil
}

const sqlSequence = `SELECT s FROM (SELECT pg_catalog.pg_get_serial_sequence($1, $2) AS s) AS x
	WHERE s IS NOT NULL AND pg_catalog.has_sequence_privilege(s, 'UPDATE') AND pg_catalog.has_sequence_privilege(s, 'SELECT')`
