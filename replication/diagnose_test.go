package replication

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/memory"
	"github.com/dualwrite/dualwrite/tablemap"
)

// silentStore is a database that does not answer.
type silentStore struct{ store.Store }

func (silentStore) Diagnose(context.Context) (store.Condition, error) {
	return store.Condition{}, store.Transient(errors.New("no route to host"))
}

// twoTables is a link of two maps, with the databases behind it.
func twoTables(t *testing.T) (*Engine, [2]*memory.Database) {
	t.Helper()
	e := &Engine{Link: tablemap.Link{Name: "contoso", Sides: [2]string{"finops", "dataverse"},
		Maps: []tablemap.Map{mapOf("items"), mapOf("notes")}}, Now: time.Now}
	var dbs [2]*memory.Database
	for side := range e.Stores {
		dbs[side] = memory.New(memory.Options{})
		require.NoError(t, dbs[side].Create(plain("items", col("note", text)), plain("notes", col("note", text))))
		e.Stores[side] = dbs[side].Store()
	}
	for _, m := range e.Link.Maps {
		_, err := e.Attach(t.Context(), tablemap.AttachRequest{MapRun: tablemap.MapRun{Map: m.Name, Run: 1}, Definition: m})
		require.NoError(t, err)
	}
	return e, dbs
}

// A side that does not answer keeps nobody from looking at the other.
func TestDiagnose(t *testing.T) {
	t.Parallel()
	e, dbs := twoTables(t)
	require.Empty(t, e.Diagnose(t.Context()))
	require.NoError(t, dbs[1].Uncapture("items"))
	e.Stores[0] = silentStore{e.Stores[0]}
	found := e.Diagnose(t.Context())
	require.Len(t, found, 2)
	require.Equal(t, []string{"database_unavailable", "finops", SeverityError}, []string{found[0].Code, found[0].Side, found[0].Severity})
	require.Equal(t, []string{"capture_changed", "dataverse", SeverityError}, []string{found[1].Code, found[1].Side, found[1].Severity})
}

// What no map needs is found, and removed without touching what one needs.
func TestOrphans(t *testing.T) {
	t.Parallel()
	e, _ := twoTables(t)
	found, err := e.Orphans(t.Context(), []string{"items", "notes"})
	require.NoError(t, err)
	require.Empty(t, found)
	def, err := e.Definition(t.Context(), "notes")
	require.NoError(t, err)
	found, err = e.Orphans(t.Context(), []string{"items"})
	require.NoError(t, err)
	require.Equal(t, []Orphan{{Map: "notes"}}, found)
	require.NoError(t, e.Remove(t.Context(), found[0]))

	require.NoError(t, e.Stores[1].Capture(t.Context(), def.Relations[1]))
	found, err = e.Orphans(t.Context(), []string{"items", "notes"})
	require.NoError(t, err)
	require.Empty(t, found, "a run of notes has just begun")
	found, err = e.Orphans(t.Context(), []string{"items"})
	require.NoError(t, err)
	require.Equal(t, []Orphan{{Side: "dataverse", Table: "notes"}}, found)
	require.NoError(t, e.Remove(t.Context(), found[0]))
	found, err = e.Orphans(t.Context(), []string{"items"})
	require.NoError(t, err)
	require.Empty(t, found)
	for _, s := range e.Stores {
		c, err := s.Diagnose(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"items"}, c.Captured)
	}
}
