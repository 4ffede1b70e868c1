package memory

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dualwrite/dualwrite/store"
)

// TestTreeAgainstMap writes at random to a tree and to a map and takes copies on the way: the tree must stay equal to
// the map, and no copy may change afterwards.
func TestTreeAgainstMap(t *testing.T) {
	t.Parallel()
	type copied struct {
		tree tree
		want []entry
	}
	for seed := range uint64(30) {
		lots := rand.New(rand.NewPCG(seed, 1))
		var tr tree
		gen := uint64(1)
		model := make(map[string]string)
		var copies []copied
		for range 2000 {
			key := strconv.Itoa(lots.IntN(300))
			switch n := lots.IntN(100); {
			case n < 55:
				ref := strconv.Itoa(lots.Int())
				tr.put(gen, entry{key: key, ref: ref})
				model[key] = ref
			case n < 98:
				tr.remove(gen, key)
				delete(model, key)
			default:
				copies = append(copies, copied{tr, sorted(model)})
				gen++
			}
		}
		copies = append(copies, copied{tr, sorted(model)})
		for i, c := range copies {
			checkTree(t, &c.tree, c.want, lots)
			if t.Failed() {
				t.Fatalf("seed %d, copy %d", seed, i)
			}
		}
	}
}

func sorted(model map[string]string) []entry {
	var out []entry
	for k, v := range model {
		out = append(out, entry{key: k, ref: v})
	}
	slices.SortFunc(out, func(a, b entry) int { return cmp.Compare(a.key, b.key) })
	return out
}

func checkTree(t *testing.T, tr *tree, want []entry, lots *rand.Rand) {
	t.Helper()
	from := strconv.Itoa(lots.IntN(300))
	var got []entry
	for e := range tr.from(from) {
		got = append(got, *e)
	}
	at, _ := slices.BinarySearchFunc(want, from, func(e entry, k string) int { return cmp.Compare(e.key, k) })
	same := func(a, b entry) bool { return a.key == b.key && a.ref == b.ref }
	if !slices.EqualFunc(got, want[at:], same) || tr.n != len(want) {
		t.Errorf("from %s: got %d entries of %d, want %d of %d", from, len(got), tr.n, len(want)-at, len(want))
	}
	last, found := tr.before(from)
	if found != (at > 0) || (found && !same(last, want[at-1])) {
		t.Errorf("before %s: got %v, %v", from, last, found)
	}
	for _, e := range want {
		if have, found := tr.get(e.key); !found || !same(have, e) {
			t.Errorf("get %s: got %v, %v", e.key, have, found)
		}
	}
}

// TestKeysSortAsRows checks the order of encoded rows, and that no two share their bytes.
func TestKeysSortAsRows(t *testing.T) {
	t.Parallel()
	rows := []store.Row{
		{{}},
		{store.Int(-9223372036854775808)}, {store.Int(-10)}, {store.Int(-9)}, {store.Int(0)}, {store.Int(9)}, {store.Int(10)},
		{store.Int(10), store.Str("")}, {store.Int(10), store.Str("\x00")}, {store.Int(10), store.Str("\x00\x01")},
		{store.Int(10), store.Str("\x00a")}, {store.Int(10), store.Str("a")}, {store.Int(10), store.Str("a"), store.Str("b")},
		{store.Int(10), store.Str("a\x00"), store.Str("")}, {store.Int(10), store.Str("ab")}, {store.Int(10), store.Str("b")},
		{store.Int(11)}, {store.Int(9223372036854775807)},
		{store.Float(-1e300)}, {store.Float(-1)}, {store.Float(-0.5)}, {store.Float(0)}, {store.Float(1e-300)}, {store.Float(2)}, {store.Float(10)},
		{store.Str("")}, {store.Str("A")}, {store.Str("a")}, {store.Str("a ")}, {store.Str("é")}, {store.Bytes([]byte{0xff, 0xff})},
	}
	for i := 1; i < len(rows); i++ {
		if a, b := encode(rows[i-1]...), encode(rows[i]...); strings.Compare(a, b) >= 0 {
			t.Errorf("row %d %v does not come before %v", i-1, rows[i-1], rows[i])
		}
		if len(rows[i]) == 1 && len(rows[i-1]) == 1 && compare(rows[i-1][0], rows[i][0]) >= 0 {
			t.Errorf("value %v is not less than %v", rows[i-1][0], rows[i][0])
		}
	}
}
