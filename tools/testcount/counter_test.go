package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCount(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, events, last string
		code               int
	}{
		{"leaves are counted", `{"Action":"run","Package":"p","Test":"A"}
{"Action":"run","Package":"p","Test":"A/x"}
{"Action":"pass","Package":"p","Test":"A/x"}
{"Action":"run","Package":"p","Test":"A/y"}
{"Action":"pass","Package":"p","Test":"A/y"}
{"Action":"pass","Package":"p","Test":"A"}
{"Action":"pass","Package":"p"}`, "2 passed, 0 failed", 0},
		{"a failed leaf is counted once", `{"Action":"run","Package":"p","Test":"A"}
{"Action":"run","Package":"p","Test":"A/x"}
{"Action":"fail","Package":"p","Test":"A/x"}
{"Action":"fail","Package":"p","Test":"A"}
{"Action":"fail","Package":"p"}`, "0 passed, 1 failed", 1},
		{"a parent that fails by itself is counted", `{"Action":"run","Package":"p","Test":"A"}
{"Action":"run","Package":"p","Test":"A/x"}
{"Action":"pass","Package":"p","Test":"A/x"}
{"Action":"fail","Package":"p","Test":"A"}
{"Action":"fail","Package":"p"}`, "1 passed, 1 failed", 1},
		{"skipped tests are told", `{"Action":"run","Package":"p","Test":"A"}
{"Action":"skip","Package":"p","Test":"A"}
{"Action":"run","Package":"p","Test":"B"}
{"Action":"pass","Package":"p","Test":"B"}
{"Action":"pass","Package":"p"}`, "1 passed, 0 failed, 1 skipped", 0},
		{"a test that never ends has failed", `{"Action":"run","Package":"p","Test":"A"}
{"Action":"pass","Package":"p","Test":"A"}
{"Action":"run","Package":"p","Test":"B"}
{"Action":"run","Package":"p","Test":"B/x"}
{"Action":"fail","Package":"p"}`, "1 passed, 1 failed", 1},
		{"a package that never ends has failed", `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"A"}
{"Action":"pass","Package":"p","Test":"A"}`, "1 passed, 1 failed", 1},
		{"a package that does not build has failed", `{"Action":"build-output","ImportPath":"p","Output":"syntax error\n"}
{"Action":"build-fail","ImportPath":"p"}
{"Action":"start","Package":"p"}
{"Action":"fail","Package":"p","FailedBuild":"p"}`, "0 passed, 1 failed", 1},
		{"no test is no pass", `{"Action":"start","Package":"p"}
{"Action":"skip","Package":"p"}`, "0 passed, 1 failed", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			last, _, code := count(t, c.events, "")
			if last != c.last || code != c.code {
				t.Errorf("%q, exit code %d; expected %q, %d", last, code, c.last, c.code)
			}
		})
	}
}

func TestOutputOfFailuresOnly(t *testing.T) {
	t.Parallel()
	_, all, _ := count(t, `{"Action":"output","Package":"p","Test":"A","Output":"quiet\n"}
{"Action":"pass","Package":"p","Test":"A"}
{"Action":"output","Package":"p","Test":"B","Output":"loud\n"}
{"Action":"fail","Package":"p","Test":"B"}
{"Action":"fail","Package":"p"}
not an event`, "")
	if strings.Contains(all, "quiet") || !strings.Contains(all, "loud") || !strings.Contains(all, "not an event") {
		t.Error(all)
	}
}

// The end of a long log tells why a test failed: what it said first, not the output of programs around it.
func TestReasonsAtTheEnd(t *testing.T) {
	t.Parallel()
	_, all, _ := count(t, `{"Action":"output","Package":"p","Test":"B","Output":"=== RUN   B\n"}
{"Action":"output","Package":"p","Test":"B","Output":"noise of a server\n"}
{"Action":"output","Package":"p","Test":"B","Output":"    b_test.go:7: 1 is not 2\n"}
{"Action":"output","Package":"p","Test":"B","Output":"        because\n"}
{"Action":"fail","Package":"p","Test":"B"}
{"Action":"fail","Package":"p"}`, "")
	const end = "--- p B\n    b_test.go:7: 1 is not 2\n        because\n0 passed, 1 failed\n"
	if !strings.HasSuffix(all, end) {
		t.Error(all)
	}
}

func TestCommandThatFails(t *testing.T) {
	t.Parallel()
	const passing = `{"Action":"pass","Package":"p","Test":"A"}
{"Action":"pass","Package":"p"}`
	for _, end := range []string{"exit 3", "kill -9 $$"} {
		last, _, code := count(t, passing, end)
		if last != "1 passed, 1 failed" || code != 1 {
			t.Errorf("%s: %q, exit code %d", end, last, code)
		}
	}
}

func TestSeveralCommands(t *testing.T) {
	t.Parallel()
	const event = `echo '{"Action":"pass","Package":"p","Test":"A"}'; echo '{"Action":"pass","Package":"p"}'`
	var out, errs strings.Builder
	code := run([]string{"sh", "-c", event, "--", "sh", "-c", event}, &out, &errs)
	if code != 0 || !strings.HasSuffix(out.String(), "\n2 passed, 0 failed\n") {
		t.Errorf("exit code %d: %s", code, out.String())
	}
	if code = run([]string{"no-such-command"}, &out, &errs); code != 1 {
		t.Errorf("exit code %d", code)
	}
}

// count has a command print events and end as the shell script says.
func count(t *testing.T, events, end string) (last, all string, code int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "events")
	if err := os.WriteFile(file, []byte(events+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs strings.Builder
	code = run([]string{"sh", "-c", `cat "$0"; ` + end, file}, &out, &errs)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	return lines[len(lines)-1], out.String(), code
}
