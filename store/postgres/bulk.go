package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

// bulkForm names the binary form of COPY for columns of built-in types: the same in all versions that we know.
const bulkForm = "postgres-copy-binary-1"

const (
	copyHeader  = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00" // signature, flags, length of the extension
	copyTrailer = "\xff\xff"
	exportAhead = 8 // pieces that are read before they are asked for
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

// export reads COPY TO beside who asks for it, a few pieces ahead.
type export struct {
	cancel context.CancelFunc
	key    []string
	pieces chan piece
	err    error // why pieces has ended
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
	e := &export{cancel: cancel, key: keyKinds(info, rel), pieces: make(chan piece, exportAhead)}
	w := &pieceWriter{ctx: ctx, out: e.pieces, first: true}
	go func() {
		defer close(e.pieces)
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

// exportBytes is the size of what is read at a time. Who asks for more gets several in one.
const exportBytes = 1 << 20

// Next returns the next rows.
func (e *export) Next(ctx context.Context, size int) (store.Block, error) {
	out := &block{key: e.key}
	for have := 0; have < size; {
		var next piece
		var more bool
		select {
		case next, more = <-e.pieces:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if !more {
			if e.err != nil {
				return nil, fmt.Errorf("copy rows: %w", e.err)
			}
			break
		}
		out.pieces = append(out.pieces, next)
		have += len(next.data)
	}
	if len(out.pieces) == 0 {
		return nil, nil
	}
	return out, nil
}

// Close ends the copying; the view is of no use afterwards unless everything was read.
func (e *export) Close() error {
	e.cancel()
	for range e.pieces {
		continue
	}
	return nil
}

// block is rows of COPY in binary form, without header and trailer.
type block struct {
	key    []string // kinds of the first columns
	pieces []piece
}

// piece is some of the rows.
type piece struct {
	data []byte
	ends []int // of the rows
}

// row is the bytes of a row.
func (p piece) row(i int) []byte {
	if i == 0 {
		return p.data[:p.ends[0]]
	}
	return p.data[p.ends[i-1]:p.ends[i]]
}

// Rows is how many rows the block has.
func (b *block) Rows() int {
	n := 0
	for _, p := range b.pieces {
		n += len(p.ends)
	}
	return n
}

// Without leaves out rows.
func (b *block) Without(places []int) store.Block {
	out, at := &block{key: b.key}, 0
	for _, p := range b.pieces {
		kept := piece{data: make([]byte, 0, len(p.data)), ends: make([]int, 0, len(p.ends))}
		for i := range p.ends {
			if len(places) > 0 && places[0] == at {
				places = places[1:]
			} else {
				kept.data = append(kept.data, p.row(i)...)
				kept.ends = append(kept.ends, len(kept.data))
			}
			at++
		}
		out.pieces = append(out.pieces, kept)
	}
	return out
}

// Keys reads the keys, which are the first fields of the rows.
func (b *block) Keys() ([]store.Row, error) {
	out := make([]store.Row, 0, b.Rows())
	for _, p := range b.pieces {
		for i := range p.ends {
			key, err := readKey(b.key, p.row(i))
			if err != nil {
				return nil, err
			}
			out = append(out, key)
		}
	}
	return out, nil
}

func readKey(kinds []string, row []byte) (store.Row, error) {
	if len(row) < 2 {
		return nil, errMessage
	}
	out, rest := make(store.Row, 0, len(kinds)), row[2:]
	for _, kind := range kinds {
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
		out = append(out, v)
		rest = rest[size:]
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

// pieceWriter cuts what COPY sends, a row at a time, into pieces.
type pieceWriter struct {
	ctx   context.Context
	out   chan<- piece
	first bool
	next  piece
}

func (w *pieceWriter) Write(data []byte) (int, error) {
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
	if w.next.data == nil {
		w.next.data = make([]byte, 0, exportBytes+len(data))
	}
	w.next.data = append(w.next.data, data...)
	w.next.ends = append(w.next.ends, len(w.next.data))
	if len(w.next.data) >= exportBytes {
		return n, w.flush()
	}
	return n, nil
}

func (w *pieceWriter) flush() error {
	if w.next.data == nil {
		return nil
	}
	select {
	case w.out <- w.next:
		w.next = piece{}
		return nil
	case <-w.ctx.Done():
		return w.ctx.Err()
	}
}

// importing is a COPY that is under way beside whoever asked for it. The connection is its own until it is done.
type importing struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// Import copies a block in. What comes of it is told by the transaction's next call, which waits for it.
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
	sql := "COPY " + p.table + " (" + quoteAll("", p.names) + ") FROM STDIN (FORMAT binary)"
	ctx, cancel := context.WithCancel(ctx)
	im := &importing{cancel: cancel, done: make(chan struct{})}
	tx.importing = im
	go func() {
		defer close(im.done)
		defer cancel()
		im.err = rowFault(rel.Table, tx.c.copyFrom(ctx, sql, rows.reader()))
	}()
	return nil
}

// reader reads the block as COPY takes it.
func (b *block) reader() io.Reader {
	readers := []io.Reader{strings.NewReader(copyHeader)}
	for _, p := range b.pieces {
		readers = append(readers, bytes.NewReader(p.data))
	}
	return io.MultiReader(append(readers, strings.NewReader(copyTrailer))...)
}

// imported waits for the end of an Import.
func (tx *Tx) imported() error {
	im := tx.importing
	if im == nil {
		return nil
	}
	<-im.done
	tx.importing = nil
	return tx.fail(im.err)
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
