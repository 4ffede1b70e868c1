package store_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
)

// A text or real becomes a numeric without losing a digit.
func TestConvertToNumeric(t *testing.T) {
	t.Parallel()
	strict := store.Type{Name: "numeric", Kind: store.Numeric, Strict: true}
	for text, want := range map[string]string{"0": "0", "-0.00": "0", "1.50": "1.5", "007": "7", "+3": "3", ".5": "0.5", "5.": "5",
		"123456789012345678901234567890.123456789": "123456789012345678901234567890.123456789", "1e30": "1" + strings.Repeat("0", 30),
		"-1.25E-3": "-0.00125", "12.5e1": "125", "0e9": "0", "NaN": "NaN", "infinity": "Infinity", "-Inf": "-Infinity", " 1 ": "1"} {
		got, err := store.Convert(store.Str(text), strict)
		require.NoError(t, err, text)
		require.Equal(t, store.Value{Kind: store.Numeric, S: want}, got, text)
	}
	for _, text := range []string{"", ".", "-", "1e", "e5", "1.2.3", "0x10", "1_000", "twelve", "1e999999999", "--1", "+-1"} {
		_, err := store.Convert(store.Str(text), strict)
		require.Error(t, err, text)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 10_000 {
		f := (r.Float64() - 0.5) * float64(r.Uint64()>>r.IntN(64))
		got, err := store.Convert(store.Float(f), strict)
		require.NoError(t, err)
		want := strconv.FormatFloat(f, 'f', -1, 64)
		if f == 0 {
			want = "0"
		}
		require.Equal(t, want, got.S, fmt.Sprint(f))
	}
}

// A column that is not strict makes an integer or a real of a numeric, as SQLite does, and takes none that a real would round.
func TestConvertNumericLoosely(t *testing.T) {
	t.Parallel()
	numeric := func(s string) store.Value { return store.Value{Kind: store.Numeric, S: s} }
	for _, kind := range []store.Kind{store.Numeric, store.Integer} {
		loose, strict := store.Type{Name: "DECIMAL", Kind: kind}, store.Type{Name: "numeric", Kind: store.Numeric, Strict: true}
		for s, want := range map[string]store.Value{"5": store.Int(5), "-9223372036854775808": store.Int(math.MinInt64), "0.1": store.Float(0.1),
			"-12.5": store.Float(-12.5), "100000000000000000000": store.Float(1e20), "NaN": store.Str("NaN"), "-Infinity": store.Str("-Infinity")} {
			require.False(t, loose.Keeps(numeric(s)))
			got, err := store.Convert(numeric(s), loose)
			require.NoError(t, err, s)
			require.Equal(t, want, got)
			back, err := store.Convert(got, strict)
			require.NoError(t, err, s)
			require.Equal(t, numeric(s), back)
		}
		for _, s := range []string{"0.1234567890123456789", "12345678901234567890.5", "9223372036854775809"} {
			_, err := store.Convert(numeric(s), loose)
			require.Error(t, err, s)
		}
	}
	date, err := store.Convert(store.Value{Kind: store.Date, S: "2024-02-29"}, store.Type{Name: "DATE", Kind: store.Numeric})
	require.NoError(t, err)
	require.Equal(t, store.Str("2024-02-29"), date)
	require.True(t, store.Type{Name: "REAL", Kind: store.Real}.Keeps(store.Float(1)))
	got, err := store.Convert(store.Value{Kind: store.Real, S: "NaN"}, store.Type{Name: "REAL", Kind: store.Real})
	require.NoError(t, err)
	require.Equal(t, store.Str("NaN"), got)
}

// What is no number, and the infinities, come back from a column of texts.
func TestConvertOddReals(t *testing.T) {
	t.Parallel()
	text := store.Type{Name: "text", Kind: store.Text}
	strict := store.Type{Name: "double precision", Kind: store.Real, Strict: true}
	for _, s := range []string{"NaN", "+Inf", "-Inf", "1", "-2.5", "1e+21", "5e-324"} {
		v := store.Value{Kind: store.Real, S: s}
		there, err := store.Convert(v, text)
		require.NoError(t, err)
		back, err := store.Convert(there, strict)
		require.NoError(t, err, there.S)
		require.Equal(t, v, back)
	}
	loose := store.Str("NaN")
	got, err := store.Convert(loose, store.Type{Name: "REAL", Kind: store.Real})
	require.NoError(t, err)
	require.Equal(t, loose, got, "SQLite keeps it as a text")
}
