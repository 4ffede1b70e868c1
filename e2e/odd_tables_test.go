package e2e_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// Tables as applications have them, with keys of every kind and names that need quotes, and transactions as they make them.
const (
	oddTables = `CREATE SCHEMA "Sales Dept";
CREATE TABLE "Sales Dept"."Order Lines" ("Order No" text, "Line.No" int, "select" text, "it's" text, PRIMARY KEY ("Order No", "Line.No"));
CREATE TABLE aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg (id int PRIMARY KEY, v text);
CREATE TABLE pair (a int, b int, PRIMARY KEY (a, b));
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE by_enum (m mood PRIMARY KEY, n numeric(20,5));
CREATE TABLE by_time (at timestamptz PRIMARY KEY, d date, i interval, ti time, z timetz);
CREATE TABLE by_number (n numeric PRIMARY KEY, f float8, r float4);
CREATE TABLE by_bytes (b bytea PRIMARY KEY, other bytea);
CREATE TABLE by_char (t boolean, s smallint, c char(5), PRIMARY KEY (t, s, c), v varchar(10));
CREATE TABLE by_range (r int4range PRIMARY KEY, x xml);
CREATE TABLE by_address (ip inet PRIMARY KEY, m macaddr, tags text[], doc jsonb);
CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree, name text);
CREATE TABLE swapped (id int PRIMARY KEY, u text UNIQUE);
CREATE TABLE later (id int PRIMARY KEY, p int REFERENCES later DEFERRABLE INITIALLY DEFERRED, u int UNIQUE DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE region (id int, region text, v text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE region_eu PARTITION OF region FOR VALUES IN ('eu');
CREATE TABLE region_us PARTITION OF region FOR VALUES IN ('us');`

	oddMaps = `long-name:
  tables: {finops: aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg, dataverse: aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg}
`

	oddRows = `INSERT INTO "Sales Dept"."Order Lines" VALUES ('A''1', 1, 'x"y', 'it''s'), ('ü ', 2, NULL, ''), ('', 0, E'tab\t', '\N');
INSERT INTO aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg VALUES (1, 'v');
INSERT INTO pair VALUES (1, 1), (1, 2), (2, 1);
INSERT INTO by_enum VALUES ('sad', 1.5), ('happy', 'NaN');
INSERT INTO by_time VALUES ('infinity', '-infinity', '1 mon -1 day', '24:00', '10:00+05:30'), ('0044-03-15 BC', '4714-11-24 BC', '-178000000 years', '00:00:00.000001', '23:59:59.999999-15:59'),
	('2024-02-29 12:00:00.123456+02', '5874897-12-31', NULL, NULL, NULL);
INSERT INTO by_number VALUES (0, '-0', 'NaN'), (1.10, 'Infinity', '-Infinity'), (1e100, 5e-324, 1.1754944e-38), ('NaN', 0.1, 0.1), (1.5, 1e308, 3.4e38);
INSERT INTO by_bytes VALUES ('\x00', '\x'), ('\x', '\xff00'), ('\xdeadbeef', NULL);
INSERT INTO by_char VALUES (true, 1, 'ab', 'v'), (false, -32768, '', '  '), (true, 32767, 'abcde', NULL);
INSERT INTO by_range VALUES ('[1,5)', '<a/>'), ('empty', NULL), ('(,3]', '<b>x</b>');
INSERT INTO by_address VALUES ('10.0.0.1', '08:00:2b:01:02:03', '{a,NULL,"b,c","{}"}', '{"a": [1, null, "\u00fc"]}'), ('::1/64', NULL, '{}', 'null');
INSERT INTO tree VALUES (1, NULL, 'root'), (2, 1, 'kid'), (3, 3, 'own'), (4, 2, 'y'), (5, 4, 'x');
INSERT INTO swapped SELECT value, 'u' || value FROM generate_series(1, 50);
INSERT INTO later VALUES (1, 2, 10), (2, 1, 20);
INSERT INTO region SELECT value, (ARRAY['eu', 'us'])[1 + value % 2], 'v' FROM generate_series(1, 50);`

	oddChanges = `UPDATE "Sales Dept"."Order Lines" SET "select" = 'new', "Line.No" = 7 WHERE "Line.No" = 1;
BEGIN; UPDATE pair SET b = 9 WHERE a = 1 AND b = 1; INSERT INTO pair VALUES (7, 7); DELETE FROM pair WHERE a = 2; COMMIT;
UPDATE by_enum SET m = 'ok', n = 2 WHERE m = 'sad';
UPDATE by_time SET i = '1 year', z = '00:00+00', at = at + interval '1 day' WHERE isfinite(at);
DELETE FROM by_time WHERE at = 'infinity';
UPDATE by_number SET n = n + 1;
UPDATE by_bytes SET other = '\x00', b = b || '\x01';
UPDATE by_char SET v = 'changed', c = 'zz' WHERE t;
UPDATE by_range SET r = '[10,20)' WHERE r = 'empty';
UPDATE by_address SET ip = '10.0.0.1/8', tags = tags || '{z}' WHERE ip = '10.0.0.1';
BEGIN; INSERT INTO tree VALUES (10, NULL, 'n'); UPDATE tree SET parent = 10 WHERE id = 2; DELETE FROM tree WHERE id = 5; DELETE FROM tree WHERE id = 4; COMMIT;
BEGIN; UPDATE tree SET parent = NULL; DELETE FROM tree WHERE id = 1; INSERT INTO tree VALUES (1, 10, 'again'); COMMIT;
BEGIN; UPDATE swapped SET u = 'x' || id; UPDATE swapped SET u = 'u' || (51 - id); COMMIT;
BEGIN; UPDATE later SET u = CASE u WHEN 10 THEN 20 ELSE 10 END; INSERT INTO later VALUES (5, 6, 50); INSERT INTO later VALUES (6, 5, 60); COMMIT;
BEGIN; DELETE FROM later WHERE id < 3; INSERT INTO later VALUES (2, 1, 20), (1, 2, 10); COMMIT;
UPDATE region SET region = 'us', v = 'moved' WHERE id < 10 AND region = 'eu';
MERGE INTO pair USING (VALUES (7, 7), (8, 8)) AS v (a, b) ON pair.a = v.a WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (v.a, v.b);`
)

// Whatever applications of two PostgreSQL databases do with such tables, on either side: both are equal, and nothing fails.
func TestOddTables(t *testing.T) {
	t.Parallel()
	names, maps := []string{"long-name"}, oddMaps
	for _, table := range strings.Fields("pair by_enum by_time by_number by_bytes by_char by_range by_address tree swapped later region") {
		name := strings.ReplaceAll(table, "_", "-")
		names = append(names, name)
		maps += name + ":\n  tables: {finops: " + table + ", dataverse: " + table + "}\n"
	}
	maps += "lines:\n  tables: {finops: Sales Dept.Order Lines, dataverse: Sales Dept.Order Lines}\n  related: [" + strings.Join(names, ", ") + "]\n"
	names = append(names, "lines")
	l := harness.New(t, harness.Setup{Pair: harness.Postgres, Left: oddTables + oddRows, Right: oddTables, Maps: maps, Master: "finops"})
	l.Work()
	l.Do("run", "lines", "--related", "--yes")
	equal := func() {
		t.Helper()
		for _, name := range names {
			l.Equal(name)
			require.Empty(t, l.Failures(name), name)
		}
	}
	equal()
	l.Left.Exec(oddChanges)
	equal()
	l.Right.Exec("DELETE FROM later; DELETE FROM tree; DELETE FROM by_range", "DELETE FROM by_time; DELETE FROM by_number; DELETE FROM by_bytes; DELETE FROM by_enum",
		`DELETE FROM pair; DELETE FROM region; DELETE FROM by_char; DELETE FROM by_address; DELETE FROM swapped; DELETE FROM "Sales Dept"."Order Lines"`,
		"DELETE FROM aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg")
	l.Right.Exec(oddRows)
	equal()
	l.Do("pause", "lines", "--related")
	l.Right.Exec(oddChanges)
	l.Do("resume", "lines", "--related")
	equal()
	require.Equal(t, 4, l.Left.Int("SELECT count(*) FROM tree"))
}
