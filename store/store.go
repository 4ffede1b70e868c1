// Package store says what a database must be able to do for dualwrite: describe its tables, deliver its committed
// changes in order with their before-images, be read consistently, be written under guards, and keep a ledger.
//
// The comments here are the contract. Every sentence of them that can fail has a test in store/storetest, which runs
// against every store. Each comment ends, where it is not obvious, with how PostgreSQL and MariaDB fulfil it, so that
// the contract cannot be one database's habits in disguise.
package store

import (
	"context"
	"io"
)

// Store is one database, one side of a link. It is safe for concurrent use; a Tx, a View and a Log are not.
//
// It has eleven methods beside Close, because a database is entered in exactly these ways: looking at its schema, at what
// it lacks and at how it stands, putting tables under capture, taking a writer's fence, writing, reading, following its
// log or leaving it, and knowing its limits.
type Store interface {
	io.Closer

	// Describe returns the named tables as the catalog has them, keyed by the name asked for; a table that does not
	// exist is left out. Without names it returns every table of users (never the ledger's), keyed by catalog name.
	Describe(ctx context.Context, tables ...string) (map[string]Table, error)

	// Preflight says what is in the way of such uses, or worth knowing before they begin: settings and version of the
	// server, kinds of tables, privileges of our roles. Where Capture or a write would be refused for such a reason there
	// is a remark on it. It changes nothing, and needs no ledger.
	Preflight(ctx context.Context, uses ...Use) ([]Remark, error)

	// Diagnose says how the database stands with what Capture has put there: whether it is still as it was, whether the
	// log is read, and what that costs. It changes nothing, and needs no ledger.
	Diagnose(ctx context.Context) (Condition, error)

	// Capture installs the ledger where it is missing and puts the relations under capture: when it returns, every
	// transaction that commits later is in the log with full images, and every one that committed earlier is visible
	// to a View opened later. It drains open transactions for that, waits for locks only briefly (ErrTransient), and
	// may be called again, with other columns too. With no relations it installs the ledger only.
	// PostgreSQL: publication, REPLICA IDENTITY FULL, under LOCK TABLE … IN SHARE ROW EXCLUSIVE MODE; then the slot.
	// MariaDB: nothing but a check of binlog_format and binlog_row_image; LOCK TABLES … READ drains.
	Capture(ctx context.Context, relations ...Relation) error

	// Release undoes Capture for the tables: nothing of theirs reaches the log afterwards and nothing of ours is left
	// on them. Tables that are not captured are ignored.
	Release(ctx context.Context, tables ...string) error

	// Fence starts a new attempt of the named writer: it raises the writer's epoch durably, so that no transaction of
	// an earlier attempt can commit afterwards, and then reads how far the writer came.
	Fence(ctx context.Context, writer string) (Cursor, error)

	// Begin opens a write transaction whose first effect is the begin row of the marker: see Marker. ErrFenced when
	// the epoch is no longer the writer's or the sequence number is taken.
	Begin(ctx context.Context, marker Marker) (Tx, error)

	// View opens one consistent snapshot of users' tables and the ledger. It blocks no writer.
	View(ctx context.Context) (View, error)

	// Open follows the log from the last confirmed position on. The cursor is what the caller has durably applied
	// elsewhere: if changes after it have been lost to the log (purged, slot re-created, restored from a backup, a
	// capture trigger gone) it returns a *GapError, never a log with a hole. Changes up to the cursor that are still
	// in the log come first. Only one Log of a store delivers at a time; opening a second ends the
	// first, whose methods return ErrFenced from then on.
	Open(ctx context.Context, cursor Position) (Log, error)

	// Dormant reports that no table is captured, so that the log need not be followed: nothing that is written to the
	// ledger before a table is captured is ever asked for. Always false where a log that nobody follows would grow.
	// PostgreSQL: then there is no slot, and the server has nothing to decode.
	Dormant(ctx context.Context) (bool, error)

	// Limits returns what the engine must respect when it writes here.
	Limits() Limits
}

// Limits is capability data: what differs between databases is read from here, never from the kind of database.
type Limits struct {
	CopyRows     int  // rows of an initial write or a replay in one transaction, at most; locks stay short
	SkipTriggers bool // Relation.SkipTriggers is heeded
	Relaxed      bool // Marker.Relaxed is heeded

	// QuietRows is how many rows make Tx.Quiet worth its cost; 0: it never does anything.
	QuietRows int

	// Digest is the form of the sums that View.Digest makes; "": it makes none.
	Digest string

	// Bulk is the form of blocks that View.Export makes and Tx.Import takes; "": neither does anything.
	Bulk string
}

// Cursor is where a writer stands after Fence.
type Cursor struct {
	Writer   string
	Epoch    int64
	Seq      int64    // of the last committed transaction of this writer; 0: none yet
	Position Position // of its begin row
	Body     string   // of its end row
}

// Marker is the row that every transaction of ours begins and ends with. The begin row commits the cursor with the
// rows it stands for, fences out older attempts (it can be written only while Epoch is the writer's, and only with the
// next Seq), and, being captured, tells the reader of this side's log that the transaction is ours.
type Marker struct {
	Writer   string
	Epoch    int64
	Seq      int64    // of this transaction: the writer's last one plus 1
	Position Position // what the writer will have reached when this commits
	Map      string   // the one map written to; "" when there may be several
	Body     string   // JSON of the engine; it says what the reader of this side must know before the rows
	AtMs     int64    // Unix milliseconds, as the caller's clock has it

	// LockStream takes the row lock of the writer `stream` first, so that no transaction of the stream is in flight
	// or can commit before this one ends. Modes are flipped under it.
	LockStream bool

	// Relaxed lets the commit return before it is durable: a crash of the server may undo it, with everything that was
	// committed there since. Whoever commits after it without Relaxed has made it durable too.
	Relaxed bool

	// Ahead are queries that will be asked first. A store may answer them together with the beginning.
	Ahead []Query
}

// Reader reads users' tables and the ledger as one consistent state.
type Reader interface {
	// Lookup returns the relation's rows of the keys given, in that order, nil where there is none or where the
	// row is outside the relation's filter.
	Lookup(ctx context.Context, rel *Relation, keys []Row) ([]Row, error)
	// Select returns rows of a ledger table. A database without a ledger reads as an empty one.
	Select(ctx context.Context, q Query) ([]Row, error)
	// Count returns how many rows Select would without Limit and Offset.
	Count(ctx context.Context, q Query) (int64, error)
}

// View is a snapshot for reading. It is released by Close.
type View interface {
	Reader
	// Scan returns at most limit rows of the relation that pass its filter and whose key comes after the one given
	// (nil: from the start), in the database's own order of keys. Fewer than limit means that the table has ended.
	Scan(ctx context.Context, rel *Relation, after Row, limit int) ([]Row, error)
	// Skip returns the key of the n-th row, in the same order, whose key comes after the one given; nil where there are
	// fewer.
	Skip(ctx context.Context, rel *Relation, after Row, n int) (Row, error)
	// Digest begins to sum up the rows of the relation whose keys come after one and not after another (nil: from the
	// start, to the end). Until the result is there the view does nothing else. nil where the relation cannot be summed
	// up. PostgreSQL: hash functions of the server, over the text of values where equality of a type is not that of text.
	Digest(ctx context.Context, rel *Relation, after, upTo Row) (Digest, error)
	// Size estimates how many rows the relation has, cheaply, for progress bars.
	Size(ctx context.Context, rel *Relation) (int64, error)
	// Export begins to read the rows of the relation that pass its filter, in any order. Until it is closed the view
	// does nothing else. nil where the relation cannot be exported.
	// PostgreSQL: COPY in binary form, for columns of built-in types.
	Export(ctx context.Context, rel *Relation) (Export, error)
	Close() error
}

// Tx is a write transaction of ours. After an error of any method but ApplyEach only Rollback remains, or Again.
// It sees its own writes. Commit or Rollback ends it; Rollback after either does nothing.
type Tx interface {
	Reader
	// Apply makes the writes in order. The first that the database refuses as the row's fault ends the transaction
	// with a *RowError whose Index says which. Without error there is one Result per write.
	Apply(ctx context.Context, writes []Write) ([]Result, error)
	// ApplyBeside is Apply, which may call work, once, before the database works or while it does. Work may use anything but
	// the transaction, must leave the writes alone and must be short: locks are held.
	// PostgreSQL calls it while the database works. SQLite does not: nobody else could write meanwhile.
	ApplyBeside(ctx context.Context, writes []Write, work func()) ([]Result, error)
	// ApplyEach makes the writes one by one, each in a savepoint of its own: a row's fault is in its Result, has left
	// no trace in the database and does not stop the others.
	ApplyEach(ctx context.Context, writes []Write) ([]Result, error)
	// Import inserts the rows of a block, perhaps beside the caller: the transaction's next call then waits for it, and has
	// its error. It is a *RowError, whose Index says nothing, when one of them is refused.
	Import(ctx context.Context, rel *Relation, b Block) error
	// Quiet keeps what this transaction writes to users' tables from now on out of the log; its ledger rows stay in it.
	// false: they will be there, because the database cannot leave them out, because another transaction does so now, or
	// because writes to one of the relations, which are those to be written, may write to other rows as well. Nobody
	// else's changes are ever left out.
	// PostgreSQL: the publication publishes nothing for the length of the transaction, which decoding heeds.
	Quiet(ctx context.Context, relations ...*Relation) (bool, error)
	// Renumber makes the database number rows by the relation's Auto columns from beyond those that are there.
	Renumber(ctx context.Context, rel *Relation) error
	// Put inserts rows into a ledger table, replacing those of the same primary key. In a table with a serial column,
	// which comes first, 0 there means the next number.
	Put(ctx context.Context, table string, rows ...Row) error
	// Delete removes ledger rows. Order, Limit and Offset of the query are ignored.
	Delete(ctx context.Context, q Query) error
	// Continue ends a part of a transaction that is too long to be made at once: it writes the end row with this body, and
	// the begin row of the next part's marker, which may ask Ahead, but is Relaxed as the first was. All parts are
	// committed together, or none; to who reads the log they are transactions like others. Not after Quiet.
	Continue(ctx context.Context, body string, next Marker) error
	// Again takes back what was done since Continue, whose begin row stays. After an error of Apply, too, the part can then be
	// made anew.
	Again(ctx context.Context) error
	// Commit writes the end row with this body and commits. An error that leaves the outcome unknown is ErrTransient:
	// Fence tells what became of it.
	Commit(ctx context.Context, body string) error
	Rollback() error
}

// Guard says under which condition a write is made.
type Guard uint8

const (
	// Overwrite makes the row what After says, whatever it was: the master's word.
	Overwrite Guard = iota
	// Expect makes the write only if the row is still as Before says (nil: absent), compared in the columns of the
	// relation, less those in its Free: compare-and-set.
	Expect
)

// Write is one change of one row. With After it is written (inserted or updated), without it is deleted. When the key
// in After differs from Key the row moves to the new key: one UPDATE where the row at Key exists and the new key is
// free; under Overwrite otherwise a delete and an upsert; under Expect the new key must be free too.
type Write struct {
	Relation *Relation
	Guard    Guard
	Key      Row
	Before   Row
	After    Row
}

// Result is what became of one write.
type Result struct {
	Outcome Outcome
	Current Row       // of Refused: the row as it is (nil: absent), at Key, or where that is free at the new key
	Err     *RowError // of ApplyEach's Failed
}

// Outcome is the kind of a Result.
type Outcome uint8

const (
	Applied   Outcome = iota // the database has changed
	Unchanged                // it was already so
	Refused                  // Expect was not met; nothing was changed
	Failed                   // the row's fault; only from ApplyEach
)

// Log delivers the committed changes of captured tables and of the captured ledger tables, in commit order.
type Log interface {
	// Next returns what has been committed since the last call: whole transactions, at most about limit changes. A
	// longer transaction is cut and More set (SQLite knows no transactions but ours and cuts a backlog anywhere). Without
	// new changes, or while the database has not sent them yet, it returns an empty batch at once. The changes are the
	// caller's until the next call; their rows, for good.
	// A gap that it meets is a *GapError; a mapped column that is gone or of another type is a *MapError.
	Next(ctx context.Context, limit int) (Batch, error)
	// Wait returns when there may be something new, or when ctx ends (with its error), or after a second or so.
	Wait(ctx context.Context) error
	// Confirm says that changes up to the position are never needed again. It is durable and never goes back.
	Confirm(ctx context.Context, upTo Position) error
	// Held is how many bytes of its log the database keeps until more of it is confirmed, about; 0 where that costs nothing.
	// PostgreSQL: up to where the server has sent everything. SQLite: 0, since only what was captured is kept.
	Held() int64
	// Since is where the log began: before it nothing was captured, and transactions of ours that committed before it
	// are not in the log. It is beyond the cursor only when the log was let go of since, with the last captured table.
	// SQLite: "". PostgreSQL: where the slot was made.
	Since() Position
	Close() error
}

// Batch is a stretch of a log.
type Batch struct {
	Changes []Change
	More    bool // the stretch ends inside a transaction: at least one more change of it follows
}

// Op is the kind of a change.
type Op string

// The kinds of changes.
const (
	Insert   Op = "insert"
	Update   Op = "update"
	Delete   Op = "delete"
	Truncate Op = "truncate" // of the whole table; no images
)

// Change is one committed change of one row. A row that enters the relation's filter is an Insert, one that leaves it a
// Delete, one that stays outside is not reported. Updates of the key are Updates with both images.
type Change struct {
	Position Position
	Op       Op
	Table    string   // the relation's Table; for a ledger table its name in Ledger
	Ledger   bool     // a row of the ledger: After is in the columns of its LedgerTable, and Op is Insert or Update
	Columns  []string // of Before and After: as they were captured. Shared between changes; not to be modified
	Before   Row      // nil for Insert
	After    Row      // nil for Delete
	AtMs     int64    // Unix milliseconds of the commit by the database's clock, or nearly

	// Load, of a row of users' tables that a transaction of ours wrote, reads Before and After, which are nil until then:
	// few such rows are ever looked at. nil: they are there.
	Load func() (before, after Row, err error)
}

// Images returns Before and After, loaded. An error is one that Next could have had.
func (c *Change) Images() (before, after Row, err error) {
	if c.Load != nil {
		if c.Before, c.After, err = c.Load(); err != nil {
			return nil, nil, err
		}
		c.Load = nil
	}
	return c.Before, c.After, nil
}
