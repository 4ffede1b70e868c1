package postgres

import (
	"strings"
	"testing"

	"github.com/dualwrite/dualwrite/store"
)

// FuzzMessage: whatever a server sends, decoding it ends, with a value or an error, and takes no more memory than the
// message is long.
func FuzzMessage(f *testing.F) {
	f.Add([]byte("\x00\x00\x40\x00public\x00items\x00f\x00\x02\x01id\x00\x00\x00\x00\x17\xff\xff\xff\xff\x00v\x00\x00\x00\x00\x19\xff\xff\xff\xff"))
	f.Add([]byte("\x00\x03t\x00\x00\x00\x0217un"))
	f.Add([]byte("\x00\x02t\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		newMessage(data).begin()
		if r := newMessage(data).relation(); len(r.columns) > len(data) {
			t.Errorf("%d columns of %d bytes", len(r.columns), len(data))
		}
		for _, kind := range []store.Kind{store.Integer, store.Real, store.Text, store.Blob, store.Bool, store.Numeric} {
			s := shape{names: []string{"a", "b"}, types: []pgType{{kind: kind}, {kind: store.Text}}, place: []int{1, -1, 0}}
			out := make(store.Row, 2)
			if newMessage(data).tuple(&s, out, nil) == nil && len(out[1].S) > len(data) {
				t.Errorf("%d bytes of %d", len(out[1].S), len(data))
			}
		}
	})
}

// FuzzBlockKeys does the same for rows of a binary COPY.
func FuzzBlockKeys(f *testing.F) {
	f.Add([]byte("\x00\x02\x00\x00\x00\x04\x00\x00\x00\x01\x00\x00\x00\x01a"), 17)
	f.Fuzz(func(_ *testing.T, data []byte, end int) {
		if end < 0 || end > len(data) {
			end = len(data)
		}
		for _, kind := range []string{"int4", "text", "uuid"} {
			b := &block{key: []string{kind, "int8"}, pieces: []piece{{data: data, ends: []int{end, len(data)}}}}
			_, _ = b.Keys() // an error is as good as a key
		}
	})
}

// FuzzQuote: a quoted name is one name, and the one it was made of.
func FuzzQuote(f *testing.F) {
	for _, name := range []string{"items", `x"; DROP TABLE y; --`, `"`, `""`, "a\\", "'", "ü\u202e", "$$"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		const mark = `"`
		quoted := quote(name)
		inner := strings.TrimSuffix(strings.TrimPrefix(quoted, mark), mark)
		if len(quoted) != len(inner)+2 || strings.Contains(strings.ReplaceAll(inner, mark+mark, ""), mark) || strings.ReplaceAll(inner, mark+mark, mark) != name {
			t.Errorf("%q is quoted as %s", name, quoted)
		}
	})
}
