package postgres

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/dualwrite/dualwrite/store"
)

// captureEvery is how often a reader looks whether everything that it has to read still gets into the log.
const captureEvery = 5 * time.Second

// The attributes of our publications.
const (
	publishOurs  = "publish = 'insert, update'"
	publishUsers = "publish = 'insert, update, delete, truncate', publish_via_partition_root = true"
)

const (
	// Tables under capture that the publication has lost, or whose old rows are not whole any more. One statement: who releases
	// a table does both at once.
	sqlTouched = `SELECT l.name FROM ` + capturedTable + ` l WHERE l.active AND (NOT EXISTS (SELECT 1 FROM pg_catalog.pg_publication_rel r
			JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid WHERE p.pubname = '` + usersPublication + `' AND r.oid = l.entry AND r.prrelid = l.relid)
		OR NOT EXISTS (SELECT 1 FROM pg_catalog.pg_class c WHERE c.oid = l.relid AND (c.relkind <> 'r' OR c.relreplident = 'f'))) ORDER BY l.id`
	sqlPublished = `SELECT p.pubname FROM pg_catalog.pg_publication p WHERE p.pubname = '` + ledgerPublication + `' AND p.pubinsert AND p.pubupdate
		OR p.pubname = '` + usersPublication + `' AND p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate AND p.pubviaroot`
	sqlOursPublished = `SELECT c.relname FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
			JOIN pg_catalog.pg_class c ON c.oid = r.prrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE p.pubname = '` + ledgerPublication + `' AND n.nspname = '` + schema + `'`
)

// lookAtCapture looks whether everything that has to be read gets into the log. What does not is a gap, of one table or of
// all.
func (s *Store) lookAtCapture(ctx context.Context) error {
	if err := s.lookAtPartitions(ctx); err != nil {
		return err
	}
	var why string
	err := s.reading(ctx, func(c *session) (err error) {
		if why, err = lookAtPublications(ctx, c); why != "" || err != nil {
			return err
		}
		touched, err := c.texts(ctx, sqlTouched)
		if err != nil || len(touched) == 0 {
			return err
		}
		all, err := layouts(ctx, c)
		if err != nil {
			return err
		}
		for _, l := range all {
			if !l.named(touched) {
				continue
			}
			why, err := l.lost(ctx, c)
			if err != nil {
				return err
			}
			if why != "" {
				return &store.GapError{Table: l.name, Reason: why}
			}
		}
		return nil
	})
	if err != nil || why == "" {
		return err
	}
	sys, err := s.system(ctx)
	if err != nil {
		return err
	}
	return &store.GapError{Reason: why, Next: at(sys.end).position()}
}

// lookAtPublications looks at our two publications, by which both the ledger's rows and users' come. why says what they lack.
func lookAtPublications(ctx context.Context, c *session) (why string, err error) {
	whole, err := c.texts(ctx, sqlPublished)
	if err != nil {
		return "", err
	}
	for name, with := range map[string]string{ledgerPublication: publishOurs, usersPublication: publishUsers} {
		if !slices.Contains(whole, name) {
			return "the publication " + name + " is gone, or does not publish everything any more: ALTER PUBLICATION " + name + " SET (" + with + ")", nil
		}
	}
	ours, err := c.texts(ctx, sqlOursPublished)
	if err != nil {
		return "", err
	}
	for _, name := range published() {
		if !slices.Contains(ours, name) {
			return "our table " + name + " is not in the publication " + ledgerPublication + " any more: ALTER PUBLICATION " +
				ledgerPublication + " ADD TABLE " + schema + "." + name, nil
		}
	}
	return "", nil
}

// published are the tables of ours whose rows are in the log.
func published() []string {
	_, captured, _ := strings.Cut(capturedTable, ".")
	out := []string{captured}
	for _, t := range store.Ledger() {
		if t.Captured {
			out = append(out, t.Name)
		}
	}
	return out
}
