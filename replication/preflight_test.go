package replication

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/memory"
	"github.com/dualwrite/dualwrite/tablemap"
)

// storeRemarks are the remarks of stores.
func storeRemarks() []store.RemarkCode {
	return []store.RemarkCode{store.RemarkBusyTimeout, store.RemarkDurability, store.RemarkLedger, store.RemarkLog, store.RemarkOwner,
		store.RemarkPrivilege, store.RemarkReplaceBlind, store.RemarkReplication, store.RemarkRowSecurity, store.RemarkSenders,
		store.RemarkSequence, store.RemarkSlots, store.RemarkStandby, store.RemarkTableKind, store.RemarkTriggerSkip, store.RemarkVersion,
		store.RemarkVersionPatch, store.RemarkWALLevel, store.RemarkCaptureChanged, store.RemarkCertificate, store.RemarkLogHeld, store.RemarkLogLost, store.RemarkLogUnread,
		store.RemarkSlotElsewhere, store.RemarkSlotIdle, store.RemarkTransaction}
}

// What a store remarks on is found by check, of the map whose table it is or of the side as a whole; an error of it
// refuses the run, before anything is installed.
func TestRemarksOfStores(t *testing.T) {
	t.Parallel()
	e := &Engine{Link: tablemap.Link{Name: "contoso", Sides: [2]string{"finops", "dataverse"}, Maps: []tablemap.Map{mapOf("items")}}, Now: time.Now}
	for side := range e.Stores {
		db := memory.New(memory.Options{Remarks: []store.Remark{{Code: store.RemarkWALLevel, Message: "too little", Hint: "more"},
			{Code: store.RemarkPrivilege, Table: "items", Message: "role x lacks SELECT", Hint: "GRANT"}}[side : side+1]})
		require.NoError(t, db.Create(plain("items", col("note", text))))
		e.Stores[side] = db.Store()
	}
	found, err := e.Check(t.Context())
	require.NoError(t, err)
	require.Equal(t, []Finding{
		{Code: "wal_level", Side: "finops", Message: "too little", Hint: "more", Severity: SeverityError},
		{Code: "privilege", Map: "items", Side: "dataverse", Message: "table items: role x lacks SELECT", Hint: "GRANT", Severity: SeverityError},
	}, found)
	for _, code := range storeRemarks() {
		require.NotEmpty(t, severities()[rule(code)], code)
	}
	_, err = e.Attach(t.Context(), tablemap.AttachRequest{MapRun: tablemap.MapRun{Map: "items", Run: 1}, Definition: e.Link.Maps[0]})
	var refused *Refusal
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "finops: too little; dataverse: table items: role x lacks SELECT", refused.Message)
	require.Equal(t, "more; GRANT", refused.Hint)
	view, err := e.Stores[0].View(t.Context())
	require.NoError(t, err)
	rows, err := view.Select(t.Context(), store.Query{Table: store.ModeTable})
	require.NoError(t, err)
	require.Empty(t, rows)
	require.NoError(t, view.Close())
}
