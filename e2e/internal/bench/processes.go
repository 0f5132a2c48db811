package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ticks are the units of /proc/PID/stat and /proc/stat a second: USER_HZ, which is 100 wherever Linux runs.
const ticks = 100

// NodePrograms are the programs of nodes whose CPU time is told.
var NodePrograms = []string{"containerd", "kubelet", "kube-apiserver"}

// Processes reads what processes use from a /proc. kind's nodes are containers of this machine: their
// processes are in its /proc, and stay countable while a node is restarted, which its own /proc does not
// survive.
type Processes struct {
	// Root is where /proc is.
	Root string
	// Nodes are the names of the cluster's nodes.
	Nodes []string
}

// program is a process of a node: its name and when it started, which tell it from a later one of the
// same PID.
type program struct {
	pid     int
	name    string
	started uint64
}

// used is the CPU time in ticks of each of the nodes' programs, with the children that they have waited for.
func (p Processes) used() map[program]uint64 {
	all := map[program]uint64{}
	for _, name := range p.pids() {
		comm, err := os.ReadFile(filepath.Join(p.Root, name, "comm"))
		if err != nil || !slices.Contains(NodePrograms, strings.TrimSpace(string(comm))) {
			continue
		}
		if p.node(name) == "" {
			continue // the engine's own containerd, or another cluster's
		}
		stat, err := os.ReadFile(filepath.Join(p.Root, name, "stat"))
		if err != nil {
			continue // it has ended
		}
		if s, err := parseStat(string(stat)); err == nil {
			pid, _ := strconv.Atoi(name)
			all[program{pid, strings.TrimSpace(string(comm)), s.started}] = s.cpu
		}
	}
	return all
}

// pids are the names of the folders of processes.
func (p Processes) pids() []string {
	entries, err := os.ReadDir(p.Root)
	if err != nil {
		return nil
	}
	var all []string
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err == nil {
			all = append(all, e.Name())
		}
	}
	return all
}

// node is the node that a process belongs to: the one whose hostname is in its root, or in that of a
// process that it descends from, as the API server's, whose root is its image, does from its node's first.
func (p Processes) node(pid string) string {
	const deepest = 4 // a container's process, its shim, the node's first
	for range deepest {
		hostname, err := os.ReadFile(filepath.Join(p.Root, pid, "root/etc/hostname"))
		if name := strings.TrimSpace(string(hostname)); err == nil && slices.Contains(p.Nodes, name) {
			return name
		}
		stat, err := os.ReadFile(filepath.Join(p.Root, pid, "stat"))
		if err != nil {
			return ""
		}
		s, err := parseStat(string(stat))
		if err != nil || s.parent < 1 {
			return ""
		}
		pid = strconv.Itoa(s.parent)
	}
	return ""
}

type stat struct {
	parent       int
	cpu, started uint64
}

// parseStat reads /proc/PID/stat (proc_pid_stat(5)). The program's name may hold anything.
func parseStat(text string) (stat, error) {
	fields := strings.Fields(text[strings.LastIndex(text, ")")+1:])
	const parent, utime, cstime, starttime = 1, 11, 14, 19 // as from the third field
	if len(fields) <= starttime || !strings.Contains(text, "(") {
		return stat{}, fmt.Errorf("no /proc/PID/stat: %q", text)
	}
	var s stat
	var err error
	if s.parent, err = strconv.Atoi(fields[parent]); err != nil {
		return stat{}, err
	}
	for i := utime; i <= cstime; i++ {
		n, err := strconv.ParseUint(fields[i], 10, 63)
		if err != nil {
			return stat{}, err
		}
		s.cpu += n
	}
	s.started, err = strconv.ParseUint(fields[starttime], 10, 64)
	return s, err
}

// Usage is watched while something runs: a process that ends meanwhile counts up to the last look.
type Usage struct {
	of    Processes
	mu    sync.Mutex
	first map[program]uint64
	last  map[program]uint64
}

// lookEvery is the time between two looks: what a process used after the last one before its end is lost.
const lookEvery = 2 * time.Second

// Watch looks at what the nodes' programs use until ctx ends.
func (p Processes) Watch(ctx context.Context) *Usage {
	u := &Usage{of: p, first: p.used(), last: map[program]uint64{}}
	go func() {
		looks := time.NewTicker(lookEvery)
		defer looks.Stop()
		for {
			select {
			case <-looks.C:
				u.look()
			case <-ctx.Done():
				return
			}
		}
	}()
	return u
}

func (u *Usage) look() {
	now := u.of.used()
	u.mu.Lock()
	defer u.mu.Unlock()
	for who, cpu := range now {
		u.last[who] = max(u.last[who], cpu)
	}
}

// Seconds is the CPU time that each program used since the watch began, on all nodes together; nil where
// none is seen, as on machines where the nodes' processes are another's.
func (u *Usage) Seconds() map[string]float64 {
	u.look()
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.last) == 0 {
		return nil
	}
	all := map[string]float64{}
	for who, cpu := range u.last {
		all[who.name] += float64(cpu-min(cpu, u.first[who])) / ticks
	}
	return all
}

// Busy is how long the machine's processors have been busy since it started, in seconds.
func (p Processes) Busy() (float64, error) {
	text, err := os.ReadFile(filepath.Join(p.Root, "stat"))
	if err != nil {
		return 0, err
	}
	return parseBusy(string(text))
}

// parseBusy reads the first line of /proc/stat (proc_stat(5)): all but idle and waiting for input or
// output. What guests used is within the users' time.
func parseBusy(text string) (float64, error) {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	const idle, iowait, steal = 4, 5, 8
	if len(fields) <= steal || fields[0] != "cpu" {
		return 0, fmt.Errorf("no /proc/stat: %q", line)
	}
	sum := 0.0
	for i, field := range fields[1 : steal+1] {
		n, err := strconv.ParseUint(field, 10, 63)
		if err != nil {
			return 0, err
		}
		if at := i + 1; at != idle && at != iowait && at != steal {
			sum += float64(n)
		}
	}
	return sum / ticks, nil
}

// Traffic is what the network interface of the API server's node has received and sent; false where that
// is not seen.
func (p Processes) Traffic() (Bytes, bool) {
	for who := range p.used() {
		if who.name != "kube-apiserver" { // it is in the node's network
			continue
		}
		text, err := os.ReadFile(filepath.Join(p.Root, strconv.Itoa(who.pid), "net/dev"))
		if err != nil {
			continue
		}
		if b, err := parseTraffic(string(text), "eth0"); err == nil {
			return b, true
		}
	}
	return Bytes{}, false
}

// parseTraffic reads /proc/PID/net/dev (proc_pid_net(5)).
func parseTraffic(text, device string) (Bytes, error) {
	for line := range strings.Lines(text) {
		name, rest, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) != device {
			continue
		}
		fields := strings.Fields(rest)
		const received, sent = 0, 8
		if len(fields) <= sent {
			break
		}
		r, err := strconv.ParseInt(fields[received], 10, 64)
		if err != nil {
			return Bytes{}, err
		}
		s, err := strconv.ParseInt(fields[sent], 10, 64)
		return Bytes{r, s}, err
	}
	return Bytes{}, fmt.Errorf("no interface %s", device)
}
