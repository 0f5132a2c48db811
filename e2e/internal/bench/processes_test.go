package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// proc writes a process into a /proc below root.
func proc(t *testing.T, root string, pid, parent, cpu, started int, name, hostname string) {
	t.Helper()
	write(t, root, fmt.Sprintf("%d/comm", pid), name+"\n")
	write(t, root, fmt.Sprintf("%d/stat", pid), statLine(pid, parent, cpu, started, name))
	if hostname != "" {
		write(t, root, fmt.Sprintf("%d/root/etc/hostname", pid), hostname+"\n")
	}
}

// statLine is a line of /proc/PID/stat whose four times of CPU are 1, 2, 3 and the rest of cpu.
func statLine(pid, parent, cpu, started int, name string) string {
	return fmt.Sprintf("%d (%s) S %d 1 1 0 -1 4194560 1 2 3 4 1 2 3 %d 20 0 9 0 %d 1234 56 18446744073709551615\n", pid, name, parent, cpu-6, started)
}

func write(t *testing.T, root, file, text string) {
	t.Helper()
	name := filepath.Join(root, file)
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
}

func TestUsage(t *testing.T) {
	root := t.TempDir()
	proc(t, root, 1, 0, 100, 1, "systemd", "host")
	proc(t, root, 50, 1, 9000, 5, "containerd", "host") // the engine's own
	proc(t, root, 100, 1, 100, 10, "systemd", "k-worker")
	proc(t, root, 101, 100, 1000, 11, "containerd", "k-worker")
	proc(t, root, 102, 100, 2000, 12, "kubelet", "k-worker")
	proc(t, root, 103, 100, 50, 12, "bash", "k-worker")
	proc(t, root, 200, 1, 100, 10, "systemd", "k-control-plane")
	proc(t, root, 201, 200, 10, 11, "containerd-shim", "k-control-plane")
	proc(t, root, 202, 201, 400, 12, "kube-apiserver", "") // its root is its image
	proc(t, root, 300, 1, 100, 10, "systemd", "other-worker")
	proc(t, root, 301, 300, 700, 11, "kubelet", "other-worker")
	write(t, root, "self/comm", "kubelet")
	write(t, root, "202/net/dev", "Inter-|   Receive  |  Transmit\n face |bytes packets\n    lo: 5 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0\n  eth0: 1000 1 0 0 0 0 0 0 2000 1 0 0 0 0 0 0\n")
	p := Processes{Root: root, Nodes: []string{"k-worker", "k-control-plane"}}

	u := &Usage{of: p, first: p.used(), last: map[program]uint64{}}
	require.Equal(t, map[string]float64{"containerd": 0, "kubelet": 0, "kube-apiserver": 0}, u.Seconds())
	proc(t, root, 101, 100, 1250, 11, "containerd", "k-worker")
	proc(t, root, 202, 201, 500, 12, "kube-apiserver", "")
	proc(t, root, 102, 100, 2100, 12, "kubelet", "k-worker")
	u.look()
	// kubelet is started anew, once with another PID and once with the same.
	require.NoError(t, os.RemoveAll(filepath.Join(root, "102")))
	proc(t, root, 110, 100, 30, 40, "kubelet", "k-worker")
	u.look()
	proc(t, root, 110, 100, 20, 50, "kubelet", "k-worker")
	require.Equal(t, map[string]float64{"containerd": 2.5, "kubelet": 1.5, "kube-apiserver": 1}, u.Seconds())

	b, ok := p.Traffic()
	require.True(t, ok)
	require.Equal(t, Bytes{Received: 1000, Sent: 2000}, b)

	elsewhere := Processes{Root: t.TempDir(), Nodes: p.Nodes}
	none := &Usage{of: elsewhere, first: elsewhere.used(), last: map[program]uint64{}}
	require.Nil(t, none.Seconds())
	_, ok = elsewhere.Traffic()
	require.False(t, ok)
}

func TestParseStat(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		want  stat
		fails bool
	}{
		"plain":              {text: statLine(7, 3, 60, 99, "kubelet"), want: stat{3, 60, 99}},
		"a name like fields": {text: statLine(7, 3, 60, 99, "a) S 1 (b"), want: stat{3, 60, 99}},
		"too short":          {text: "7 (kubelet) S 3 1", fails: true},
		"no name":            {text: "", fails: true},
		"no numbers":         {text: "7 (k) S 3 1 1 0 -1 4194560 1 2 3 4 x 2 3 4 20 0 9 0 99", fails: true},
		"negative":           {text: "7 (k) S 3 1 1 0 -1 4194560 1 2 3 4 -1 2 3 4 20 0 9 0 99", fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseStat(c.text)
			require.Equal(t, c.fails, err != nil, "%v", err)
			if !c.fails {
				require.Equal(t, c.want, got)
			}
		})
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add(statLine(7, 3, 60, 99, "kubelet"))
	f.Add("1 ) (")
	f.Fuzz(func(_ *testing.T, text string) { _, _ = parseStat(text) })
}

func TestParseBusy(t *testing.T) {
	got, err := parseBusy("cpu  100 20 30 4000 500 6 7 80 9 1\ncpu0 1 2 3\n")
	require.NoError(t, err)
	require.InDelta(t, 1.63, got, 1e-9) // 100+20+30+6+7
	for _, text := range []string{"", "cpu 1 2 3", "intr 1 2 3 4 5 6 7 8 9", "cpu 1 2 3 4 5 6 7 x 9 1"} {
		_, err := parseBusy(text)
		require.Error(t, err, "%q", text)
	}
}

func TestParseTraffic(t *testing.T) {
	for _, text := range []string{"", "eth0 1 2", "eth0: 1 2 3", "eth0: x 1 0 0 0 0 0 0 5 1", "eth01: 1 1 0 0 0 0 0 0 5 1"} {
		_, err := parseTraffic(text, "eth0")
		require.Error(t, err, "%q", text)
	}
}

func TestThisMachine(t *testing.T) {
	root := t.TempDir()
	write(t, root, "proc/cpuinfo", "processor\t: 0\nmodel name\t: A Processor\nmodel name\t: Another\n")
	write(t, root, "proc/meminfo", "MemTotal:       24610312 kB\nMemFree: 1 kB\n")
	write(t, root, "etc/os-release", "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n")
	write(t, root, "proc/sys/kernel/osrelease", "6.1.0\n")
	m := ThisMachine(root)
	m.Processors = 0
	require.Equal(t, Machine{Processor: "A Processor", MemoryGB: 23, System: "Debian GNU/Linux 12 (bookworm)", Kernel: "6.1.0"}, m)
	empty := ThisMachine(t.TempDir())
	empty.Processors = 0
	require.Equal(t, Machine{}, empty)
}
