package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/store"
)

func TestWorkGoesOnAfterTemporaryErrors(t *testing.T) {
	t.Parallel()
	built := 0
	script := &scriptedWork{errors: []error{nil, store.Transient(errSome), nil}}
	_, err := work(t.Context(), func() (*scriptedWork, error) { built++; return script, nil }, nil)
	if err != nil || built != 2 || script.taken != 4 {
		t.Errorf("got %v; built %d times, %d steps", err, built, script.taken)
	}
}

func TestWorkEndsWithOtherErrors(t *testing.T) {
	t.Parallel()
	script := &scriptedWork{errors: []error{store.ErrFenced}}
	_, err := work(t.Context(), func() (*scriptedWork, error) { return script, nil }, nil)
	if !errors.Is(err, store.ErrFenced) || script.taken != 1 {
		t.Errorf("got %v after %d steps", err, script.taken)
	}
}

func TestKeyOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]map[string]string{
		"a=1":          {"a": "1"},
		"a=1,b=x=y":    {"a": "1", "b": "x=y"},
		`a=x\,y, b=`:   {"a": "x,y", "b": ""},
		`a=C:\dir,b= `: {"a": `C:\dir`, "b": " "},
	} {
		got, err := keyOf(text)
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "a", "=1", "a=1,a=2"} {
		if _, err := keyOf(text); err == nil || explain(err).Exit != exitUsage {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

func TestCSVIsReadBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	failed(b)
	var out bytes.Buffer
	if err := writeCSV(&out, b.ledgers.failures); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&out).ReadAll()
	if err != nil || len(lines) != 3 {
		t.Fatalf("got %v, %v", lines, err)
	}
	if header := strings.Join(lines[0], " "); header != "id phase from to column code message attempts at accountnumber customeraccount values.code creditlimit name organizationname" {
		t.Errorf("header %s", header)
	}
	if lines[2][13] != b.ledgers.failures[1].Values["name"] || lines[1][12] != "10.50" {
		t.Errorf("values %q", lines[1:])
	}
}

func TestEveryErrorIsRead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ledgers.failures = make([]replication.RowFailure, 2*pageRows+1)
	for i := range b.ledgers.failures {
		b.ledgers.failures[i].ID = int64(i)
	}
	for _, q := range []replication.ErrorQuery{{}, {Limit: pageRows + 5}, {Offset: 3}, {Limit: 2 * pageRows, Offset: 10}} {
		rows, err := allErrors(t.Context(), b.ledgers, q)
		want := 2*pageRows + 1 - q.Offset
		if q.Limit > 0 {
			want = min(want, q.Limit)
		}
		if err != nil || len(rows) != want || rows[len(rows)-1].ID != int64(q.Offset+want-1) {
			t.Errorf("%+v: %d rows, %v", q, len(rows), err)
		}
	}
}

func TestProgressLines(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	now := moment()
	p := &progress{w: &out, style: progressLines, now: func() time.Time { return now }}
	show := func(status string, done int64, later time.Duration) {
		now = now.Add(later)
		p.show("customers", status, doing{What: "initial write", Done: done, Total: 10000})
	}
	show("Initializing", 0, 0)
	show("Initializing", 1000, time.Second) // too soon
	show("Initializing", 5000, 4*time.Second)
	show("Initializing", 5000, 6*time.Second)
	now = now.Add(time.Second)
	p.show("customers", "Running", doing{})
	want := "customers: Initializing, initial write 0 of 10,000\n" +
		"customers: Initializing, initial write 5,000 of 10,000, 1,000/s, 5s left\n" +
		"customers: Initializing, initial write 5,000 of 10,000, 454/s, 11s left\n" +
		"customers: Running\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestProgressBar(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	p := &progress{w: &out, style: progressBar, width: 60, now: moment}
	p.show("customers", "Initializing", doing{What: "initial write", Done: 25, Total: 100})
	p.show("customers", "Initializing", doing{What: "initial write", Done: 25, Total: 100})
	p.end()
	want := "\r\x1b[Kcustomers: Initializing  initial write [#####..............\r\x1b[K"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
