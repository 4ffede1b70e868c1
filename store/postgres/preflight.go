package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

const (
	oldestVersion = 140000

	sqlServer = `SELECT pg_catalog.current_setting('wal_level'), pg_catalog.current_setting('server_version_num'), pg_catalog.current_setting('server_version'),
			pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('fsync'), current_user, pg_catalog.current_database(),
			pg_catalog.current_setting('max_replication_slots'),
			(SELECT count(*) FROM pg_catalog.pg_replication_slots) >= pg_catalog.current_setting('max_replication_slots')::int,
			pg_catalog.current_setting('max_wal_senders'),
			(SELECT count(*) FROM pg_catalog.pg_stat_replication) >= pg_catalog.current_setting('max_wal_senders')::int,
			(SELECT count(*) FROM pg_catalog.pg_replication_slots WHERE slot_name = $1)`
	sqlRights = `SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'),
			coalesce((SELECT CASE WHEN pg_catalog.has_schema_privilege(n.oid, 'USAGE')
				AND pg_catalog.has_schema_privilege(n.oid, 'CREATE') THEN 'all' WHEN pg_catalog.has_schema_privilege(n.oid, 'USAGE') THEN 'usage'
				ELSE 'none' END FROM pg_catalog.pg_namespace n WHERE n.nspname = '` + schema + `'), ''),
			coalesce((SELECT pg_catalog.has_table_privilege(c.oid, 'SELECT') AND pg_catalog.has_table_privilege(c.oid, 'INSERT')
				FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
				WHERE n.nspname = '` + schema + `' AND c.relname = 'slot')::text, ''),
			coalesce((SELECT pg_catalog.pg_has_role(p.pubowner, 'USAGE') FROM pg_catalog.pg_publication p WHERE p.pubname = '` + usersPublication + `')::text, '')`
	// The managed service of Amazon gives a role of its own instead of the attribute.
	sqlMayReplicate = `SELECT current_user, (r.rolsuper OR r.rolreplication OR EXISTS (SELECT FROM pg_catalog.pg_roles m WHERE m.rolname = 'rds_replication'
			AND pg_catalog.pg_has_role(current_user, m.oid, 'MEMBER')))::text FROM pg_catalog.pg_roles r WHERE r.rolname = current_user`
	sqlMaySkip = `SELECT CASE WHEN pg_catalog.current_setting('server_version_num')::int < 150000
			THEN (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) ELSE
			pg_catalog.has_parameter_privilege('session_replication_role', 'SET') END::int`
	// A plan may ask for the privilege before it looks for the kind, which is an error of what is no sequence: hence CASE.
	sqlUse = `SELECT pg_catalog.pg_has_role(c.relowner, 'USAGE'), pg_catalog.pg_get_userbyid(c.relowner), pg_catalog.row_security_active(c.oid),
			pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE'), may.reads, may.inserts, may.updates, pg_catalog.has_table_privilege(c.oid, 'DELETE'),
			pg_catalog.has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE'),
			(SELECT count(*) FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
				WHERE p.pubname = '` + usersPublication + `' AND r.prrelid = c.oid),
			coalesce((SELECT pg_catalog.string_agg(pg_catalog.format('%I.%I', n.nspname, s.relname), ', ') FROM pg_catalog.pg_depend d
				JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
				JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
				WHERE d.refobjid = c.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.classid = 'pg_catalog.pg_class'::regclass
					AND a.attname = ANY ($3::text[]) AND NOT CASE WHEN s.relkind = 'S' THEN pg_catalog.has_sequence_privilege(s.oid, 'UPDATE')
						AND pg_catalog.has_sequence_privilege(s.oid, 'SELECT') END), '')
		FROM pg_catalog.pg_class c,
			LATERAL (SELECT bool_and(pg_catalog.has_column_privilege(c.oid, a, 'SELECT')) AS reads, bool_and(pg_catalog.has_column_privilege(c.oid, a, 'INSERT')) AS inserts,
				bool_and(pg_catalog.has_column_privilege(c.oid, a, 'UPDATE')) AS updates FROM pg_catalog.unnest($2::text[]) AS a) may
		WHERE c.oid = $1::oid`
)

// patched are the first releases in which a table that joins a publication while transactions are open loses nothing.
func patched() map[int]int { return map[int]int{14: 140019, 15: 150014, 16: 160010, 17: 170006} }

// preflight collects remarks on one database.
type preflight struct {
	store *Store
	ctx   context.Context
	list  []store.Remark

	role, database string
	create         bool // in the database
	publication    string
	announced      bool // the publication's own statement has been given
}

func (p *preflight) add(code store.RemarkCode, table, hint, format string, args ...any) {
	p.list = append(p.list, store.Remark{Code: code, Table: table, Hint: hint, Message: fmt.Sprintf(format, args...)})
}

// Preflight looks at the server, at what our roles may do, and at the tables.
func (s *Store) Preflight(ctx context.Context, uses ...store.Use) ([]store.Remark, error) {
	p := &preflight{store: s, ctx: ctx}
	name, err := s.slotName(ctx)
	if err == nil {
		err = s.reading(ctx, func(c *session) error {
			if err := p.server(c, name); err != nil {
				return err
			}
			if err := p.rights(c); err != nil {
				return err
			}
			for _, u := range uses {
				if err := p.table(c, u); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err == nil {
		err = p.reader()
	}
	if err != nil {
		return nil, fmt.Errorf("preflight: %w", err)
	}
	return p.list, nil
}

// one is the one row of a query.
func one(ctx context.Context, c *session, sql string, params ...param) ([]string, error) {
	var out []string
	err := c.query(ctx, sql, params, func(values [][]byte) error {
		out = texts(values)
		return nil
	})
	return out, fault(err)
}

// server looks at settings and version.
func (p *preflight) server(c *session, slot string) error {
	row, err := one(p.ctx, c, sqlServer, textParam(slot))
	if err != nil {
		return err
	}
	p.role, p.database = row[5], row[6]
	var version int
	if _, err := fmt.Sscan(row[1], &version); err != nil {
		return fmt.Errorf("read version: %w", err)
	}
	if row[0] != "logical" {
		p.add(store.RemarkWALLevel, "", "ALTER SYSTEM SET wal_level = logical; and restart the server", "wal_level is %s: changes cannot be read from the log", row[0])
	}
	if version < oldestVersion {
		p.add(store.RemarkVersion, "", "use 14 or newer", "PostgreSQL %s is too old", row[2])
	} else if least := patched()[version/10000]; version < least {
		p.add(store.RemarkVersionPatch, "", fmt.Sprintf("update to %d.%d or newer", least/10000, least%10000),
			"PostgreSQL %s can lose changes of a table that joins a publication while transactions are open", row[2])
	}
	if row[3] == "t" {
		p.add(store.RemarkStandby, "", "name the primary", "the server is a standby and takes no writes")
	}
	if row[4] != "on" {
		p.add(store.RemarkDurability, "", "ALTER SYSTEM SET fsync = on", "fsync is off: a crash of the machine may lose what both sides believe to have")
	}
	if row[11] != "0" {
		return nil // our slot is there
	}
	if row[8] == "t" {
		p.add(store.RemarkSlots, "", "raise max_replication_slots by one and restart, or drop a slot that nobody reads", "all %s replication slots are taken", row[7])
	}
	if row[10] == "t" {
		p.add(store.RemarkSenders, "", "raise max_wal_senders by one and restart", "all %s connections for readers of the log (max_wal_senders) are taken", row[9])
	}
	return nil
}

// rights looks at what our role may do for the ledger and the publications.
func (p *preflight) rights(c *session) error {
	row, err := one(p.ctx, c, sqlRights)
	if err != nil {
		return err
	}
	p.create, p.publication = row[0] == "t", row[3]
	role := quote(p.role)
	switch {
	case row[1] == "" && !p.create:
		p.add(store.RemarkLedger, "", "CREATE SCHEMA "+schema+" AUTHORIZATION "+role+";\nGRANT CREATE ON DATABASE "+quote(p.database)+" TO "+role+"; -- for the publications",
			"role %s may not create the schema %s", p.role, schema)
	case row[1] == "none", row[1] == "usage" && row[2] == "", row[2] == "false":
		p.add(store.RemarkLedger, "", "GRANT USAGE, CREATE ON SCHEMA "+schema+" TO "+role+"; or use the role that owns it",
			"role %s may not use the schema %s", p.role, schema)
	case p.publication == "" && !p.create:
		p.add(store.RemarkLedger, "", "GRANT CREATE ON DATABASE "+quote(p.database)+" TO "+role+";", "role %s may not create publications", p.role)
	}
	return nil
}

// reader looks at the role that reads the log.
func (p *preflight) reader() error {
	row, err := p.store.replica.row(p.ctx, sqlMayReplicate)
	if err != nil || len(row) == 0 {
		p.unreachable(err)
		return p.ctx.Err()
	}
	if row[1] != "true" {
		p.add(store.RemarkReplication, "", "ALTER ROLE "+quote(row[0])+" REPLICATION;", "role %s may not read the log", row[0])
		return nil
	}
	c, err := p.store.replica.stream(p.ctx)
	if err != nil {
		p.unreachable(err)
		return p.ctx.Err()
	}
	return c.Close(context.WithoutCancel(p.ctx))
}

func (p *preflight) unreachable(err error) {
	why := "the connection fails"
	if e := pgError(err); e != nil {
		why = e.Message
	}
	p.add(store.RemarkLog, "", "see `replication:` of the side, and that pg_hba.conf lets its role into the database", "the log cannot be reached: %s", why)
}

// table looks at one table.
func (p *preflight) table(c *session, u store.Use) error {
	rel := u.Relation
	info, err := describeOne(p.ctx, c, rel.Table)
	if err != nil || info == nil {
		return err // Describe tells of it
	}
	if !info.capturable() {
		p.add(store.RemarkTableKind, rel.Table, "map the table itself, or the partitioned table as a whole",
			"a view, a foreign, temporary or unlogged table, or a partition cannot be kept equal")
		return nil
	}
	names := rel.Names()
	for _, extra := range rel.Extra {
		names = append(names, extra.Name)
	}
	var auto []string
	for _, col := range rel.Columns {
		if col.Auto && u.Written {
			auto = append(auto, col.Name)
		}
	}
	row, err := one(p.ctx, c, sqlUse, textParam(info.oid), namesParam(names), namesParam(auto))
	if err != nil || row == nil {
		return err
	}
	if row[2] == "t" {
		p.add(store.RemarkRowSecurity, rel.Table, "ALTER ROLE "+quote(p.role)+" BYPASSRLS;", "its policies (row level security) hide rows from role %s", p.role)
	}
	p.privileges(u, info, row)
	if row[10] != "" {
		p.add(store.RemarkSequence, rel.Table, "GRANT SELECT, UPDATE ON SEQUENCE "+row[10]+" TO "+quote(p.role)+";",
			"role %s may not move %s: rows that applications insert later may get numbers that copied rows have", p.role, row[10])
	}
	if rel.SkipTriggers && u.Written {
		may, err := c.number(p.ctx, sqlMaySkip)
		if err != nil {
			return fault(err)
		}
		if may == 0 {
			p.add(store.RemarkTriggerSkip, rel.Table, "GRANT SET ON PARAMETER session_replication_role TO "+quote(p.role)+"; -- from version 15 on",
				"role %s may not leave triggers out, which `triggers: skip` asks for", p.role)
		}
	}
	if !u.Captured {
		return nil
	}
	t := owned{rel: rel, info: info, owner: row[1], ours: row[0] == "t", published: row[9] != "0"}
	if t.published && !t.ours {
		filter, err := c.text(p.ctx, sqlFilter, textParam(usersPublication), textParam(info.oid))
		if err != nil {
			return fault(err)
		}
		t.otherwise = (filter == "") != (rel.Filter == "") // of two filters a run tells whether they are the same
	}
	return p.owner(c, t)
}

func namesParam(names []string) param {
	return arrayParam(len(names), func(i int) store.Value { return store.Str(names[i]) })
}

// privileges compares what the role may do with what the use needs.
func (p *preflight) privileges(u store.Use, info *tableInfo, row []string) {
	may := func(i int) bool { return row[i] == "t" }
	var lacks []string
	if !may(4) {
		lacks = append(lacks, "SELECT")
	}
	if u.Written {
		for n, what := range []string{"INSERT", "UPDATE", "DELETE"} {
			if !may(5 + n) {
				lacks = append(lacks, what)
			}
		}
	}
	if u.Captured && !u.Written && !may(8) {
		lacks = append(lacks, "UPDATE") // LOCK TABLE asks for it
	}
	var grants []string
	if !may(3) {
		grants = append(grants, "GRANT USAGE ON SCHEMA "+quote(info.schema)+" TO "+quote(p.role)+";")
	}
	if len(lacks) > 0 {
		grants = append(grants, "GRANT "+strings.Join(lacks, ", ")+" ON "+info.quoted()+" TO "+quote(p.role)+";")
	}
	if len(grants) > 0 {
		if len(lacks) == 0 {
			lacks = []string{"USAGE on its schema"}
		}
		p.add(store.RemarkPrivilege, u.Relation.Table, strings.Join(grants, "\n"), "role %s lacks %s", p.role, strings.Join(lacks, ", "))
	}
}

// owned is a table to be captured, and whose it is.
type owned struct {
	rel       *store.Relation
	info      *tableInfo
	owner     string
	ours      bool // our role is, or may act as, the owner
	published bool
	otherwise bool // with a filter that is not asked for, or without one that is
}

// owner says what the owner of the table has to do where our role cannot.
func (p *preflight) owner(c *session, t owned) error {
	found, err := identitiesOf(p.ctx, c, t.info.oid)
	if err != nil {
		return err
	}
	var lines []string
	for _, f := range found {
		if f.ident != identityFull && !t.ours {
			lines = append(lines, "ALTER TABLE "+quote(f.schema)+"."+quote(f.relation)+" REPLICA IDENTITY FULL;")
		}
	}
	publication := p.publication == "true" || (p.publication == "" && p.create)
	if t.otherwise {
		lines = append(lines, "ALTER PUBLICATION "+usersPublication+" DROP TABLE "+t.info.quoted()+";")
	}
	if t.otherwise || !t.published && !(t.ours && publication) {
		if p.publication == "" && !p.announced {
			p.announced = true
			lines = append(lines, "CREATE PUBLICATION "+usersPublication+" WITH (publish = 'insert, update, delete, truncate', publish_via_partition_root = true);")
		}
		line := "ALTER PUBLICATION " + usersPublication + " ADD TABLE " + t.info.quoted()
		if t.rel.Filter != "" {
			line += " WHERE (" + t.rel.Filter + ")"
		}
		lines = append(lines, line+";")
	}
	if len(lines) > 0 {
		p.add(store.RemarkOwner, t.rel.Table, strings.Join(slices.Compact(lines), "\n"),
			"role %s does not own it: its owner %s (who must own the publication too) or a superuser has to prepare it", p.role, t.owner)
	}
	return nil
}
