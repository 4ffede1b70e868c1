package sqlite

import (
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

// pick finds columns of a relation in the table.
func (t *tableInfo) pick(columns []store.Column) ([]store.Column, error) {
	out := make([]store.Column, len(columns))
	for i := range columns {
		c, ok := t.column(columns[i].Name)
		if !ok {
			return nil, missing(t.Name, "column %s is gone", columns[i].Name)
		}
		out[i] = c
	}
	return out, nil
}

func names(columns []store.Column) []string {
	out := make([]string, len(columns))
	for i := range columns {
		out[i] = columns[i].Name
	}
	return out
}

// bytewise reports whether the key's columns tell apart what is not the same.
func (p *plan) bytewise() bool {
	for _, c := range p.columns[:p.key] {
		if coll := p.info.collations[strings.ToLower(c.Name)]; coll != "" && !strings.EqualFold(coll, "BINARY") {
			return false
		}
	}
	return true
}

// write writes the statements that need no more than the relation.
func (p *plan) write() {
	p.table = "main." + quote(p.info.Name)
	// The plus takes the declared type off the result: the driver makes times of texts in columns declared DATE.
	p.list = quoteAll("+"+quote(p.info.Name)+".", names(p.columns))
	var match []string
	for _, c := range p.columns[:p.key] {
		match = append(match, quote(p.info.Name)+"."+quote(c.Name)+" = ?")
	}
	p.match = strings.Join(match, " AND ")
	p.one = "SELECT " + p.list + " FROM " + p.table + " WHERE " + p.match
	p.remove = "DELETE FROM " + p.table + " WHERE " + p.match
	all := append(names(p.columns), names(p.defaults)...)
	p.insert = "INSERT OR ABORT INTO " + p.table + " (" + quoteAll("", all) + ") VALUES (" + marks(len(all)) + ")"
}

// update sets some columns of the row at a key; the statement is found by which.
func (p *plan) update(changed []bool) string {
	mask := make([]byte, len(changed))
	for i, c := range changed {
		if c {
			mask[i] = 1
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s, ok := p.updates[string(mask)]; ok {
		return s
	}
	var set []string
	for i, c := range changed {
		if c {
			set = append(set, quote(p.columns[i].Name)+" = ?")
		}
	}
	s := "UPDATE OR ABORT " + p.table + " SET " + strings.Join(set, ", ") + " WHERE " + p.match
	if len(p.updates) >= maxStatements {
		clear(p.updates)
	}
	p.updates[string(mask)] = s
	return s
}

// lookup finds the rows of n keys; each comes after the number of its key. It leaves the filter to filtered.
func (p *plan) lookup(n int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s, ok := p.lookups[n]; ok {
		return s
	}
	names := []string{prefix + "n"}
	var on []string
	for i, c := range p.columns[:p.key] {
		names = append(names, prefix+string(rune('a'+i/26))+string(rune('a'+i%26)))
		on = append(on, quote(p.info.Name)+"."+quote(c.Name)+" = "+names[i+1])
	}
	group := "(" + marks(p.key+1) + ")"
	s := "WITH " + prefix + "keys(" + strings.Join(names, ", ") + ") AS (VALUES " + strings.Repeat(group+", ", n-1) + group +
		") SELECT " + names[0] + ", " + p.list + " FROM " + prefix + "keys CROSS JOIN " + p.table + " WHERE " + strings.Join(on, " AND ")
	p.lookups[n] = s
	return s
}

// scan reads a page in the order of keys; rows without a key are none.
func (p *plan) scan(after store.Row) string {
	keys := make([]string, p.key)
	var given []string
	for i, c := range p.columns[:p.key] {
		keys[i] = quote(p.info.Name) + "." + quote(c.Name)
		if !c.NotNull {
			given = append(given, keys[i]+" IS NOT NULL")
		}
	}
	if after != nil {
		given = append(given, "("+strings.Join(keys, ", ")+") > ("+marks(p.key)+")")
	}
	where := strings.Join(given, " AND ")
	if where == "" {
		where = "1"
	}
	return "SELECT " + p.list + " FROM " + p.table + " WHERE " + where + p.filter + " ORDER BY " + strings.Join(keys, ", ") + " LIMIT ?"
}
