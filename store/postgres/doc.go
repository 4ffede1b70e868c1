// Package postgres is the store on PostgreSQL.
package postgres

import (
	_ "github.com/jackc/pglogrepl"
	_ "github.com/jackc/pgx/v5/pgconn"
)
