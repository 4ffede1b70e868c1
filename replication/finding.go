package replication

import (
	"fmt"
	"maps"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// The severities of findings. A map with an error cannot run.
const (
	SeverityError   = "error"
	SeverityWarning = "warning"
	SeverityInfo    = "info"
)

// rule is a kind of finding: its code, a contract with users' scripts.
type rule string

// The rules.
const (
	ruleCascade         rule = "cascade"
	ruleCascadeOneSide  rule = "cascade_one_side"
	ruleColumnGenerated rule = "column_generated"
	ruleColumnLeftOut   rule = "column_left_out"
	ruleColumnMissing   rule = "column_missing"
	ruleColumnTwice     rule = "column_twice"
	ruleCycle           rule = "cycle"
	ruleDatabaseDown    rule = "database_unavailable"
	ruleDefaultType     rule = "default_type"
	ruleFilterColumn    rule = "filter_column"
	ruleFilterInvalid   rule = "filter_invalid"
	ruleGeneratedKey    rule = "generated_key"
	ruleKeyGenerated    rule = "key_generated"
	ruleKeyMissing      rule = "key_missing"
	ruleKeyNotUnique    rule = "key_not_unique"
	ruleKeyNullable     rule = "key_nullable"
	ruleKeyType         rule = "key_type"
	ruleLedgerVersion   rule = "ledger_version"
	ruleNoColumns       rule = "no_columns"
	ruleNotNullUnmapped rule = "not_null_unmapped"
	ruleNullable        rule = "nullable"
	ruleOtherLink       rule = "other_link"
	ruleParentUnmapped  rule = "parent_unmapped"
	rulePrimaryNullable rule = "primary_key_nullable"
	ruleReference       rule = "reference_not_carried"
	ruleSelfReference   rule = "self_reference"
	ruleTableMissing    rule = "table_missing"
	ruleTableTwice      rule = "table_twice"
	ruleTrigger         rule = "trigger"
	ruleTriggerLoop     rule = "trigger_both_sides"
	ruleTriggerSkip     rule = "trigger_skip"
	ruleTruncateApply   rule = "truncate_apply"
	ruleType            rule = "type"
	ruleTypeLossy       rule = "type_lossy"
	ruleTypeNarrower    rule = "type_narrower"
	ruleUniqueOneSide   rule = "unique_one_side"
	ruleValueMapTwice   rule = "value_map_twice"
	ruleValueMapType    rule = "value_map_type"
)

// severities are all rules with what each means for a map.
func severities() map[rule]string {
	out := map[rule]string{
		ruleCascade:         SeverityInfo,
		ruleCascadeOneSide:  SeverityWarning,
		ruleColumnGenerated: SeverityError,
		ruleColumnLeftOut:   SeverityInfo,
		ruleColumnMissing:   SeverityError,
		ruleColumnTwice:     SeverityError,
		ruleCycle:           SeverityInfo,
		ruleDatabaseDown:    SeverityError,
		ruleDefaultType:     SeverityError,
		ruleFilterColumn:    SeverityWarning,
		ruleFilterInvalid:   SeverityError,
		ruleGeneratedKey:    SeverityWarning,
		ruleKeyGenerated:    SeverityError,
		ruleKeyMissing:      SeverityError,
		ruleKeyNotUnique:    SeverityError,
		ruleKeyNullable:     SeverityError,
		ruleKeyType:         SeverityError,
		ruleLedgerVersion:   SeverityError,
		ruleNoColumns:       SeverityInfo,
		ruleNotNullUnmapped: SeverityError,
		ruleNullable:        SeverityWarning,
		ruleOtherLink:       SeverityError,
		ruleParentUnmapped:  SeverityWarning,
		rulePrimaryNullable: SeverityWarning,
		ruleReference:       SeverityWarning,
		ruleSelfReference:   SeverityInfo,
		ruleTableMissing:    SeverityError,
		ruleTableTwice:      SeverityError,
		ruleTrigger:         SeverityInfo,
		ruleTriggerLoop:     SeverityWarning,
		ruleTriggerSkip:     SeverityError,
		ruleTruncateApply:   SeverityWarning,
		ruleType:            SeverityError,
		ruleTypeLossy:       SeverityWarning,
		ruleTypeNarrower:    SeverityWarning,
		ruleUniqueOneSide:   SeverityWarning,
		ruleValueMapTwice:   SeverityError,
		ruleValueMapType:    SeverityError,
	}
	maps.Copy(out, remarkSeverities())
	return out
}

// remarkSeverities are those of what stores remark on.
func remarkSeverities() map[rule]string {
	return map[rule]string{
		rule(store.RemarkBusyTimeout):    SeverityInfo,
		rule(store.RemarkDurability):     SeverityWarning,
		rule(store.RemarkLedger):         SeverityError,
		rule(store.RemarkLog):            SeverityError,
		rule(store.RemarkOwner):          SeverityError,
		rule(store.RemarkPrivilege):      SeverityError,
		rule(store.RemarkReplaceBlind):   SeverityWarning,
		rule(store.RemarkReplication):    SeverityError,
		rule(store.RemarkRowSecurity):    SeverityError,
		rule(store.RemarkSenders):        SeverityError,
		rule(store.RemarkSequence):       SeverityWarning,
		rule(store.RemarkSlots):          SeverityError,
		rule(store.RemarkStandby):        SeverityError,
		rule(store.RemarkTableKind):      SeverityError,
		rule(store.RemarkTriggerSkip):    SeverityError,
		rule(store.RemarkVersion):        SeverityError,
		rule(store.RemarkVersionPatch):   SeverityWarning,
		rule(store.RemarkWALLevel):       SeverityError,
		rule(store.RemarkCaptureChanged): SeverityError,
		rule(store.RemarkCertificate):    SeverityWarning,
		rule(store.RemarkLogHeld):        SeverityWarning,
		rule(store.RemarkLogLost):        SeverityError,
		rule(store.RemarkLogUnread):      SeverityWarning,
		rule(store.RemarkSlotElsewhere):  SeverityInfo,
		rule(store.RemarkSlotIdle):       SeverityWarning,
		rule(store.RemarkTransaction):    SeverityWarning,
	}
}

// findings collects what is found about one map.
type findings struct {
	link *tablemap.Link
	name string
	list []Finding
}

// on adds a finding about one side.
func (f *findings) on(side tablemap.Side, r rule, hint, format string, args ...any) {
	f.list = append(f.list, Finding{Code: string(r), Map: f.name, Side: f.link.Sides[side], Hint: hint,
		Message: fmt.Sprintf(format, args...), Severity: severities()[r]})
}

// remark adds what a store says.
func (f *findings) remark(side tablemap.Side, r store.Remark) {
	message := r.Message
	if r.Table != "" {
		message = "table " + r.Table + ": " + message
	}
	f.on(side, rule(r.Code), r.Hint, "%s", message)
}

// both adds a finding about both sides.
func (f *findings) both(r rule, hint, format string, args ...any) {
	f.on(tablemap.Left, r, hint, format, args...)
	f.list[len(f.list)-1].Side = ""
}
