package harness

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Proxy stands between a program and a server, and does to their connections what networks do.
type Proxy struct {
	listener net.Listener
	target   string
	lost     atomic.Int64 // bytes of answers
	done     sync.WaitGroup

	mu       sync.Mutex
	changed  *sync.Cond
	relays   map[*relay]bool
	stalled  bool
	slow     time.Duration
	mute     bool
	refusing bool
}

// relay is one connection, and the one to the server that stands for it.
type relay struct{ client, server net.Conn }

// NewProxy listens for a server at an address.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &Proxy{listener: listener, target: target, relays: make(map[*relay]bool)}
	p.changed = sync.NewCond(&p.mu)
	p.done.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		p.Refuse(true)
		p.Cut()
		p.done.Wait()
	})
	return p
}

// Address is where it listens.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil { // the server is down
			reset(client)
			continue
		}
		r := &relay{client, server}
		p.mu.Lock()
		if p.refusing {
			p.mu.Unlock()
			r.reset()
			continue
		}
		p.relays[r] = true
		p.mu.Unlock()
		p.done.Go(func() { p.carry(r, r.server, r.client, false) })
		p.done.Go(func() { p.carry(r, r.client, r.server, true) })
	}
}

// carry passes on what one end sends, until either has ended.
func (p *Proxy) carry(r *relay, to, from net.Conn, answers bool) {
	defer p.end(r)
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !p.pass(r, n, answers) {
			continue
		}
		if delay := p.delay(); delay > 0 {
			<-time.After(delay)
		}
		if _, broken := to.Write(buffer[:n]); broken != nil || err != nil {
			return
		}
	}
}

// pass waits while nothing passes, and reports whether this does.
func (p *Proxy) pass(r *relay, n int, answers bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.stalled && p.relays[r] {
		p.changed.Wait()
	}
	if answers && p.mute {
		p.lost.Add(int64(n))
		return false
	}
	return true
}

func (p *Proxy) end(r *relay) {
	p.mu.Lock()
	delete(p.relays, r)
	p.changed.Broadcast()
	p.mu.Unlock()
	r.reset()
}

// reset ends a connection without a word.
func (r *relay) reset() {
	reset(r.client)
	reset(r.server)
}

func reset(conn io.Closer) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// Cut ends all connections. It returns how many there were.
func (p *Proxy) Cut() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.relays)
	for r := range p.relays {
		delete(p.relays, r)
		r.reset()
	}
	p.changed.Broadcast()
	return n
}

// Stall holds back everything, either way, or lets it pass again: the connections stay.
func (p *Proxy) Stall(stalled bool) { p.set(&p.stalled, stalled) }

// Slow delays everything by a time, either way; zero ends it.
func (p *Proxy) Slow(delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slow = delay
}

func (p *Proxy) delay() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.slow
}

// Mute loses what the server answers, or lets it pass again: its connections are of no use then, and have to be cut.
func (p *Proxy) Mute(mute bool) { p.set(&p.mute, mute) }

// Refuse takes no connections, or takes them again.
func (p *Proxy) Refuse(refuse bool) { p.set(&p.refusing, refuse) }

func (p *Proxy) set(what *bool, to bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*what = to
	p.changed.Broadcast()
}

// Lost is how many bytes of answers have been lost.
func (p *Proxy) Lost() int64 { return p.lost.Load() }
