package converge_test

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dualwrite/dualwrite/e2e/checker"
)

// schema is a parent and a child, both captured by dualwrite, and triggers of the users' own that note every change.
func schema() string {
	out := `CREATE TABLE item (id TEXT NOT NULL PRIMARY KEY, token TEXT NOT NULL, v INTEGER NOT NULL);
		CREATE TABLE part (id TEXT NOT NULL PRIMARY KEY, item TEXT NOT NULL REFERENCES item (id), token TEXT NOT NULL, v INTEGER NOT NULL);
		CREATE TABLE audit (n INTEGER PRIMARY KEY AUTOINCREMENT, tab TEXT, id TEXT, was TEXT, now TEXT);`
	for _, table := range tables {
		for _, on := range [][3]string{{"INSERT", "NEW.id, ''", "NEW.token"}, {"UPDATE", "NEW.id, OLD.token", "NEW.token"}, {"DELETE", "OLD.id, OLD.token", "''"}} {
			out += fmt.Sprintf("\nCREATE TRIGGER audit_%[1]s_%[2]s AFTER %[1]s ON %[2]s BEGIN INSERT INTO audit (tab, id, was, now) VALUES ('%[2]s', %[3]s, %[4]s); END;",
				on[0], table, on[1], on[2])
		}
	}
	return out
}

var tables = []string{"item", "part"}

const linkMaps = "item: {}\npart: {}\n"

// value is the column v of a row with a token: few values, so that rows are written with one that they had before.
func value(token string) int {
	n, _ := strconv.Atoi(strings.Trim(token, "FD"+checker.Tombstone))
	return n % 4
}

// Queries whose rows are what the checker asks for, columns separated by |.
const (
	events     = "SELECT tab || '|' || id || '|' || was || '|' || now FROM audit ORDER BY n"
	finalItems = "SELECT 'item|' || id || '|' || token || '|' || v FROM item ORDER BY id"
	finalParts = "SELECT 'part|' || id || '|' || token || '|' || v || CASE WHEN id LIKE item || '-%' THEN '' ELSE ' of ' || item END FROM part ORDER BY id"
)
