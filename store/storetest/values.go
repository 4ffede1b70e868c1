package storetest

import (
	"math"
	"slices"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

func valueTests() []testCase {
	cases := []testCase{
		{"an empty text, an empty blob and null are three values", valuesEmpty},
		{"a negative zero is equal to what it is read back as", valuesNegativeZero},
		{"a text may hold the character NUL", valuesNul},
		{"text keys are told apart bytewise", valuesKeys},
	}
	for _, s := range samples() {
		cases = append(cases, testCase{"every " + s.kind.String() + " comes back as it was written", s.check})
	}
	return cases
}

// sample is values of one kind.
type sample struct {
	kind   store.Kind
	values []string
}

func samples() []sample {
	text := make([]string, 0, 16)
	for _, f := range []float64{0, 1, -1, 0.1, 1.0 / 3, 1e15, 1e21, 1e-7, 1e100, math.MaxFloat64, math.SmallestNonzeroFloat64, 1 << 53, -2.5, 123456789.125} {
		text = append(text, store.Float(f).S)
	}
	return []sample{
		{store.Integer, []string{"0", "1", "-1", "9223372036854775807", "-9223372036854775808", "9007199254740993", "4294967296"}},
		{store.Real, text},
		{store.Text, []string{"", " ", "a ", "NULL", "null", "0", "1e5", "it's", `"q" \ %_`, "tab\tnew\nline\r\n", "ünï©ødé", "e\u0301",
			"日本語", "😀👩‍👩‍👧", "\u202eabc", "\ufeffbom", "--;drop", strings.Repeat("long ", 200_000)}},
		{store.Blob, []string{"", "\x00", "\x00\x00a\x00", "\xff\xfe", "text", "'", strings.Repeat("\x00\xff", 512<<10)}},
		{store.Numeric, []string{"0", "1", "-1", "0.1", "12345678.9", "-0.5"}},
		{store.Bool, []string{"true", "false"}},
		{store.Date, []string{"2024-02-29", "1970-01-01", "0001-01-01", "9999-12-31"}},
		{store.Time, []string{"00:00:00", "23:59:59"}},
		{store.Timestamp, []string{"2024-02-29 23:59:59", "1999-12-31 00:00:00"}},
		{store.TimestampTZ, []string{"2024-02-29 23:59:59Z"}},
		{store.UUID, []string{"00000000-0000-0000-0000-000000000000", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"}},
		{store.JSON, []string{"{}", "[]", "null", `"x"`, `{"a": [1, 2, {"b": null}]}`}},
	}
}

// valueTable is a table with one column of the kind.
func (b *bundle) valueTable(kind store.Kind) *store.Relation {
	b.Helper()
	b.create(Table{Name: "vals", Key: []string{"id"}, Columns: []Column{
		{Name: "id", Kind: store.Integer, NotNull: true}, {Name: "v", Kind: kind}}})
	rel := b.relation("vals", 1, "id", "v")
	b.capture(rel)
	b.follow("")
	return rel
}

// check writes each value as a user and as ours, and reads it from the log, by a scan, by its key and as a guard.
func (s sample) check(b *bundle) {
	if !slices.Contains(b.Features.Kinds, s.kind) {
		return
	}
	rel := b.valueTable(s.kind)
	for i, text := range s.values {
		r := row(num(int64(i)), store.Value{Kind: s.kind, S: text})
		other := row(num(int64(1000+i)), r[1])
		b.user(insert("vals", Values{"id": r[0], "v": r[1]}))
		b.apply(upsert(rel, other))
		got := b.project(b.changes(), rel)
		b.want("changes", len(got), 2)
		b.same("written by a user", got[0].After, r)
		b.same("written by us", got[1].After, other)
		rows, err := b.view().Lookup(b.ctx, rel, []store.Row{rel.KeyOf(r), rel.KeyOf(other)})
		b.must(err)
		b.same("read", rows[0], r)
		b.same("read", rows[1], other)
		outcomes := b.apply(upsert(rel, r), expect(rel, r, row(r[0], null)), expect(rel, other, nil))
		b.want("outcomes", []store.Outcome{outcomes[0].Outcome, outcomes[1].Outcome, outcomes[2].Outcome},
			[]store.Outcome{store.Unchanged, store.Applied, store.Applied})
		b.changes()
	}
	b.want("rows", len(b.rows(rel)), len(s.values))
}

// same compares rows without printing megabytes.
func (b *bundle) same(what string, got, want store.Row) {
	b.Helper()
	if !got.Equal(want) {
		b.Fatalf("%s: got %s, want %s", what, short(got), short(want))
	}
}

func short(r store.Row) string {
	var s strings.Builder
	for _, v := range r {
		text := v.S
		if len(text) > 60 {
			text = text[:60] + "…"
		}
		s.WriteString(v.Kind.String() + " " + text + "; ")
	}
	return s.String()
}

func valuesEmpty(b *bundle) {
	b.create(Table{Name: "vals", Key: []string{"id"}, Columns: []Column{
		{Name: "id", Kind: store.Integer, NotNull: true}, {Name: "t", Kind: store.Text}, {Name: "d", Kind: store.Blob}}})
	rel := b.relation("vals", 1, "id", "t", "d")
	b.capture(rel)
	b.follow("")
	full, empty := row(num(1), str(""), store.Bytes(nil)), row(num(1), null, null)
	b.user(insert("vals", Values{"id": num(1), "t": str(""), "d": store.Bytes(nil)}))
	b.wantRows("rows", b.rows(rel), full)
	results := b.apply(expect(rel, empty, full), expect(rel, full, empty), expect(rel, full, full))
	b.want("outcomes", []store.Outcome{results[0].Outcome, results[1].Outcome, results[2].Outcome},
		[]store.Outcome{store.Refused, store.Applied, store.Refused})
	b.wantChanges(b.changes(), rel, seen{Op: store.Insert, After: full}, seen{Op: store.Update, Before: full, After: empty})
}

func valuesNegativeZero(b *bundle) {
	rel := b.valueTable(store.Real)
	zero := store.Float(math.Copysign(0, -1))
	b.user(insert("vals", Values{"id": num(1), "v": zero}))
	b.apply(upsert(rel, row(num(2), zero)))
	for i, r := range b.rows(rel) {
		if r[1].Kind != store.Real || r[1].Float64() != 0 {
			b.Fatalf("row %d: got %v", i, r)
		}
		b.want("outcome", b.apply(expect(rel, r, r))[0].Outcome, store.Unchanged)
		b.want("outcome", b.apply(expect(rel, r, nil))[0].Outcome, store.Applied)
	}
}

func valuesNul(b *bundle) {
	if !b.Features.NulText {
		return
	}
	s := sample{store.Text, []string{"\x00", "a\x00b", "a\x00"}}
	s.check(b)
}

func valuesKeys(b *bundle) {
	b.create(Table{Name: "words", Key: []string{"w"}, Columns: []Column{
		{Name: "w", Kind: store.Text, NotNull: true}, {Name: "v", Kind: store.Integer}}})
	rel := b.relation("words", 1, "w", "v")
	b.capture(rel)
	words := []string{"a", "A", "a ", "ä", "a\u0308", "", "á", strings.Repeat("k", 400)}
	var writes []store.Write
	var keys []store.Row
	for i, w := range words {
		writes = append(writes, expect(rel, nil, row(str(w), num(int64(i)))))
		keys = append(keys, row(str(w)))
	}
	for i, r := range b.apply(writes...) {
		b.want("outcome of "+words[i], r.Outcome, store.Applied)
	}
	found, err := b.view().Lookup(b.ctx, rel, keys)
	b.must(err)
	for i, r := range found {
		b.same("word", r, writes[i].After)
	}
	b.want("rows", len(b.walk(rel, 3)), len(words))
}
