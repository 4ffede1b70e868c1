package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFindings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, file, source, expected string }{
		{"a long file", "a.go", "package a\n" + strings.Repeat("\n", 400), "a.go:1: file of 401 lines, at most 400"},
		{"a long function", "a.go", "package a\n\nfunc f() {\n" + strings.Repeat("\n", 60) + "}", "a.go:3: f has 62 lines, at most 60"},
		{"a long test", "a_test.go", "package a\n\nfunc f() {\n" + strings.Repeat("\n", 100) + "}", "a_test.go:3: f has 102 lines, at most 100"},
		{"parameters", "a.go", "package a\n\nfunc f(a, b, c, d, e int) {}", "a.go:3: f has 5 parameters"},
		{"init", "a.go", "package a\n\nfunc init() {}", "a.go:3: an init function"},
		{"sleep", "a_test.go", kept(t, "sleep.txt"), "a_test.go:3: a test sleeps"},
		{"skip", "a_test.go", kept(t, "skip.txt"), "a_test.go:3: a test skips"},
		{"no Go", "a.txt", "", "0 findings in 0 files"},
		{"no Go that can be read", "a.go", "package", "expected 'IDENT'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out, code := look(t, c.file, c.source)
			if code != 1 || !strings.Contains(out, c.expected) {
				t.Errorf("exit code %d: %s", code, out)
			}
		})
	}
}

func TestNoFindings(t *testing.T) {
	t.Parallel()
	for file, source := range map[string]string{
		"a.go":      kept(t, "allowed.txt"),
		"a_test.go": "package a\n\nfunc f(t *testing.T, a, b, c, d int) {}",
	} {
		if out, code := look(t, file, source); code != 0 || out != "" {
			t.Errorf("%s: exit code %d: %s", file, code, out)
		}
	}
}

// kept is a source under testdata: what the linter forbids in tests stands there, not in this one.
func kept(t *testing.T, name string) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

func look(t *testing.T, file, source string) (string, int) {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, file), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	code := run([]string{folder}, &out)
	return out.String(), code
}
