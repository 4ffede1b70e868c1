package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every mutant still finds its text, and there are enough of them.
func TestMutantsApply(t *testing.T) {
	t.Chdir("..")
	all, err := load()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 25 {
		t.Errorf("only %d mutants", len(all))
	}
	names := make(map[string]bool)
	for _, m := range all {
		if names[m.name] || m.says == "" {
			t.Errorf("mutant %s is there twice, or says nothing", m.name)
		}
		names[m.name] = true
		if len(m.edits) == 0 || len(m.layers) == 0 {
			t.Errorf("mutant %s changes nothing, or no test is to notice it", m.name)
		}
		for _, e := range m.edits {
			source, err := os.ReadFile(filepath.Join("..", e.file))
			if err != nil {
				t.Fatal(err)
			}
			changed, err := e.apply(string(source))
			if err != nil {
				t.Errorf("mutant %s: %v", m.name, err)
			} else if changed == string(source) {
				t.Errorf("mutant %s changes nothing in %s", m.name, e.file)
			}
		}
		for _, name := range m.layers {
			if _, ok := layers()[name]; !ok {
				t.Errorf("mutant %s: there is no layer %q", m.name, name)
			}
		}
	}
}

func TestParse(t *testing.T) {
	const good = "# a comment\nmutant a\nsays b\nfile c\ntests unit kept\n<<<<\nold\n====\nnew\n>>>>\n"
	all, err := parse(strings.NewReader(good))
	if err != nil || len(all) != 1 || all[0].edits[0] != (edit{"c", "old", "new"}) || len(all[0].layers) != 2 {
		t.Errorf("%+v, %v", all, err)
	}
	for _, bad := range []string{"nonsense\n", strings.Replace(good, "file c\n", "", 1), strings.TrimSuffix(good, ">>>>\n"), strings.Replace(good, "====\n", "", 1)} {
		if _, err := parse(strings.NewReader(bad)); err == nil {
			t.Errorf("accepted: %q", bad)
		}
	}
}
