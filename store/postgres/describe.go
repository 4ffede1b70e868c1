package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

// tableInfo is a table as the catalog has it, with what only this package wants to know.
type tableInfo struct {
	store.Table
	oid       string
	schema    string
	relation  string
	kind      string // relkind
	persisted string // relpersistence
	leaf      bool   // a partition
	identity  string // relreplident
	types     map[string]pgType
	always    map[string]bool // GENERATED ALWAYS AS IDENTITY
}

// quoted is the table's name in a statement.
func (t *tableInfo) quoted() string { return quote(t.schema) + "." + quote(t.relation) }

func (t *tableInfo) column(name string) (store.Column, bool) {
	i := slices.IndexFunc(t.Columns, func(c store.Column) bool { return c.Name == name })
	if i < 0 {
		return store.Column{}, false
	}
	return t.Columns[i], true
}

// Describe returns the named tables, or all of users, as the catalog has them. A name without its schema is that of the
// schema public, or else of the only table so called.
func (s *Store) Describe(ctx context.Context, tables ...string) (map[string]store.Table, error) {
	out := make(map[string]store.Table)
	err := s.reading(ctx, func(c *session) error {
		found, err := describe(ctx, c, tables...)
		for name, info := range found {
			out[name] = info.Table
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("describe tables: %w", err)
	}
	return out, nil
}

// describeOne returns one table, nil where there is none.
func describeOne(ctx context.Context, c *session, name string) (*tableInfo, error) {
	found, err := describe(ctx, c, name)
	return found[name], err
}

func describe(ctx context.Context, c *session, names ...string) (map[string]*tableInfo, error) {
	all, err := findTables(ctx, c, names)
	if err != nil {
		return nil, err
	}
	byOID := make(map[string]*tableInfo)
	for _, t := range all {
		byOID[t.oid] = t
	}
	if len(byOID) == 0 {
		return all, nil
	}
	oids := make([]string, 0, len(byOID))
	for oid := range byOID {
		oids = append(oids, oid)
	}
	in := textParam("{" + strings.Join(oids, ",") + "}")
	for _, part := range []struct {
		sql  string
		read func(t *tableInfo, row []string) error
	}{{sqlColumns, readColumn}, {sqlUniqueIndexes, readUnique}, {sqlForeignKeys, readForeignKey}, {sqlTriggers, readTrigger}} {
		err := c.query(ctx, part.sql, []param{in}, func(values [][]byte) error {
			row := texts(values)
			return part.read(byOID[row[0]], row)
		})
		if err != nil {
			return nil, fault(err)
		}
	}
	return all, nil
}

func texts(values [][]byte) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}

// findTables returns tables by the names asked for; all, by their own names, where none are.
func findTables(ctx context.Context, c *session, names []string) (map[string]*tableInfo, error) {
	out := make(map[string]*tableInfo)
	add := func(values [][]byte) error {
		row := texts(values)
		t := &tableInfo{oid: row[1], schema: row[2], relation: row[3], kind: row[4], persisted: row[5], leaf: row[6] == "t", identity: row[7],
			types: make(map[string]pgType), always: make(map[string]bool)}
		t.Name = row[2] + "." + row[3]
		if row[0] == "" {
			row[0] = t.Name
		}
		if out[row[0]] == nil { // the best match comes first
			out[row[0]] = t
		}
		return nil
	}
	if len(names) == 0 {
		return out, fault(c.query(ctx, sqlAllTables, nil, add))
	}
	asked := arrayParam(len(names), func(i int) store.Value { return store.Str(names[i]) })
	return out, fault(c.query(ctx, sqlNamedTables, []param{asked}, add))
}

func readColumn(t *tableInfo, row []string) error {
	name, generated, identity := row[1], row[6], row[7]
	pt := newType(row[3], row[4], row[5])
	pt.oid, pt.modifier = row[11], row[12]
	t.types[name] = pt
	col := store.Column{Name: name, Type: store.Type{Name: row[2], Kind: pt.kind, Strict: true}, NotNull: row[8] == "t",
		Default: generated == "" && (row[9] == "t" || identity != ""), Auto: identity != "" || strings.HasPrefix(row[10], "nextval(")}
	if generated != "" {
		t.Generated = append(t.Generated, name)
	}
	t.always[name] = identity == "a"
	t.Columns = append(t.Columns, col)
	return nil
}

func readUnique(t *tableInfo, row []string) error {
	columns := splitArray(row[2])
	t.Unique = append(t.Unique, columns)
	if row[1] == "t" {
		t.PrimaryKey = columns
	}
	return nil
}

func readForeignKey(t *tableInfo, row []string) error {
	t.ForeignKeys = append(t.ForeignKeys, store.ForeignKey{Columns: splitArray(row[1]), Table: row[2], References: splitArray(row[3]),
		Cascades: row[4] == "t"})
	return nil
}

func readTrigger(t *tableInfo, row []string) error {
	t.Triggers = append(t.Triggers, row[1])
	return nil
}

// splitArray reads names joined by the character that no name can hold.
func splitArray(s string) []string { return strings.Split(s, separator) }

const (
	separator = "\x01"

	sqlTableColumns = `, c.oid::text, n.nspname, c.relname, c.relkind::text, c.relpersistence::text, c.relispartition, c.relreplident::text
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace`
	sqlUsers = ` c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> '` + schema + `' AND n.nspname <> 'information_schema'
		AND n.nspname NOT LIKE 'pg\_%'`
	sqlAllTables = `SELECT ''` + sqlTableColumns + ` WHERE` + sqlUsers + ` AND c.relkind IN ('r', 'p') AND NOT c.relispartition
		AND c.relpersistence = 'p' ORDER BY n.nspname, c.relname`
	// A name that can be read as schema.table is; then the schema public; then a name that is the only one.
	sqlNamedTables = `WITH named AS (SELECT a.name` + sqlTableColumns + ` JOIN pg_catalog.unnest($1::text[]) AS a(name)
			ON a.name IN (n.nspname || '.' || c.relname, c.relname) WHERE` + sqlUsers + `)
		SELECT * FROM named AS x WHERE x.name = x.nspname || '.' || x.relname OR x.nspname = 'public'
			OR (SELECT count(*) FROM named AS y WHERE y.name = x.name) = 1
		ORDER BY x.name <> x.nspname || '.' || x.relname`
	sqlColumns = `SELECT a.attrelid::text, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), n.nspname, t.typname,
			CASE WHEN t.typtype = 'd' THEN (WITH RECURSIVE up AS (SELECT d.oid, d.typname, d.typtype, d.typbasetype FROM pg_catalog.pg_type d WHERE d.oid = t.oid
				UNION ALL SELECT d.oid, d.typname, d.typtype, d.typbasetype FROM pg_catalog.pg_type d JOIN up ON d.oid = up.typbasetype AND up.typtype = 'd')
				SELECT typname FROM up WHERE typtype <> 'd') ELSE t.typname END,
			a.attgenerated::text, a.attidentity::text, a.attnotnull OR t.typnotnull, a.atthasdef, pg_catalog.pg_get_expr(d.adbin, d.adrelid),
			a.atttypid, a.atttypmod
		FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
			LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
		WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum`
	// Names of columns by their numbers: an array of numbers, the table, the end.
	sqlNamesOf  = `(SELECT pg_catalog.string_agg(a.attname, E'\x01' ORDER BY e.at) FROM pg_catalog.unnest(`
	sqlNamesIn  = `) WITH ORDINALITY AS e(num, at) JOIN pg_catalog.pg_attribute a ON a.attnum = e.num AND a.attrelid = `
	sqlTriggers = `SELECT t.tgrelid::text, t.tgname FROM pg_catalog.pg_trigger t
		WHERE t.tgrelid = ANY ($1::oid[]) AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') ORDER BY t.tgrelid, t.tgname`

	// Deferrable unique constraints are left out: they refuse no row at once, and ON CONFLICT cannot name them.
	sqlUniqueIndexes = `SELECT i.indrelid::text, i.indisprimary, ` +
		sqlNamesOf + `(i.indkey::int2[])[0:i.indnkeyatts - 1]` + sqlNamesIn + `i.indrelid)
		FROM pg_catalog.pg_index i WHERE i.indrelid = ANY ($1::oid[]) AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
			AND i.indexprs IS NULL ORDER BY i.indrelid, NOT i.indisprimary, i.indexrelid`
	sqlForeignKeys = `SELECT k.conrelid::text, ` + sqlNamesOf + `k.conkey` + sqlNamesIn + `k.conrelid), n.nspname || '.' || c.relname, ` +
		sqlNamesOf + `k.confkey` + sqlNamesIn + `k.confrelid), k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd')
		FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.confrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE k.conrelid = ANY ($1::oid[]) AND k.contype = 'f' AND k.conparentid = 0 ORDER BY k.conrelid, k.conname`
)
