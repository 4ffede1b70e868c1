package store

// Use says what a link does with a relation.
type Use struct {
	Relation *Relation
	Captured bool // its changes are read from the log
	Written  bool // rows are written to it
}

// Remark is one thing that Preflight has found.
type Remark struct {
	Code    RemarkCode
	Table   string // Relation.Table; "": the database as a whole
	Message string // one sentence without its full stop
	Hint    string // the mend; may be lines of SQL
}

// RemarkCode is the kind of a remark, a contract with users' scripts.
type RemarkCode string

// The codes of remarks.
const (
	RemarkBusyTimeout  RemarkCode = "busy_timeout"       // applications need one
	RemarkDurability   RemarkCode = "durability"         // the server may lose what it has confirmed
	RemarkLedger       RemarkCode = "ledger_privilege"   // the ledger cannot be made or used
	RemarkLog          RemarkCode = "log_unreachable"    // the log cannot be read by the role that should
	RemarkOwner        RemarkCode = "owner_needed"       // the owner of the table has to prepare it
	RemarkPrivilege    RemarkCode = "privilege"          // our role may not do what the map asks
	RemarkReplaceBlind RemarkCode = "replace_unseen"     // a REPLACE may remove rows that capture does not see
	RemarkReplication  RemarkCode = "role_replication"   // the role that reads the log may not
	RemarkRowSecurity  RemarkCode = "row_security"       // policies hide rows from our role
	RemarkSenders      RemarkCode = "senders_full"       // no further reader of the log is let in
	RemarkSequence     RemarkCode = "sequence_privilege" // numbers cannot be moved past copied rows
	RemarkSlots        RemarkCode = "slots_full"         // no replication slot is free
	RemarkStandby      RemarkCode = "standby"            // the server takes no writes
	RemarkTableKind    RemarkCode = "table_kind"         // not an ordinary table
	RemarkTriggerSkip  RemarkCode = "trigger_privilege"  // our role may not leave triggers out
	RemarkVersion      RemarkCode = "server_version"     // too old
	RemarkVersionPatch RemarkCode = "server_patch"       // has a known fault that loses changes
	RemarkWALLevel     RemarkCode = "wal_level"          // the log holds too little
)

// Condition is how a database stands with what dualwrite has put into it.
type Condition struct {
	Captured []string // the tables under capture, by catalog name, sorted
	Remarks  []Remark // what is wrong, or soon will be
}

// The codes of remarks on what has been put there.
const (
	RemarkCaptureChanged RemarkCode = "capture_changed"  // a table is no longer captured as it was
	RemarkCertificate    RemarkCode = "certificate_ends" // the server shows one that soon is no longer valid, or is not now
	RemarkLogHeld        RemarkCode = "log_held"         // the database keeps much log for us
	RemarkLogLost        RemarkCode = "log_lost"         // changes have been lost to the log
	RemarkLogUnread      RemarkCode = "log_unread"       // nobody reads the log, which grows
	RemarkSlotElsewhere  RemarkCode = "slot_elsewhere"   // the server keeps log for another database of its own
	RemarkSlotIdle       RemarkCode = "slot_idle"        // nothing needs the log that the server keeps
	RemarkTransaction    RemarkCode = "transaction_open" // a transaction that is open for long holds things up
)
