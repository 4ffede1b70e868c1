package memory

import (
	"iter"
	"slices"
	"sort"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

// chunkSize bounds what one write copies.
const chunkSize = 16

// entry is a row under its primary key, or, in a unique index, a reference to one.
type entry struct {
	key string
	row store.Row // never modified
	ref string    // the primary key, in a unique index
}

// tree is a sorted map that is cheap to copy. A copy shares its chunks with the original; whoever writes copies those
// that are not of its own generation first.
type tree struct {
	chunks []*chunk
	gen    uint64 // of the slice chunks
	n      int
}

type chunk struct {
	gen     uint64
	entries []entry // never empty
}

// locate finds the place of a key: where it is, or where it belongs.
func (t *tree) locate(key string) (c, e int, found bool) {
	c = sort.Search(len(t.chunks), func(i int) bool { return t.chunks[i].entries[0].key > key }) - 1
	if c < 0 {
		return 0, 0, false
	}
	e, found = slices.BinarySearchFunc(t.chunks[c].entries, key, func(e entry, k string) int { return strings.Compare(e.key, k) })
	return c, e, found
}

func (t *tree) get(key string) (entry, bool) {
	c, e, found := t.locate(key)
	if !found {
		return entry{}, false
	}
	return t.chunks[c].entries[e], true
}

// put inserts or replaces an entry.
func (t *tree) put(gen uint64, e entry) {
	c, at, found := t.locate(e.key)
	if len(t.chunks) == 0 {
		t.own(gen)
		t.chunks = append(t.chunks, &chunk{gen: gen, entries: make([]entry, 0, 4)})
	}
	entries := t.ownChunk(gen, c)
	if found {
		entries.entries[at] = e
		return
	}
	entries.entries = slices.Insert(entries.entries, at, e)
	t.n++
	if len(entries.entries) > chunkSize {
		t.split(gen, c)
	}
}

func (t *tree) split(gen uint64, c int) {
	t.own(gen)
	full := t.chunks[c]
	half := len(full.entries) / 2
	if c == len(t.chunks)-1 {
		half = len(full.entries) - 1 // keys that ascend leave full chunks behind
	}
	upper := &chunk{gen: gen, entries: append(make([]entry, 0, chunkSize+1), full.entries[half:]...)}
	clear(full.entries[half:])
	full.entries = full.entries[:half]
	t.chunks = slices.Insert(t.chunks, c+1, upper)
}

// remove deletes an entry if it is there.
func (t *tree) remove(gen uint64, key string) {
	c, at, found := t.locate(key)
	if !found {
		return
	}
	t.n--
	if len(t.chunks[c].entries) == 1 {
		t.own(gen)
		t.chunks = slices.Delete(t.chunks, c, c+1)
		return
	}
	own := t.ownChunk(gen, c)
	own.entries = slices.Delete(own.entries, at, at+1)
}

func (t *tree) own(gen uint64) {
	if t.gen != gen {
		t.chunks = append(make([]*chunk, 0, len(t.chunks)+1), t.chunks...)
		t.gen = gen
	}
}

func (t *tree) ownChunk(gen uint64, c int) *chunk {
	old := t.chunks[c]
	if old.gen == gen {
		return old
	}
	t.own(gen)
	fresh := &chunk{gen: gen, entries: append(make([]entry, 0, len(old.entries)+1), old.entries...)}
	t.chunks[c] = fresh
	return fresh
}

// from yields the entries whose key is at least the one given, in order. The tree must not be written meanwhile.
func (t *tree) from(key string) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		c, e, _ := t.locate(key)
		for ; c < len(t.chunks); c, e = c+1, 0 {
			entries := t.chunks[c].entries
			for ; e < len(entries); e++ {
				if !yield(&entries[e]) {
					return
				}
			}
		}
	}
}

// before returns the last entry whose key is below the one given.
func (t *tree) before(key string) (entry, bool) {
	c, e, _ := t.locate(key)
	if e > 0 {
		return t.chunks[c].entries[e-1], true
	}
	if c > 0 {
		last := t.chunks[c-1].entries
		return last[len(last)-1], true
	}
	return entry{}, false
}
