package store_test

import (
	"testing"

	"github.com/dualwrite/dualwrite/store"
)

// FuzzDecodeRow: what is no row in the ledger is refused, and a row is written as it was read.
func FuzzDecodeRow(f *testing.F) {
	for _, text := range []string{"", "d1:x", "a0:d2:ab", "d99:x", "d-1:", "z1:x", "d1x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		row, err := store.DecodeRow(text)
		if err != nil {
			return
		}
		again, err := store.DecodeRow(store.EncodeRow(row))
		if err != nil || len(again) != len(row) {
			t.Fatalf("%q: %v is read again as %v, %v", text, row, again, err)
		}
		for i := range row {
			if again[i] != row[i] {
				t.Errorf("%q: value %d is %v, read again %v", text, i+1, row[i], again[i])
			}
		}
	})
}
