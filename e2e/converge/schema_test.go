package converge_test

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dualwrite/dualwrite/e2e/checker"
)

// schema is a parent and a child, both captured by dualwrite, and triggers of the users' own that note every change. What is not mapped
// is only for users: a column of the parent, which they make the token in each write of theirs, and a table. A note that changes to
// anything else was changed by us.
func schema(side int) string {
	out := strings.ReplaceAll(`CREATE TABLE item (id TEXT NOT NULL PRIMARY KEY, token TEXT NOT NULL, v INTEGER NOT NULL, NOTE TEXT NOT NULL DEFAULT '');
		CREATE TABLE part (id TEXT NOT NULL PRIMARY KEY, item TEXT NOT NULL REFERENCES item (id), token TEXT NOT NULL, v INTEGER NOT NULL);
		CREATE TABLE scrap (id TEXT NOT NULL PRIMARY KEY);
		CREATE TABLE bystander (id INTEGER NOT NULL, v TEXT NOT NULL);
		INSERT INTO bystander VALUES (1, 'as it was'), (2, 'likewise');
		CREATE TABLE spoiled (id TEXT, was TEXT, now TEXT);
		CREATE TABLE audit (n INTEGER PRIMARY KEY AUTOINCREMENT, tab TEXT, id TEXT, was TEXT, now TEXT);
		CREATE TRIGGER spoil AFTER UPDATE ON item BEGIN INSERT INTO spoiled SELECT NEW.id, OLD.NOTE, NEW.NOTE WHERE NEW.NOTE NOT IN (OLD.NOTE, NEW.token); END;`,
		"NOTE", notes[side])
	for _, table := range tables {
		for on, notes := range map[string][]string{
			"INSERT": {"SELECT 'TABLE', NEW.id, '', NEW.token"},
			"DELETE": {"SELECT 'TABLE', OLD.id, OLD.token, ''"},
			"UPDATE": { // a row with another key is another row
				"SELECT 'TABLE', OLD.id, OLD.token, '' WHERE OLD.id <> NEW.id",
				"SELECT 'TABLE', NEW.id, CASE WHEN OLD.id = NEW.id THEN OLD.token ELSE '' END, NEW.token"},
		} {
			body := ""
			for _, note := range notes {
				body += "INSERT INTO audit (tab, id, was, now) " + strings.ReplaceAll(note, "TABLE", table) + "; "
			}
			out += fmt.Sprintf("\nCREATE TRIGGER audit_%[1]s_%[2]s AFTER %[1]s ON %[2]s BEGIN %[3]sEND;", on, table, body)
		}
	}
	return out
}

// notes are columns that one side alone has.
var notes = [2]string{"note_of_finops", "note_of_dataverse"}

var tables = []string{"item", "part"}

// scrap is the map that is not always there.
const scrap = "scrap"

const linkMaps = "item: {}\npart: {}\n" + scrap + ": {truncate: apply}\n"

// value is the column v of a row with a token: few values, so that rows are written with one that they had before.
func value(token string) int {
	n, _ := strconv.Atoi(strings.Trim(token, "FD"+checker.Tombstone))
	return n % 4
}

// Queries whose rows are what the checker asks for, columns separated by |.
const (
	events     = "SELECT tab || '|' || id || '|' || was || '|' || now FROM audit ORDER BY n"
	finalItems = "SELECT 'item|' || id || '|' || token || '|' || v FROM item ORDER BY id"
	unmapped   = "SELECT (SELECT count(*) FROM spoiled) || ' ' || count(*) || ' ' || min(v) || ', ' || max(v) FROM bystander"
	untouched  = "0 2 as it was, likewise"
	finalParts = "SELECT 'part|' || id || '|' || token || '|' || v || CASE WHEN id LIKE item || '-%' THEN '' ELSE ' of ' || item END FROM part ORDER BY id"
)
