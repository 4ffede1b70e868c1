package memory

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

// above follows every key that begins with what stands before it.
const above = "\xff"

// encode writes values so that the bytes of two rows compare as the rows do: value by value, numbers by size, all else
// bytewise. Different values have different bytes.
func encode(values ...store.Value) string {
	b := make([]byte, 0, 48)
	for _, v := range values {
		b = appendKey(b, v)
	}
	return string(b)
}

// encodeAt encodes some columns of a row.
func encodeAt(row store.Row, columns []int) string {
	b := make([]byte, 0, 48)
	for _, c := range columns {
		b = appendKey(b, row[c])
	}
	return string(b)
}

func appendKey(b []byte, v store.Value) []byte {
	b = append(b, 'a'+byte(v.Kind))
	switch v.Kind {
	case store.Null:
		return b
	case store.Integer:
		if n, err := strconv.ParseInt(v.S, 10, 64); err == nil {
			return binary.BigEndian.AppendUint64(b, uint64(n)^1<<63)
		}
	case store.Real:
		if f, err := strconv.ParseFloat(v.S, 64); err == nil {
			bits := math.Float64bits(f)
			if bits>>63 == 1 {
				return binary.BigEndian.AppendUint64(b, ^bits)
			}
			return binary.BigEndian.AppendUint64(b, bits|1<<63)
		}
	}
	if strings.IndexByte(v.S, 0) < 0 {
		b = append(b, v.S...)
	} else {
		for i := range len(v.S) {
			if b = append(b, v.S[i]); v.S[i] == 0 {
				b = append(b, 0xff)
			}
		}
	}
	return append(b, 0, 1)
}

// compare orders values: numbers of one kind by size, all else bytewise.
func compare(a, b store.Value) int {
	if a.Kind == store.Integer && b.Kind == store.Integer {
		return compareIntegers(a.S, b.S)
	}
	if a.Kind == store.Real && b.Kind == store.Real {
		return strings.Compare(encode(a), encode(b))
	}
	if a.Kind != b.Kind {
		return int(a.Kind) - int(b.Kind)
	}
	return strings.Compare(a.S, b.S)
}

func compareIntegers(a, b string) int {
	negative := strings.HasPrefix(a, "-")
	if other := strings.HasPrefix(b, "-"); negative != other {
		if negative {
			return -1
		}
		return 1
	}
	c := len(a) - len(b)
	if c == 0 {
		c = strings.Compare(a, b)
	}
	if negative {
		return -c
	}
	return c
}
