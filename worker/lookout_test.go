package worker_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/worker"
)

// diagnoses are what is found, one look after the other.
type diagnoses [][]replication.Finding

func (d *diagnoses) Diagnose(context.Context) []replication.Finding {
	first := (*d)[0]
	*d = (*d)[1:]
	return first
}

func TestWhatIsWrongIsLoggedOnce(t *testing.T) {
	t.Parallel()
	held := func(message string) replication.Finding {
		return replication.Finding{Code: "log_held", Side: "finops", Severity: replication.SeverityWarning, Message: message, Hint: "see"}
	}
	elsewhere := replication.Finding{Code: "slot_elsewhere", Side: "finops", Severity: replication.SeverityInfo, Message: "another's"}
	core, logs := observer.New(zap.InfoLevel)
	look := worker.NewLookout(&diagnoses{{elsewhere}, {held("1 GB")}, {held("2 GB")}, {}, {held("3 GB")}}, zap.New(core))
	var said []string
	for range 5 {
		look(t.Context())
		for _, e := range logs.TakeAll() {
			fields := e.ContextMap()
			require.Equal(t, "log_held", fields["code"])
			require.Equal(t, "finops", fields["side"])
			said = append(said, e.Message)
		}
		said = append(said, "")
	}
	require.Equal(t, []string{"", "finding: 1 GB", "", "", "finding is over", "", "finding: 3 GB", ""}, said)
}
