package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dualwrite/dualwrite/store/postgres/postgrestest"
)

// sample is what one run of one contender cost.
type sample struct {
	Seconds   float64    `json:"seconds"`
	ServerCPU [2]float64 `json:"serverCpuSeconds"` // of finops' and dataverse's server
	WorkerCPU float64    `json:"workerCpuSeconds,omitempty"`
	WorkerMB  float64    `json:"workerPeakMb,omitempty"`
	WAL       [2]int64   `json:"walBytes"`
}

// measurement compares ours with a peer's, sample by sample in the same rounds.
type measurement struct {
	Name  string             `json:"name"`
	Peer  string             `json:"peer"`
	Rows  int                `json:"rows,omitempty"`
	Ours  []sample           `json:"ours,omitempty"`
	Peers []sample           `json:"peers,omitempty"`
	Ratio spread             `json:"ratio"`
	More  map[string]float64 `json:"more,omitempty"`
}

// spread is a median with the least and the most.
type spread struct {
	Median float64 `json:"median"`
	Least  float64 `json:"least"`
	Most   float64 `json:"most"`
}

func spreadOf(values []float64) spread {
	sorted := slices.Sorted(slices.Values(values))
	return spread{Median: sorted[len(sorted)/2], Least: sorted[0], Most: sorted[len(sorted)-1]}
}

var (
	taken   []measurement
	takenMu sync.Mutex
)

// times reports time of ours / time of the peer's.
func (m *measurement) times(b *testing.B) {
	m.ratios(b, func(ours, peers float64) float64 { return ours / peers })
}

// rates reports rate of ours / rate of the peer's.
func (m *measurement) rates(b *testing.B) {
	m.ratios(b, func(ours, peers float64) float64 { return peers / ours })
}

func (m *measurement) ratios(b *testing.B, of func(ours, peers float64) float64) {
	var all []float64
	for i := range m.Ours {
		all = append(all, of(m.Ours[i].Seconds, m.Peers[i].Seconds))
	}
	m.Ratio = spreadOf(all)
	m.report(b)
}

func (m *measurement) report(b *testing.B) {
	takenMu.Lock()
	defer takenMu.Unlock()
	taken = append(taken, *m)
	b.ReportMetric(m.Ratio.Median, "ratio")
	b.ReportMetric(m.Ratio.Least, "ratio-min")
	b.ReportMetric(m.Ratio.Most, "ratio-max")
	for i, s := range m.Ours {
		b.Logf("%s: round %d: ours %s", m.Name, i+1, s)
		if i < len(m.Peers) {
			b.Logf("%s: round %d: %s %s", m.Name, i+1, m.Peer, m.Peers[i])
		}
	}
}

func (s sample) String() string {
	took := time.Duration(s.Seconds * float64(time.Second)).Round(10 * time.Microsecond)
	return fmt.Sprintf("%s; CPU servers %.1f + %.1f s, worker %.1f s, %.0f MB; log %d + %d MB", took, s.ServerCPU[0], s.ServerCPU[1],
		s.WorkerCPU, s.WorkerMB, s.WAL[0]>>20, s.WAL[1]>>20)
}

// write leaves the figures behind.
func write(folder string) error {
	if folder == "" || len(taken) == 0 {
		return nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	data, err := json.MarshalIndent(taken, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, time.Now().UTC().Format("2006-01-02T150405")+".json"), append(data, '\n'), 0o644)
}

// meter measures from its start to stop.
type meter struct {
	b      *testing.B
	of     [2]*postgrestest.Cluster
	pid    int // of the worker; 0: none
	began  time.Time
	server [2]float64
	worker float64
	wal    [2]int64
}

func start(b *testing.B, workerPid int) *meter {
	b.Helper()
	return startOn(b, clusters, workerPid)
}

func startOn(b *testing.B, servers [2]*postgrestest.Cluster, workerPid int) *meter {
	b.Helper()
	m := &meter{b: b, of: servers, pid: workerPid}
	m.server, m.worker, m.wal = m.read()
	m.began = time.Now()
	return m
}

func (m *meter) stop() sample {
	s := sample{Seconds: time.Since(m.began).Seconds()}
	server, worker, wal := m.read()
	for i := range server {
		s.ServerCPU[i], s.WAL[i] = server[i]-m.server[i], wal[i]-m.wal[i]
	}
	s.WorkerCPU = worker - m.worker
	if m.pid != 0 {
		s.WorkerMB = peak(m.pid)
	}
	return s
}

func (m *meter) read() (server [2]float64, worker float64, wal [2]int64) {
	for i, c := range m.of {
		server[i] = family(c.Pid())
		wal[i] = number(m.b, c.URL("postgres"), "SELECT pg_current_wal_insert_lsn() - '0/0'")
	}
	if m.pid != 0 {
		worker, _ = cpu(m.pid)
	}
	return server, worker, wal
}

// cpu is the processor time of a process and of its ended children, in seconds, and its parent.
func cpu(pid int) (seconds float64, parent int) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	ticks := 0
	for _, f := range fields[11:15] {
		n, _ := strconv.Atoi(f)
		ticks += n
	}
	parent, _ = strconv.Atoi(fields[1])
	return float64(ticks) / 100, parent
}

// family is the processor time of a process and all its children.
func family(pid int) float64 {
	total, _ := cpu(pid)
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if seconds, parent := cpu(child); parent == pid {
			total += seconds
		}
	}
	return total
}

// peak is the most memory that a process has held, in megabytes.
func peak(pid int) float64 {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb / 1024
		}
	}
	return 0
}
