package sqlite

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

// digits is the length of an outbox sequence in a position. After it a position has the time of the entry, by which an
// entry of the same number in another history of the database (restored from a copy, or having lost its last
// transactions with the power) is told apart, and a count where one entry makes several changes.
const digits = 20

// place is a position, read.
type place struct {
	seq int64
	at  int64 // 0: not known
}

func position(seq, at int64) store.Position {
	number := strconv.FormatInt(seq, 10)
	return store.Position("00000000000000000000"[len(number):] + number + "-" + strconv.FormatInt(at, 10))
}

// plain is the position of an entry that is gone.
func plain(seq int64) store.Position { return store.Position(fmt.Sprintf("%020d", seq)) }

// behind is the n-th position after one and before the next entry's.
func behind(p store.Position, n int) store.Position {
	head, _, _ := strings.Cut(string(p), "+")
	return store.Position(fmt.Sprintf("%s+%06d", head, n))
}

func parse(p store.Position) (place, error) {
	if p == "" {
		return place{}, nil
	}
	bad := fmt.Errorf("%q is no position of this log", string(p))
	if len(p) < digits {
		return place{}, bad
	}
	seq, err := strconv.ParseInt(string(p[:digits]), 10, 64)
	if err != nil || seq < 0 {
		return place{}, bad
	}
	out := place{seq: seq}
	if rest, ok := strings.CutPrefix(string(p[digits:]), "-"); ok {
		rest, _, _ = strings.Cut(rest, "+")
		if out.at, err = strconv.ParseInt(rest, 10, 64); err != nil {
			return place{}, bad
		}
	} else if rest != "" && rest[0] != '+' {
		return place{}, bad
	}
	return out, nil
}
