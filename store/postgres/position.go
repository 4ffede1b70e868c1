package postgres

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pglogrepl"

	"github.com/dualwrite/dualwrite/store"
)

// place is a position, read: the commit record of a transaction, the number of a change in it, and whether that is the
// last one. "" is before everything.
type place struct {
	lsn  pglogrepl.LSN
	n    uint32
	last bool
}

const lastMark = "."

func (p place) position() store.Position {
	end := ""
	if p.last {
		end = lastMark
	}
	return store.Position(hex16(uint64(p.lsn)) + "-" + hex16(uint64(p.n))[8:] + end)
}

func hex16(n uint64) string {
	const digits = "0123456789ABCDEF"
	var out [16]byte
	for i := len(out) - 1; i >= 0; i-- {
		out[i] = digits[n&15]
		n >>= 4
	}
	return string(out[:])
}

// parse reads a position.
func parse(p store.Position) (place, error) {
	if p == "" {
		return place{}, nil
	}
	text, last := strings.CutSuffix(string(p), lastMark)
	head, tail, ok := strings.Cut(text, "-")
	lsn, lsnErr := strconv.ParseUint(head, 16, 64)
	n, nErr := strconv.ParseUint(tail, 16, 32)
	if !ok || len(head) != 16 || lsnErr != nil || nErr != nil {
		return place{}, fmt.Errorf("%q is no position of this log", string(p))
	}
	return place{pglogrepl.LSN(lsn), uint32(n), last}, nil
}

// flush is up to where the server may forget when everything up to the place is confirmed: a transaction is sent again
// unless the place is at its end.
func (p place) flush() pglogrepl.LSN {
	if p.last {
		return p.lsn + 1
	}
	return p.lsn
}

// at is the place before any change that commits at or after an LSN.
func at(lsn pglogrepl.LSN) place { return place{lsn: lsn} }
