package cases

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// Observations as a sandbox with a kernel of its own would have shown them.

// nodesKernel is what the node's status says of its kernel.
var nodesKernel = probe.Kernel{BootID: "0b7c5e1f-2f3a-4f7e-9d58-00000000000a", Release: "6.18.44"}

// onKernelOfItsOwn makes an observation what a sandbox with a kernel of its own shows, such
// as gVisor's: small numbers of namespaces, which come again in every pod and in every new sandbox;
// start times that count from the sandbox's boot; another boot ID in each container's /proc;
// nothing of signals, seccomp and labels. What the act noted and what containers wrote down is of
// that kernel as well.
func onKernelOfItsOwn(o *suite.Observation, booted uint64) {
	o.Node = suite.NodeFacts{Kernel: nodesKernel, Runtime: "containerd://2.4.2"}
	first := newGuestKernel(booted)
	last := first
	if sandboxWasReplaced(*o) {
		last = newGuestKernel(booted + 60)
	}
	first.boots(o.Before)
	last.boots(o.After)
	mount := 0
	for when, snapshots := range []map[string]*probe.Snapshot{o.Before, o.After} {
		kernel := []*guestKernel{first, last}[when]
		for _, name := range slices.Sorted(maps.Keys(snapshots)) {
			if s := snapshots[name]; s.Failure == "" {
				mount++
				kernel.shows(s, mount*2+when)
			}
		}
	}
	notes := o.Saw.Notes()
	for name, text := range notes {
		if number, err := strconv.ParseUint(text, 10, 64); err == nil && strings.HasPrefix(name, "namespace") {
			text = strconv.FormatUint(first.number("pid", number), 10)
		}
		notes[name] = first.text(text)
	}
	o.Saw = sawOf(notes)
	for name, ran := range o.Ran {
		ran.Stdout = first.text(ran.Stdout)
		o.Ran[name] = ran
	}
	for name, log := range o.Logs {
		o.Logs[name] = first.text(log)
	}
	for name, of := range o.Copies {
		booted += 600
		onKernelOfItsOwn(&of, booted)
		o.Copies[name] = of
	}
}

// sawOf is what notes tell; changed by hand, they must still be notes.
func sawOf(notes map[string]string) suite.Saw {
	var saw suite.Saw
	raw, err := json.Marshal(notes)
	if err == nil {
		err = json.Unmarshal(raw, &saw)
	}
	if err != nil {
		panic(err)
	}
	return saw
}

// sandboxWasReplaced tells whether a container saw another PID 1 after the act.
func sandboxWasReplaced(o suite.Observation) bool {
	for name, after := range o.After {
		was, okWas := o.Container(name).Process(1)
		is, okIs := after.Process(1)
		if okWas && okIs && o.Container(name).Namespaces["pid"] != after.Namespaces["pid"] && was.Identity() != is.Identity() {
			return true
		}
	}
	return false
}

// guestKernel is a kernel that a sandbox has for itself.
type guestKernel struct {
	booted  uint64
	eldest  uint64                       // start time of what was there first, by the node's clock
	numbers map[string]map[uint64]uint64 // of namespaces, by their kind, in the place of the node's
}

func newGuestKernel(booted uint64) *guestKernel {
	return &guestKernel{booted: booted, eldest: ^uint64(0), numbers: map[string]map[uint64]uint64{}}
}

// boots begins the sandbox's clock with the first of the processes.
func (g *guestKernel) boots(with map[string]*probe.Snapshot) {
	for _, s := range with {
		for _, p := range s.Processes {
			g.eldest = min(g.eldest, p.StartTime)
		}
	}
}

// tick is a start time by the sandbox's clock: the first process's is 10.
func (g *guestKernel) tick(start uint64) uint64 { return start - g.eldest + 10 }

func (g *guestKernel) number(kind string, node uint64) uint64 {
	if g.numbers[kind] == nil {
		g.numbers[kind] = map[uint64]uint64{}
	}
	if g.numbers[kind][node] == 0 {
		g.numbers[kind][node] = 5 + uint64(len(g.numbers[kind]))
	}
	return g.numbers[kind][node]
}

func (g *guestKernel) shows(s *probe.Snapshot, mount int) {
	s.Kernel = probe.Kernel{BootID: fmt.Sprintf("0b7c5e1f-2f3a-4f7e-%04d-%012d", g.booted%10000, mount), Release: "4.19.0-gvisor", BootTime: g.booted}
	s.Label, s.LabelOfPID1 = "", ""
	for _, kind := range slices.Sorted(maps.Keys(s.Namespaces)) {
		s.Namespaces[kind] = g.number(kind, s.Namespaces[kind])
	}
	for path, file := range s.Files {
		file.Text = g.text(file.Text)
		s.Files[path] = file
	}
	for i := range s.Processes {
		p := &s.Processes[i]
		p.StartTime = g.tick(p.StartTime)
		p.SigCgt, p.Seccomp = "", ""
		p.NSPID = probe.Access{Text: fmt.Sprintf("pid:[%d]", s.Namespaces["pid"])}
		for path, file := range p.Files {
			file.Text = g.text(file.Text)
			p.Files[path] = file
		}
	}
}

// Where a text tells of a process's start time, and of a namespace's number.
var (
	startsInText  = regexp.MustCompile(`(\) [A-Z] (?:-?\d+ ){18}|"[sS]tartTime":|started at tick )(\d+)`) // stat, JSON, Identity.String
	numbersInText = regexp.MustCompile(`\b(pid|user):\[(\d+)\]`)
)

func (g *guestKernel) text(s string) string {
	s = startsInText.ReplaceAllStringFunc(s, func(found string) string {
		m := startsInText.FindStringSubmatch(found)
		start, err := strconv.ParseUint(m[2], 10, 64)
		if err != nil || start < g.eldest {
			return found
		}
		return m[1] + strconv.FormatUint(g.tick(start), 10)
	})
	return numbersInText.ReplaceAllStringFunc(s, func(found string) string {
		m := numbersInText.FindStringSubmatch(found)
		number, err := strconv.ParseUint(m[2], 10, 64)
		if err != nil {
			return found
		}
		return fmt.Sprintf("%s:[%d]", m[1], g.number(m[1], number))
	})
}

// guest is the recorded observation of a manifest, as under a kernel of the sandbox's own.
func guest(t *testing.T, c suite.Case, file string) suite.Observation {
	t.Helper()
	o := recorded(t, c, file)
	onKernelOfItsOwn(&o, 5000)
	if o.Neighbour != nil {
		onKernelOfItsOwn(o.Neighbour, 7000)
	}
	return o
}

// TestGuestPods: what a conformant pod shows under a kernel of its sandbox's own is judged as
// any other; what such a kernel does not say cannot be told, or does not apply.
func TestGuestPods(t *testing.T) {
	unsaid := func(err error) bool {
		return err != nil && !suite.IsViolation(err) && (strings.Contains(err.Error(), "SigCgt") || strings.Contains(err.Error(), "no handler for"))
	}
	untold := map[string]func(error) bool{
		"pid1/sandbox-handlers":                unsaid,
		"pid1/unhandled-signals-from-root":     unsaid, // see TestHandlersUnsaid
		"pid1/unhandled-signals-from-its-user": unsaid,
		"neighbours/host-pid-sees-the-node":    suite.IsViolation, // recorded with the node's processes
	}
	for _, c := range every() {
		if c.Area() == throughUpgrade.Name || c.Submit.Dry() {
			continue // their nodes are told of elsewhere, or they have none
		}
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			o := guest(t, c, c.Fixture)
			if c.Precondition != nil {
				require.NoError(t, c.Precondition(o))
			}
			err := c.Judge(o)
			if told, ok := untold[c.ID]; ok {
				require.True(t, told(err), "%v", err)
				return
			}
			require.NoError(t, err)
		})
	}
}

// TestGuestControls: a control bites under a kernel of its sandbox's own as well, or does not apply there.
func TestGuestControls(t *testing.T) {
	for _, c := range every() {
		if c.Area() == throughUpgrade.Name || c.Submit.Dry() || c.Control == "" {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			err := c.Judge(guest(t, c, c.Control))
			require.True(t, suite.IsViolation(err), "%v", err)
		})
	}
}

// TestNothingLeftOfAGuest: the node has none of its processes, but what else it has is judged.
func TestNothingLeftOfAGuest(t *testing.T) {
	c := named(t, "lifecycle/nothing-left-on-the-node")
	withoutProcesses := func(o *suite.Observation) {
		r := o.Ran["before"]
		r.Stdout = strings.Join(slices.DeleteFunc(strings.SplitAfter(r.Stdout, "\n"), func(line string) bool { return strings.HasPrefix(line, "process ") }), "")
		o.Ran["before"] = r
	}
	o := guest(t, c, c.Fixture)
	withoutProcesses(&o)
	err := c.Judge(o)
	require.True(t, suite.IsInapplicable(err), "%v", err)
	assert.ErrorContains(t, err, "nothing is left")

	left := o.Ran["after"]
	left.Stdout = "group /sys/fs/cgroup/pids/kubelet.slice/pod1\n"
	o.Ran["after"] = left
	require.True(t, suite.IsViolation(c.Judge(o)), "a control group that is left is one")

	o = recorded(t, c, c.Fixture) // under the node's kernel
	withoutProcesses(&o)
	err = c.Judge(o)
	require.Error(t, err)
	require.False(t, suite.IsViolation(err) || suite.IsInapplicable(err), "%v", err)
}

// TestSeccompOfAGuest: a kernel of the sandbox's own that applies no filter is no node on
// which the default profile could be in the way.
func TestSeccompOfAGuest(t *testing.T) {
	c := named(t, "security/seccomp-runtime-default")
	none := probe.CommandResult{Stdout: "Seccomp:\t0\n"}
	o := recorded(t, c, c.Fixture)
	o.Ran["seccomp"] = none
	err := c.Judge(o)
	require.Error(t, err)
	require.False(t, suite.IsInapplicable(err) || suite.IsViolation(err), "%v", err)
	onKernelOfItsOwn(&o, 5000)
	require.True(t, suite.IsInapplicable(c.Judge(o)))
}

// sendingHands act in a pod as it was recorded, and keep which signals are sent to PID 1.
type sendingHands struct {
	suite.PodClient
	seen suite.Observation
	sent map[string][]string // by the sender
}

func (h *sendingHands) Apart(ctx context.Context, _ string, do func(context.Context) error) error {
	return do(ctx)
}

func (h *sendingHands) Before() suite.Observation { return h.seen }

func (h *sendingHands) Exec(_ context.Context, name, _ string, command ...string) (probe.CommandResult, error) {
	h.sent[name] = command[4:]
	return probe.CommandResult{}, nil
}

func (h *sendingHands) Observe(_ context.Context, container string) (*probe.Snapshot, error) {
	return h.seen.Container(container), nil
}

func (h *sendingHands) Note(func(*suite.Saw)) {}

// TestHandlersUnsaid: where the kernel does not say which signals PID 1 handles, it is sent those
// that nobody can handle. What they do is told; what the others would do is not known.
func TestHandlersUnsaid(t *testing.T) {
	both := probe.CommandResult{Stdout: "9 0\n19 0\n"}
	another := func(o *suite.Observation) {
		for _, s := range o.After {
			s.Kernel.BootTime += 9
		}
	}
	for _, row := range []struct {
		name, from string
		changes    func(*suite.Observation)
		want       string
	}{
		{"neither does anything", "user", func(*suite.Observation) {}, "cannot tell"},
		{"neither does anything", "root", func(*suite.Observation) {}, "cannot tell"},
		{"PID 1 ends, and the command with it", "user", func(o *suite.Observation) {
			another(o)
			o.Ran["user"] = probe.CommandResult{Code: 137}
			delete(o.Ran, "root")
			o.Saw = suite.Saw{}
		}, "violation"},
		{"PID 1 has ended of what the other sent", "root", func(o *suite.Observation) {
			another(o)
			delete(o.Ran, "root")
			o.Saw = suite.Saw{}
		}, "cannot tell"},
		{"PID 1 ends of what the other sends", "user", another, "cannot tell"},
		{"PID 1 is stopped", "root", func(o *suite.Observation) {
			editIn(o.After, "root", isPID1, func(p *probe.Process) { p.State = "T" })
		}, "violation"},
		{"a sender gets one", "root", ownFileBecomes("root", received, "", func(string) string { return "marker USR1\n" }).apply, "violation"},
	} {
		t.Run(row.from+", "+row.name, func(t *testing.T) {
			c := named(t, map[string]string{"user": "pid1/unhandled-signals-from-its-user", "root": "pid1/unhandled-signals-from-root"}[row.from])
			o := guest(t, c, c.Fixture)
			o.Ran["user"], o.Ran["root"] = both, both
			first, _ := o.Container("user").Process(1)
			keep(&o.Saw.PID1After, "user", first)
			row.changes(&o)
			err := c.Judge(o)
			require.Equal(t, row.want, answer(err), "%v", err)
		})
	}
	c := named(t, "pid1/unhandled-signals-from-root")
	h := &sendingHands{seen: guest(t, c, c.Fixture), sent: map[string][]string{}}
	require.NoError(t, signalUnhandled.Do(t.Context(), h))
	require.Equal(t, map[string][]string{"user": {"9", "19"}, "root": {"9", "19"}}, h.sent)
	h = &sendingHands{seen: recorded(t, c, c.Fixture), sent: map[string][]string{}}
	require.NoError(t, signalUnhandled.Do(t.Context(), h))
	require.Len(t, h.sent["root"], 27, "with its handlers known, it is sent all others")
}
