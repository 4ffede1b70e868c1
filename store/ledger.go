package store

// LedgerTable defines one of dualwrite's own tables on a side. The definitions are data, so that every store creates
// and reads the same ledger; in the database their names carry the store's prefix or schema.
type LedgerTable struct {
	Name     string
	Columns  []LedgerColumn
	Primary  int        // how many of the first columns are the primary key
	Serial   bool       // the first column is numbered by the database, ascending, numbers never used twice
	Captured bool       // inserts (and updates, where Put replaces) are delivered by the Log; deletes never
	Indexes  [][]string // further, not unique
}

// LedgerColumn is a column of the ledger. All are not null.
type LedgerColumn struct {
	Name string
	Kind Kind // Integer, Text or Blob
}

// Names of the ledger's tables.
const (
	LinkTable       = "link"       // which link the ledger belongs to, and which ledger is on the other side
	WriterTable     = "writer"     // the fence: one row per writer. Only Fence writes it
	MarkerTable     = "marker"     // begin and end rows. Only Begin and Commit write it
	ModeTable       = "mode"       // each map's mode on this side
	DefinitionTable = "definition" // each map's definition, per run
	QueueTable      = "queue"      // changes of the other side that wait for a map that is not live
	ResendTable     = "resend"     // keys whose row is to be sent to the other side as it is when the reader gets here
	EffectTable     = "effect"     // what this database made of our writes
	WroteTable      = "wrote"      // keys of rows that a transaction of ours has kept out of the log
	HeldTable       = "held"       // changes that failed, and those that wait behind them
	TokenTable      = "token"      // what a held change blocks
	ConflictTable   = "conflict"   // both images of each conflict
	BOnlyTable      = "b_only"     // keys that only B had when they were first compared (docs/protocol.md, initial write)
	MetTable        = "met"        // notes of copies that the stream into this side has met in the other side's log
	StatTable       = "stat"       // counters per map of the stream into this side
	AlarmTable      = "alarm"      // why the stream into this side had to stop or queue a map
	FlowTable       = "flow"       // what the stream into this side knows of each map and writer of the other side
	SentTable       = "sent"       // key and source position of changes that came into this side from its queue, or otherwise than as a user's change
	ReplayedTable   = "replayed"   // hashes of the keys of a transaction's changes from the queue, and the position of the last
)

// What a marker row is.
const (
	MarkerBegin = "begin"
	MarkerEnd   = "end"
)

func integer(name string) LedgerColumn { return LedgerColumn{name, Integer} }
func text(name string) LedgerColumn    { return LedgerColumn{name, Text} }
func blob(name string) LedgerColumn    { return LedgerColumn{name, Blob} }

// Ledger returns the definitions of all ledger tables. Blobs are rows as EncodeRow writes them ("" for no row); times
// are Unix milliseconds.
func Ledger() []LedgerTable {
	return []LedgerTable{
		{Name: LinkTable, Primary: 1, Columns: []LedgerColumn{text("name"), text("body")}},
		{Name: WriterTable, Primary: 1, Columns: []LedgerColumn{text("name"), integer("epoch")}},
		{Name: MarkerTable, Primary: 3, Captured: true, Columns: []LedgerColumn{
			text("writer"), integer("seq"), text("what"), text("position"), text("map"), text("body"), integer("at")}},
		{Name: ModeTable, Primary: 1, Captured: true, Columns: []LedgerColumn{
			text("map"), text("mode"), integer("run"), integer("master"), integer("synced"), text("request")}},
		{Name: DefinitionTable, Primary: 2, Columns: []LedgerColumn{text("map"), integer("run"), text("definition")}},
		{Name: QueueTable, Primary: 1, Serial: true, Indexes: [][]string{{"map", "id"}, {"map", "key"}, {"map", "new_key"}},
			Columns: []LedgerColumn{
				integer("id"), text("map"), text("position"), text("seen"), text("kind"), blob("key"),
				blob("new_key"), blob("before"), blob("after"), integer("at")}},
		{Name: ResendTable, Primary: 1, Serial: true, Captured: true, Columns: []LedgerColumn{
			integer("id"), text("map"), blob("key"), integer("retry"), text("seen")}},
		{Name: EffectTable, Primary: 1, Serial: true, Captured: true, Columns: []LedgerColumn{
			integer("id"), text("map"), blob("key"), blob("before"), blob("after")}},
		{Name: WroteTable, Primary: 1, Serial: true, Captured: true, Columns: []LedgerColumn{
			integer("id"), text("map"), blob("keys")}},
		{Name: HeldTable, Primary: 1, Serial: true, Indexes: [][]string{{"map", "key"}, {"map", "phase", "code"}},
			Columns: []LedgerColumn{
				integer("id"), text("map"), text("phase"), text("position"), text("seen"), text("kind"), blob("key"),
				blob("new_key"), blob("before"), blob("after"), text("code"), text("column"), text("message"),
				integer("attempts"), integer("at")}},
		{Name: TokenTable, Primary: 3, Columns: []LedgerColumn{blob("token"), text("map"), blob("key")},
			Indexes: [][]string{{"map", "key"}}},
		{Name: ConflictTable, Primary: 1, Serial: true, Indexes: [][]string{{"map", "key"}}, Columns: []LedgerColumn{
			integer("id"), text("map"), blob("key"), blob("winning"), blob("losing"), integer("at"), integer("restored"),
			integer("run"), integer("winner")}},
		{Name: BOnlyTable, Primary: 2, Columns: []LedgerColumn{text("map"), blob("key")}},
		{Name: MetTable, Primary: 2, Columns: []LedgerColumn{text("writer"), integer("seq"), text("position")}},
		{Name: StatTable, Primary: 1, Columns: []LedgerColumn{
			text("map"), integer("applied"), integer("conflicts"), integer("lag"), integer("at")}},
		{Name: AlarmTable, Primary: 1, Columns: []LedgerColumn{text("map"), text("kind"), text("message"), integer("at")}},
		{Name: FlowTable, Primary: 1, Columns: []LedgerColumn{text("name"), text("body")}},
		{Name: SentTable, Primary: 1, Serial: true, Indexes: [][]string{{"map", "id"}, {"map", "key"}}, Columns: []LedgerColumn{
			integer("id"), text("map"), blob("key"), text("position")}},
		{Name: ReplayedTable, Primary: 1, Serial: true, Indexes: [][]string{{"map", "id"}}, Columns: []LedgerColumn{
			integer("id"), text("map"), text("position"), blob("keys")}},
	}
}

// Query names rows of one ledger table.
type Query struct {
	Table  string
	Where  []Cond // all must hold
	Order  string // a column; "": the primary key's
	Desc   bool
	Limit  int // 0: all
	Offset int
}

// Cond compares a column with a value. Text and blobs compare bytewise.
type Cond struct {
	Column string
	Is     Comparison
	Values []Value // one; for In any number, none of which matches nothing
}

// Comparison is how a Cond compares.
type Comparison string

// The comparisons.
const (
	Eq Comparison = "="
	Gt Comparison = ">"
	Ge Comparison = ">="
	Lt Comparison = "<"
	Le Comparison = "<="
	In Comparison = "in"
)

// Where is a condition on one value.
func Where(column string, is Comparison, v Value) Cond {
	return Cond{Column: column, Is: is, Values: []Value{v}}
}
