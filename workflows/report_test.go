package workflows_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/tablemap"
)

// Scripts read lists that are empty as lists. (The `temporal` command shows them as null, unless it is told
// --no-json-shorthand-payloads.)
func TestEmptyListsOfAReportAreLists(t *testing.T) {
	t.Parallel()
	s := in(tablemap.Initializing)
	s.Config.Related = nil
	text, err := json.Marshal(s.Report())
	require.NoError(t, err)
	require.Contains(t, string(text), `"related":[]`)
	require.Contains(t, string(text), `"actions":[]`)
}
