package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"io"

	"github.com/dualwrite/dualwrite/store"
)

// entry is a row of the outbox.
type entry struct {
	place
	op     int64
	layout *layout      // nil for the ledger
	ledger *ledgerTable // nil for tables of users
	before store.Row    // in the captured columns; of touches the row touched
	after  store.Row    // likewise; of touches the row written; of the ledger the row
	was    bool         // the row before exists for the map
	is     bool         // the row after does
}

// maxBytes bounds what is read at once, whatever the number of entries.
const maxBytes = 16 << 20

func (e *entry) size() int {
	n := 0
	for _, row := range [...]store.Row{e.before, e.after} {
		for i := range row {
			n += len(row[i].S)
		}
	}
	return n
}

// marks reports whether it is a row of the marker of a kind.
func (e *entry) marks(what string) bool {
	return e.ledger != nil && e.ledger.Name == store.MarkerTable && e.after[2].S == what
}

// entries reads what follows, within the horizon.
func (l *Log) entries(ctx context.Context, limit int) ([]entry, error) {
	out, err := l.page(ctx, l.read.seq, l.horizon, limit)
	if err != nil {
		return nil, err
	}
	next := l.read.seq + 1
	for i := range out {
		if seq := out[i].seq; seq != next && seq-1 > l.cursor.seq {
			return nil, &store.GapError{Reason: fmt.Sprintf("changes %d to %d are not in the log", next, seq-1), Next: plain(seq - 1)}
		}
		next = out[i].seq + 1
	}
	return out, l.filter(ctx, out)
}

// page reads entries as they are.
func (l *Log) page(ctx context.Context, after, upTo int64, limit int) ([]entry, error) {
	var out []entry
	size := 0
	query := "SELECT seq, layout, op, at, " + valueColumns(0, l.width) + " FROM main." + outboxTable +
		" WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3"
	err := l.c.queryLong(ctx, query, []driver.Value{after, upTo, int64(limit)}, func(row []driver.Value) error {
		e, err := l.decode(row)
		out = append(out, e)
		if size += e.size(); err == nil && size > maxBytes {
			return io.EOF // enough: the rest is read next time
		}
		return err
	})
	return out, fault(ended(ctx, err))
}

// decode reads a row of the outbox.
func (l *Log) decode(row []driver.Value) (entry, error) {
	var e entry
	e.seq, _ = row[0].(int64)
	number, _ := row[1].(int64)
	e.op, _ = row[2].(int64)
	e.at, _ = row[3].(int64)
	row = row[4:]
	if number == 0 {
		name, _ := row[0].(string)
		if e.ledger = l.ledger[name]; e.ledger == nil {
			return e, fmt.Errorf("log has a row of ledger table %q, which is not known", name)
		}
		var err error
		e.after, err = rowFromSQL(row[1 : 1+len(e.ledger.columns)])
		return e, err
	}
	if e.layout = l.layouts[number]; e.layout == nil {
		return e, fmt.Errorf("log has a row of layout %d, which is not known", number)
	}
	n := len(e.layout.Columns)
	first, err := rowFromSQL(row[:n])
	if err != nil {
		return e, err
	}
	switch e.op {
	case opInsert:
		e.after = first
	case opDelete:
		e.before = first
	default:
		e.before = first
		e.after, err = rowFromSQL(row[n : 2*n])
	}
	e.was, e.is = e.layout.hasKey(e.before), e.layout.hasKey(e.after)
	return e, err
}

// hasKey reports whether a row has a key; without one it does not exist for the map.
func (l *layout) hasKey(row store.Row) bool {
	if row == nil {
		return false
	}
	for _, v := range row[:l.Key] {
		if v.IsNull() {
			return false
		}
	}
	return true
}

// filter finds out which rows the filters let pass. The conditions are evaluated by SQLite on tables of the connection
// with the columns' own affinities and collations, and with the table's name.
func (l *Log) filter(ctx context.Context, entries []entry) error {
	done := make(map[int64]bool)
	for i := range entries {
		one := entries[i].layout
		if one == nil || one.Filter == "" || done[one.id] {
			continue
		}
		done[one.id] = true
		if err := l.filterBy(ctx, one, entries); err != nil {
			return tableFault(one.Table, err)
		}
	}
	return nil
}

// Columns of a table that evaluates a filter, beside those of the layout.
const (
	filterEntry = prefix + "entry"
	filterImage = prefix + "image" // 0: before, 1: after
)

func (l *Log) filterBy(ctx context.Context, one *layout, entries []entry) error {
	table := "temp." + quote(one.Table)
	if l.filters[one.Table] != one.id {
		if err := l.c.exec(ctx, "DROP TABLE IF EXISTS "+table); err != nil {
			return err
		}
		if err := l.c.exec(ctx, one.filterTable()); err != nil {
			return err
		}
		l.filters[one.Table] = one.id
	}
	if err := l.c.exec(ctx, "DELETE FROM "+table); err != nil {
		return err
	}
	n := len(one.Columns)
	first, last := entries[0].seq, entries[len(entries)-1].seq
	fill := "INSERT INTO " + table + " SELECT %s, seq, %d FROM main." + outboxTable + " WHERE seq BETWEEN ?1 AND ?2 AND layout = ?3 AND %s"
	for _, s := range []string{
		fmt.Sprintf(fill, valueColumns(0, n), 0, "op <> 1"),
		fmt.Sprintf(fill, valueColumns(0, n), 1, "op = 1"),
		fmt.Sprintf(fill, valueColumns(n, n), 1, "op NOT IN (1, 3)"),
	} {
		if err := l.c.exec(ctx, s, first, last, one.id); err != nil {
			return err
		}
	}
	passes := make(map[[2]int64]bool)
	err := l.c.query(ctx, "SELECT "+filterEntry+", "+filterImage+" FROM "+table+" WHERE ("+one.Filter+"\n)", nil, func(row []driver.Value) error {
		seq, _ := row[0].(int64)
		image, _ := row[1].(int64)
		passes[[2]int64{seq, image}] = true
		return nil
	})
	for i := range entries {
		if e := &entries[i]; e.layout == one {
			e.was, e.is = e.was && passes[[2]int64{e.seq, 0}], e.is && passes[[2]int64{e.seq, 1}]
		}
	}
	return err
}

// filterTable is a table with the captured columns.
func (l *layout) filterTable() string {
	out := "CREATE TEMP TABLE " + quote(l.Table) + " ("
	for _, c := range l.Columns {
		out += quote(c.Name) + " " + string(affinityOf(c.Type.Name, c.Type.Strict))
		if c.Collation != "" {
			out += " COLLATE " + quote(c.Collation)
		}
		out += ", "
	}
	return out + filterEntry + ", " + filterImage + ")"
}
