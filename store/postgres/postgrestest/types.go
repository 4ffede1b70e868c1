package postgrestest

// SampleType is a type with values of it, as constants of SQL.
type SampleType struct {
	Name   string
	Values []string
}

// SampleTypes are the types that PostgreSQL comes with, and one of each kind that users make: OwnTypes makes these.
func SampleTypes() []SampleType {
	return []SampleType{
		{"smallint", []string{"-32768", "0", "32767"}},
		{"integer", []string{"-2147483648", "2147483647"}},
		{"bigint", []string{"-9223372036854775808", "9223372036854775807"}},
		{"oid", []string{"4294967295"}},
		{"numeric", []string{"'NaN'", "'Infinity'", "'-Infinity'", "1.50", "0.000", "-0.10", "1e30", "123456789012345678901234567890.123456789"}},
		{"numeric(10,3)", []string{"1.5", "-0.001", "1234567.891"}},
		{"real", []string{"'NaN'", "'Infinity'", "0.1", "1e-40", "-0.0", "16777216", "3.4028235e38"}},
		{"double precision", []string{"'NaN'", "'-Infinity'", "0.1::float8 + 0.2::float8", "5e-324", "1e21", "-0.0"}},
		{"boolean", []string{"true", "false"}},
		{"text", []string{"''", "' a '", `E'tab\tline\nback\\slash'`, "'日本語 😀'", "'NULL'", `'{"a"}'`}},
		{"character varying(20)", []string{"'abc  '", "'ünï'"}},
		{"character(5)", []string{"'ab'", "'abcde'", "''"}},
		{`"char"`, []string{"'x'"}},
		{"name", []string{"'a_name'"}},
		{"bytea", []string{`'\x'`, `'\x00ff5c'`}},
		{"date", []string{"'infinity'", "'-infinity'", "'0044-03-15 BC'", "'2024-02-29'"}},
		{"time", []string{"'24:00'", "'23:59:59.999999'"}},
		{"time with time zone", []string{"'12:00:00+05:45'", "'24:00-12'"}},
		{"timestamp", []string{"'infinity'", "'294276-12-31 23:59:59'", "'0001-01-01 00:00:00 BC'", "'2024-02-29 12:00:00.000001'"}},
		{"timestamp with time zone", []string{"'-infinity'", "'2024-10-27 02:30:00+02'", "'2024-10-27 02:30:00+01'", "'0044-03-15 12:00:00+00 BC'"}},
		{"interval", []string{"'1 mon -1 day'", "'-00:00:00.000001'", "'1 year 2 mons 3 days 04:05:06'"}},
		{"uuid", []string{"'f81d4fae-7dec-11d0-a765-00a0c91e6bf6'"}},
		{"json", []string{`'{"b": 1,  "a": 1e400, "a": 2}'`, "'null'"}},
		{"jsonb", []string{`'{"b": 1, "a": [1, 2.50, null]}'`}},
		{"inet", []string{"'10.0.0.1/8'", "'::1'"}},
		{"cidr", []string{"'10.0.0.0/8'"}},
		{"macaddr", []string{"'08:00:2b:01:02:03'"}},
		{"bit(3)", []string{"B'101'"}},
		{"bit varying", []string{"B''", "B'1011'"}},
		{"point", []string{"'(1.5,-2)'"}},
		{"polygon", []string{"'((0,0),(1,1),(2,0))'"}},
		{"xml", []string{"'<a b=\"c\"> d </a>'"}},
		{"tsvector", []string{"'a:1 fat:2,4 cat:3A'"}},
		{"int4range", []string{"'empty'", "'[1,5)'", "'(,)'"}},
		{"int4multirange", []string{"'{[1,3), [5,7)}'"}},
		{"tstzrange", []string{"'[2024-01-01 00:00+00, infinity]'"}},
		{"integer[]", []string{"'{}'", "'{1,NULL,3}'", "'{{1,2},{3,4}}'", "'[0:1]={1,2}'"}},
		{"text[]", []string{`'{"a b","NULL",NULL,"q\"uote","back\\slash",""}'`}},
		{"mood", []string{"'happy'", "'it''s ok'"}},
		{"positive", []string{"5"}},
		{"pair", []string{`ROW(1, 'a "quoted", text')::pair`, "ROW(NULL, NULL)::pair"}},
		{"mood[]", []string{"'{happy}'"}},
	}
}

// OwnTypes is the SQL that makes the types among them that PostgreSQL does not come with.
const OwnTypes = `CREATE TYPE mood AS ENUM ('happy', 'it''s ok'); CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE TYPE pair AS (n int, "odd name" text);`
