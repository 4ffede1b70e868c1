package replication

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

// fits says how values of one type get on in a column of another.
type fits int

const (
	fitsExactly  fits = iota
	fitsNarrowly      // some values are refused, or stored as they are where the column allows that
	fitsLossily       // some values are changed by the database
	fitsNever
)

// fit compares two types.
func fit(from, to store.Type) fits {
	if looseTime(to) && (from.Kind == store.Text || from.Kind >= store.Date) {
		return fitsExactly
	}
	if looseTime(from) {
		from.Kind = store.Null
	}
	if to.Kind == store.Null || from.Kind == to.Kind {
		return fitSize(from, to)
	}
	if from.Kind == store.Null {
		return fitsNarrowly
	}
	strict := to
	strict.Strict = true
	samples := samplesOf(from.Kind)
	refused := 0
	for _, s := range samples {
		if _, err := store.Convert(store.Value{Kind: from.Kind, S: s}, strict); err != nil {
			refused++
		}
	}
	switch {
	case refused == len(samples):
		return fitsNever
	case refused > 0:
		return fitsNarrowly
	case to.Kind == store.Text:
		return fitSize(store.Type{Kind: store.Text}, to)
	case from.Kind == store.Text, to.Kind == store.Bool:
		return fitsNarrowly
	case from.Kind == store.Numeric && to.Kind == store.Real:
		return fitsLossily
	case from.Kind == store.Integer && to.Kind == store.Numeric && sizeOf(to).length > 0:
		return fitsNarrowly
	case from.Kind == store.Real && to.Kind == store.Numeric:
		return fitSize(store.Type{Kind: store.Numeric}, to)
	}
	return fitsExactly
}

// looseTime reports whether a column is declared as a date or a time in SQLite, which stores whatever the application gives it.
func looseTime(t store.Type) bool {
	name := strings.ToUpper(t.Name)
	return !t.Strict && t.Kind == store.Numeric && (strings.HasPrefix(name, "DATE") || strings.HasPrefix(name, "TIME"))
}

// samplesOf are texts of values of a kind, common and extreme ones.
func samplesOf(k store.Kind) []string {
	switch k {
	case store.Integer:
		return []string{"0", "1", "7", "9007199254740993"}
	case store.Real, store.Numeric:
		return []string{"1", "0.1", "1e300"}
	case store.Bool:
		return []string{"true", "false"}
	case store.Text:
		return []string{"1", "true", "2024-01-02", "x"}
	case store.Date:
		return []string{"2024-01-02"}
	}
	return []string{"x"}
}

// sized is what the name of a type says about its size. 0: no limit.
type sized struct {
	length int // of texts and blobs; digits of numerics
	scale  int // digits of seconds or of fractions
	fixed  bool
	bits   int
}

// fitSize compares types of one kind by their names. Only databases that enforce types take their sizes seriously.
func fitSize(from, to store.Type) fits {
	f, t := sizeOf(from), sizeOf(to)
	if !to.Strict {
		if to.Kind == store.Numeric && from.Strict && (f.length == 0 || f.length > realDigits) {
			return fitsNarrowly // it becomes a real
		}
		return fitsExactly
	}
	switch to.Kind {
	case store.Integer:
		if t.bits < f.bits {
			return fitsNarrowly
		}
	case store.Real:
		if t.bits < f.bits {
			return fitsLossily
		}
	case store.Text, store.Blob:
		if rewrites(from, to) {
			return fitsNarrowly
		}
		return fitLength(f, t)
	case store.Numeric:
		return fitDigits(f, t)
	case store.Time, store.Timestamp, store.TimestampTZ:
		if t.scale < f.scale {
			return fitsLossily
		}
	}
	return fitsExactly
}

// realDigits is how many digits of a decimal a real keeps.
const realDigits = 15

// plainTexts are the types that keep a text as it is written, or refuse it.
var plainTexts = regexp.MustCompile(`^([a-z0-9_]+\.)?("char"|(name|citext|json|text|character varying|varchar|character|char|bpchar)\b)`)

// rewrites reports whether the database of the second type may write a value of the first in its own way: another form of the same
// date, say, or of the same list.
func rewrites(from, to store.Type) bool {
	if !to.Strict || from.Kind != store.Text && from.Kind != store.Null && !looseTime(from) || from.Name == to.Name {
		return false
	}
	return to.Kind >= store.Date || to.Kind == store.Text && to.Name == strings.ToLower(to.Name) && !plainTexts.MatchString(to.Name)
}

// forms are how databases write values of these kinds, as the stores read them.
var forms = map[store.Kind]*regexp.Regexp{
	store.Date:        regexp.MustCompile(`^(\d{4,}-\d\d-\d\d( BC)?|-?infinity)$`),
	store.Time:        regexp.MustCompile(`^\d\d:\d\d:\d\d(\.\d*[1-9])?$`),
	store.Timestamp:   regexp.MustCompile(`^(\d{4,}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d*[1-9])?( BC)?|-?infinity)$`),
	store.TimestampTZ: regexp.MustCompile(`^(\d{4,}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d*[1-9])?Z( BC)?|-?infinity)$`),
	store.UUID:        regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`),
}

// written reports whether a value that was a text is written as the database writes it.
func written(v store.Value) bool {
	form := forms[v.Kind]
	return form == nil || form.MatchString(v.S)
}

func fitLength(f, t sized) fits {
	switch {
	case t.fixed && !f.fixed:
		return fitsLossily // padded
	case t.length > 0 && (f.length == 0 || f.length > t.length):
		return fitsNarrowly
	}
	return fitsExactly
}

func fitDigits(f, t sized) fits {
	switch {
	case t.length == 0:
		return fitsExactly
	case f.length == 0 || f.scale > t.scale:
		return fitsLossily
	case f.length-f.scale > t.length-t.scale:
		return fitsNarrowly
	}
	return fitsExactly
}

// sizeOf reads the size out of a type's name, as the catalogs of PostgreSQL and MariaDB spell it: in lower case. A name
// in upper case, or of a type that is not enforced, is SQLite's, which limits nothing but what 64 bits hold.
func sizeOf(t store.Type) sized {
	name := strings.ToLower(t.Name)
	if !t.Strict || name != t.Name {
		return sized{bits: 64, scale: math.MaxInt8}
	}
	word := regexp.MustCompile(`^[a-z]+[a-z0-9]*`).FindString(name)
	numbers := regexp.MustCompile(`\((\d+)(?:,\s*(\d+))?\)`).FindStringSubmatch(name)
	var out sized
	first, second := -1, 0
	if numbers != nil {
		first, _ = strconv.Atoi(numbers[1])
		second, _ = strconv.Atoi(numbers[2])
	}
	switch t.Kind {
	case store.Integer:
		out.bits = integerBits(word, name)
	case store.Real:
		out.bits = 64
		if word == "float4" || word == "float" || word == "real" {
			out.bits = 32
		}
	case store.Text, store.Blob:
		out.fixed = word == "char" || word == "bpchar" || (word == "character" && !strings.Contains(name, "varying")) || word == "binary"
		out.length = max(first, 0)
	case store.Numeric:
		out.length, out.scale = max(first, 0), second
	case store.Time, store.Timestamp, store.TimestampTZ:
		out.scale = secondDigits(word, first)
	}
	return out
}

func integerBits(word, name string) int {
	bits := 64
	switch word {
	case "tinyint":
		bits = 8
	case "smallint", "int2", "smallserial":
		bits = 16
	case "mediumint":
		bits = 24
	case "int", "int4", "integer", "serial":
		bits = 32
	}
	if strings.Contains(name, "unsigned") {
		bits++
	}
	return bits
}

// secondDigits: PostgreSQL keeps six where none are named, MariaDB (whose word for it is datetime) none.
func secondDigits(word string, named int) int {
	switch {
	case named >= 0:
		return named
	case word == "datetime":
		return 0
	}
	return 6
}
