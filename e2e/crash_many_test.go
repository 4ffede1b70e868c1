package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// Many maps on one link (hundreds where all is tested in full): the log of each side is read once, whatever the number of
// maps; a map that is Running and has nothing to do adds nothing to its history; one worker carries them all.
func TestManyMapsShareTheirStreams(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, manyMapsShareTheirStreams, harness.Postgres)
}

func manyMapsShareTheirStreams(t *testing.T, pair harness.Pair) {
	maps := harness.Scale(60, 200)
	if pair == harness.Postgres {
		maps = harness.Scale(40, 500)
	}
	var tables, names, config []string
	for i := range maps {
		name := fmt.Sprintf("m%03d", i)
		names = append(names, name)
		tables = append(tables, "CREATE TABLE "+name+" (id INTEGER PRIMARY KEY, text TEXT);")
		config = append(config, name+": {}")
	}
	schema := strings.Join(tables, "\n")
	l := harness.New(t, harness.Setup{Pair: pair, Left: schema, Right: schema, Maps: strings.Join(config, "\n")})
	w := l.Work()
	began := time.Now()
	for some := range slices.Chunk(names, 20) {
		l.Do("run", some[0], "--with", strings.Join(some[1:], ","))
	}
	ran := time.Since(began)

	link := describe(t, l, l.Name+"/link")
	require.Len(t, link.PendingActivities, 2, "one stream per direction")
	if pair == harness.Postgres {
		for _, d := range []*harness.Database{l.Left, l.Right} {
			require.Equal(t, 1, d.Int("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"), "one slot per side")
		}
	}
	idle := sample(names, maps/5)
	var used float64
	var arrived time.Duration
	unchanged(t, l, idle, func(int) {
		cpu, since := cpuTime(t, w), time.Now()
		beats(t, l, idle[0], 5)
		used = float64(cpuTime(t, w)-cpu) / float64(time.Since(since))
	})
	unchanged(t, l, idle, func(round int) {
		var writes []string
		for _, name := range names {
			writes = append(writes, fmt.Sprintf("INSERT INTO %s VALUES (%d, 'a')", name, round))
		}
		began = time.Now()
		l.Left.Exec(writes...)
		for _, name := range names {
			l.Right.Becomes(fmt.Sprintf("SELECT text FROM %s WHERE id = %d", name, round), "a")
		}
		arrived = time.Since(began)
	})
	held, most := memory(t, w)
	t.Logf("%d maps Running after %s; idle: %.1f %% of one processor; a write to each has arrived after %s; memory of the worker: %d MiB, at most %d MiB",
		maps, ran.Round(time.Second), 100*used, arrived.Round(time.Millisecond), held, most)
}

// unchanged requires that the histories of maps stay as they are while something is done. Where Temporal has missed heartbeats
// meanwhile, as on a machine that is too busy, streams begin again, and that is told to the maps: then it is done again.
func unchanged(t *testing.T, l *harness.Link, maps []string, work func(round int)) {
	t.Helper()
	for round := 1; ; round++ {
		began, before := attempts(t, l, maps), lengths(t, l, maps)
		work(round)
		after, ended := lengths(t, l, maps), attempts(t, l, maps)
		if round < 5 && !slices.Equal(began, ended) {
			continue
		}
		for _, name := range maps {
			if after[name] != before[name] {
				t.Logf("history of %s:\n%s", name, l.Temporal("workflow", "show", "-w", l.Workflow(name)))
			}
		}
		require.Equal(t, before, after, "histories of maps with nothing to do")
		return
	}
}

// description is what `temporal workflow describe -o json` prints, as far as it matters.
type description struct {
	WorkflowExecutionInfo struct{ HistoryLength string }
	PendingActivities     []struct {
		LastHeartbeatTime string
		Attempt           int
	}
}

func describe(t *testing.T, l *harness.Link, workflow string) description {
	t.Helper()
	var d description
	require.NoError(t, json.Unmarshal([]byte(l.Temporal("workflow", "describe", "-w", workflow, "-o", "json")), &d))
	return d
}

// attempts are those of the activities that the link and maps have under way.
func attempts(t *testing.T, l *harness.Link, maps []string) []int {
	t.Helper()
	all := describe(t, l, l.Name+"/link").PendingActivities
	for _, name := range maps {
		all = append(all, describe(t, l, l.Workflow(name)).PendingActivities...)
	}
	out := make([]int, len(all))
	for i, a := range all {
		require.Positive(t, a.Attempt)
		out[i] = a.Attempt
	}
	return out
}

// lengths are those of the histories of maps.
func lengths(t *testing.T, l *harness.Link, names []string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range names {
		all[name] = describe(t, l, l.Workflow(name)).WorkflowExecutionInfo.HistoryLength
		require.NotEmpty(t, all[name])
	}
	return all
}

// beats waits until a map's supervision has sent some heartbeats.
func beats(t *testing.T, l *harness.Link, name string, n int) {
	t.Helper()
	seen := map[string]bool{}
	l.Until(fmt.Sprintf("%d heartbeats of %s", n, name), func() bool {
		d := describe(t, l, l.Workflow(name))
		require.Len(t, d.PendingActivities, 1)
		seen[d.PendingActivities[0].LastHeartbeatTime] = true
		return len(seen) > n
	})
}

// sample is every so many of the names.
func sample(names []string, every int) []string {
	var out []string
	for i := 0; i < len(names); i += every {
		out = append(out, names[i])
	}
	return out
}

// cpuTime is what a process has used of processors.
func cpuTime(t *testing.T, p *harness.Process) time.Duration {
	t.Helper()
	const tick = time.Second / 100 // USER_HZ
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid()))
	require.NoError(t, err)
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	var sum time.Duration
	for _, field := range fields[11:13] { // utime, stime
		n, err := strconv.Atoi(field)
		require.NoError(t, err)
		sum += time.Duration(n) * tick
	}
	return sum
}

// memory is what a process holds in memory, and the most that it ever held, in MiB.
func memory(t *testing.T, p *harness.Process) (held, most int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid()))
	require.NoError(t, err)
	kilobytes := func(field string) int {
		m := regexp.MustCompile(field + `:\s+(\d+) kB`).FindStringSubmatch(string(text))
		require.NotNil(t, m, field)
		n, err := strconv.Atoi(m[1])
		require.NoError(t, err)
		return n
	}
	return kilobytes("VmRSS") >> 10, kilobytes("VmHWM") >> 10
}
