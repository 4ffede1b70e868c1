package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/dualwrite/dualwrite/store"
)

const (
	bufferedChanges = 20_000
	bufferedBytes   = 8 << 20
	replyEvery      = 2 * time.Second // so that a server whose log waits for us does not take us for dead
)

// reader decodes what the server sends of the log, ahead of who asks for it, and holds it until it is taken. Two
// goroutines belong to it; close ends them and waits.
type reader struct {
	conn *pgconn.PgConn
	d    *decoder
	news chan struct{} // holds something when there is something to take
	done sync.WaitGroup
	stop chan struct{}
	full chan struct{} // holds something when as much is there as somebody waits for

	mu      sync.Mutex
	room    *sync.Cond
	buffer  []store.Change
	given   []store.Change // what was taken last: the taker's until it takes again
	bytes   int
	wanted  int     // changes that somebody waits for; 0: nobody does
	ends    []txEnd // of the transactions that are whole in the buffer
	opened  bool    // a transaction is being sent
	err     error   // why the reader has ended
	flush   pglogrepl.LSN
	walEnd  pglogrepl.LSN // the server had sent everything up to here when there was nothing to send
	closing bool
}

// txEnd is where a transaction ends in the buffer.
type txEnd struct {
	n   int // changes up to its end
	xid uint32
}

// newReader prepares to deliver what comes after a position.
func newReader(ctx context.Context, s *Store, after store.Position) (*reader, error) {
	d, err := newDecoder(ctx, s, after)
	if err != nil {
		return nil, err
	}
	r := &reader{d: d, news: make(chan struct{}, 1), stop: make(chan struct{}), full: make(chan struct{}, 1)}
	r.room = sync.NewCond(&r.mu)
	return r, nil
}

// connect starts replication where the slot stands.
func (r *reader) connect(ctx context.Context, slot string, from pglogrepl.LSN) error {
	conn, err := r.d.s.replica.stream(ctx)
	if err != nil {
		return err
	}
	err = pglogrepl.StartReplication(ctx, conn, quote(slot), 0, pglogrepl.StartReplicationOptions{PluginArgs: []string{
		"proto_version '1'", "publication_names '" + ledgerPublication + "," + usersPublication + "'"}})
	if err != nil {
		_ = conn.Close(context.WithoutCancel(ctx))
		return fmt.Errorf("start replication: %w", fault(err))
	}
	r.conn, r.flush = conn, from
	r.done.Add(2)
	go r.receive()
	go r.reply()
	return nil
}

// close ends the reader.
func (r *reader) close() {
	r.mu.Lock()
	if r.closing {
		r.mu.Unlock()
		r.done.Wait()
		return
	}
	r.closing = true
	r.room.Broadcast()
	r.mu.Unlock()
	close(r.stop)
	if r.conn != nil {
		_ = r.conn.Conn().Close()
	}
	r.done.Wait()
}

// receive decodes messages until the connection ends.
func (r *reader) receive() {
	defer r.done.Done()
	for {
		msg, err := r.conn.ReceiveMessage(context.Background())
		if err == nil {
			err = r.handle(msg)
		}
		if err != nil {
			r.fail(err)
			return
		}
	}
}

func (r *reader) fail(err error) {
	r.mu.Lock()
	r.err = err
	r.enough()
	r.mu.Unlock()
	r.wake()
}

// enough ends the waiting of await.
func (r *reader) enough() {
	r.wanted = 0
	select {
	case r.full <- struct{}{}:
	default:
	}
}

// await waits until so many changes are there, the reader can read no further, or patience is over.
func (r *reader) await(ctx context.Context, changes int, patience time.Duration) {
	select {
	case <-r.full:
	default:
	}
	r.mu.Lock()
	if len(r.buffer) >= changes || r.bytes >= bufferedBytes || r.err != nil {
		r.mu.Unlock()
		return
	}
	r.wanted = changes
	r.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-r.full:
	case <-ctx.Done():
	case <-timer.C:
	}
}

func (r *reader) wake() {
	select {
	case r.news <- struct{}{}:
	default:
	}
}

func (r *reader) handle(msg pgproto3.BackendMessage) error {
	switch m := msg.(type) {
	case *pgproto3.CopyData:
		return r.copied(m.Data)
	case *pgproto3.ErrorResponse:
		return fault(pgconn.ErrorResponseToPgError(m))
	case *pgproto3.CopyDone:
		return store.Because("the server has ended replication", errors.New("replication ended"))
	}
	return nil
}

func (r *reader) copied(data []byte) error {
	if len(data) == 0 {
		return errMessage
	}
	switch data[0] {
	case pglogrepl.PrimaryKeepaliveMessageByteID:
		k, err := pglogrepl.ParsePrimaryKeepaliveMessage(data[1:])
		if err != nil {
			return fmt.Errorf("read keepalive: %w", err)
		}
		r.mu.Lock()
		if !r.opened {
			r.walEnd = k.ServerWALEnd
		}
		r.mu.Unlock()
		if k.ReplyRequested {
			return r.send()
		}
		return nil
	case pglogrepl.XLogDataByteID:
		const header = 25
		if len(data) <= header {
			return errMessage
		}
		return r.decode(data[header:])
	}
	return nil
}

// decode adds what a message says to the buffer, and waits while that is full and something can be taken from it.
func (r *reader) decode(data []byte) error {
	what, err := r.d.message(data)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch what {
	case metBegin:
		r.opened = true
	case metChange:
		r.buffer = append(r.buffer, r.d.out...)
		r.bytes += len(data)
	case metEnd:
		r.opened = false
		if n := len(r.buffer); r.d.any {
			r.buffer[n-1].Position += lastMark
			r.ends = append(r.ends, txEnd{n, r.d.tx.xid})
			r.wake()
		}
	}
	if r.wanted > 0 && len(r.buffer) >= r.wanted {
		r.enough()
	}
	for (len(r.buffer) >= bufferedChanges || r.bytes >= bufferedBytes) && (len(r.buffer) > 1 || len(r.ends) > 0) && !r.closing {
		r.wake()
		r.enough()
		r.room.Wait()
	}
	return nil
}

// broken reports whether the connection has ended for a reason that reading again may mend; what is in the buffer goes.
func (r *reader) broken() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err != nil && errors.Is(fault(r.err), store.ErrTransient)
}

// take takes whole transactions, about limit changes, and the numbers of the transactions. Of one that is longer, or does
// not fit into the buffer, it takes what is there; the last change stays until it is known whether the transaction ends
// with it.
func (r *reader) take(limit int) (store.Batch, []uint32, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, whole := 0, 0
	for whole < len(r.ends) && (r.ends[whole].n <= limit || whole == 0 && r.ends[0].n <= limit+limit/2) {
		n = r.ends[whole].n
		whole++
	}
	more := false
	if n == 0 && len(r.buffer) > 0 {
		full := len(r.buffer) > limit || r.bytes >= bufferedBytes
		if full {
			n, more = min(limit, len(r.buffer)-1), true
		}
	}
	if n == 0 {
		r.ends = r.ends[whole:]
		return store.Batch{}, nil, r.err
	}
	clear(r.given)
	r.given = append(r.given[:0], r.buffer[:n]...)
	batch := store.Batch{Changes: r.given, More: more}
	xids := make([]uint32, 0, whole)
	for _, e := range r.ends[:whole] {
		xids = append(xids, e.xid)
	}
	r.drop(n, whole)
	if len(r.buffer) > 0 {
		r.wake()
	}
	return batch, xids, nil
}

// drop forgets what was taken.
func (r *reader) drop(n, whole int) {
	left := len(r.buffer) - n
	r.bytes = int(int64(r.bytes) * int64(left) / int64(n+left))
	copy(r.buffer, r.buffer[n:])
	clear(r.buffer[left:])
	r.buffer = r.buffer[:left]
	r.ends = r.ends[whole:]
	for i := range r.ends {
		r.ends[i].n -= n
	}
	r.room.Broadcast()
}

// quiet tells up to where the server has sent everything, and whether nothing of it waits here.
func (r *reader) quiet() (pglogrepl.LSN, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.walEnd, len(r.buffer) == 0 && !r.opened && r.err == nil
}

// confirm tells the server what it may forget.
func (r *reader) confirm(upTo pglogrepl.LSN) error {
	r.mu.Lock()
	r.flush = max(r.flush, upTo)
	r.mu.Unlock()
	return r.send()
}

// send tells the server how far we are; the mutex keeps messages whole.
func (r *reader) send() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := pglogrepl.SendStandbyStatusUpdate(context.Background(), r.conn,
		pglogrepl.StandbyStatusUpdate{WALWritePosition: r.flush, WALFlushPosition: r.flush, WALApplyPosition: r.flush})
	if err != nil {
		return fmt.Errorf("confirm log: %w", fault(err))
	}
	return nil
}

// reply tells the server now and then that we live, also while nobody takes what has been decoded.
func (r *reader) reply() {
	defer r.done.Done()
	ticker := time.NewTicker(replyEvery)
	defer ticker.Stop()
	for {
		select {
		case <-r.stop:
			return
		case <-ticker.C:
			_ = r.send() // receive meets what is wrong with the connection
		}
	}
}
