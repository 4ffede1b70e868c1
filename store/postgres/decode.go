package postgres

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"

	"github.com/dualwrite/dualwrite/store"
)

// errMessage says that a message of the log is not as the protocol has it.
var errMessage = errors.New("message of the log is malformed")

// message is the unread rest of a message of pgoutput, version 1. Its methods read from its front; after one has run
// over the end, bad is set and they return zeros.
type message struct {
	data []byte
	text string // the same bytes: values are parts of it, so that a message costs one allocation
	bad  bool
}

func newMessage(data []byte) *message { return &message{data: data, text: string(data)} }

func (m *message) skip(n int) {
	if n < 0 || n > len(m.data) {
		m.bad = true
		m.data, m.text = nil, ""
		return
	}
	m.data, m.text = m.data[n:], m.text[n:]
}

func (m *message) byte() byte {
	if len(m.data) == 0 {
		m.bad = true
		return 0
	}
	b := m.data[0]
	m.skip(1)
	return b
}

func (m *message) uint16() int {
	if len(m.data) < 2 {
		m.bad = true
		return 0
	}
	n := binary.BigEndian.Uint16(m.data)
	m.skip(2)
	return int(n)
}

func (m *message) uint32() uint32 {
	if len(m.data) < 4 {
		m.bad = true
		return 0
	}
	n := binary.BigEndian.Uint32(m.data)
	m.skip(4)
	return n
}

func (m *message) uint64() uint64 {
	return uint64(m.uint32())<<32 | uint64(m.uint32())
}

// string reads up to a zero byte.
func (m *message) string() string {
	for i, b := range m.data {
		if b == 0 {
			s := m.text[:i]
			m.skip(i + 1)
			return s
		}
	}
	m.bad = true
	return ""
}

// begin is the first message of a transaction.
type begin struct {
	lsn  pglogrepl.LSN // of its commit record
	atMs int64
	xid  uint32
}

// epochMs is 2000-01-01 in Unix milliseconds.
var epochMs = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()

func (m *message) begin() begin {
	b := begin{lsn: pglogrepl.LSN(m.uint64())}
	b.atMs = epochMs + int64(m.uint64())/1000
	b.xid = m.uint32()
	return b
}

// relationColumn is a column of a relation message.
type relationColumn struct {
	name string
	typ  uint32
	mod  int32
}

// relationMessage says how the tuples that follow are made.
type relationMessage struct {
	relid    uint32
	schema   string
	name     string
	identity byte
	columns  []relationColumn
}

func (m *message) relation() relationMessage {
	r := relationMessage{relid: m.uint32(), schema: m.string(), name: m.string(), identity: m.byte()}
	for n := m.uint16(); n > 0 && !m.bad; n-- {
		m.byte() // part of the key
		r.columns = append(r.columns, relationColumn{m.string(), m.uint32(), int32(m.uint32())})
	}
	return r
}

// tuple reads the values of a row: those that shape wants, at their places in out. Of a value that was not sent because
// it has not changed, before's is taken; it is an error where there is none.
func (m *message) tuple(s *shape, out, before store.Row) error {
	n := m.uint16()
	for i := range n {
		if m.bad {
			return errMessage
		}
		kind := m.byte()
		place := -1
		if i < len(s.place) {
			place = s.place[i]
		}
		switch kind {
		case 'n':
			continue // null is the zero value
		case 'u':
			if place < 0 {
				continue
			}
			if before == nil {
				return errUnchanged
			}
			out[place] = before[place]
			continue
		case 't':
		default:
			return errMessage
		}
		size := int(m.uint32())
		if size < 0 || size > len(m.data) {
			return errMessage
		}
		text := m.text[:size]
		m.skip(size)
		if place < 0 {
			continue
		}
		v, err := s.types[place].read(text)
		if err != nil {
			return fmt.Errorf("read column %s: %w", s.names[place], err)
		}
		out[place] = v
	}
	if m.bad {
		return errMessage
	}
	return nil
}

// errUnchanged says that a value is neither in the new row nor in the old one.
var errUnchanged = errors.New("value has not been sent")

// shape tells what of a tuple goes where.
type shape struct {
	names []string // of the row
	types []pgType // by place in the row
	place []int    // by place in the tuple: place in the row; -1: not wanted
}
