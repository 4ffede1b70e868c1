// Package customers is the example of a link: Customers V3 ⇄ Contacts, on two SQLite files.
package customers

import (
	"embed"
	"io/fs"
)

//go:embed dualwrite.yaml finops.sql dataverse.sql
var files embed.FS

// Files are the example's files: dualwrite.yaml, finops.sql and dataverse.sql.
func Files() fs.FS { return files }
