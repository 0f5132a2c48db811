package cases

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// nodesKernel is what the node's status says of its kernel.
var nodesKernel = probe.Kernel{BootID: "0b7c5e1f-2f3a-4f7e-9d58-00000000000a", Release: "6.18.44"}

// onKernelOfItsOwn makes an observation what a sandbox with a kernel of its own shows, such
// as gVisor's: small numbers of namespaces, which come again in every pod; start times that
// count from the sandbox's boot; another boot ID in each container's /proc; nothing of
// signals, seccomp and labels.
func onKernelOfItsOwn(o *suite.Observation, booted uint64) {
	o.Node = suite.NodeFacts{Kernel: nodesKernel, Runtime: "containerd://2.4.2"}
	numbers := map[string]map[uint64]uint64{} // by kind
	eldest := ^uint64(0)
	for _, snapshots := range []map[string]*probe.Snapshot{o.Before, o.After} {
		for _, s := range snapshots {
			for _, p := range s.Processes {
				eldest = min(eldest, p.StartTime)
			}
		}
	}
	mount := 0
	for when, snapshots := range []map[string]*probe.Snapshot{o.Before, o.After} {
		for _, name := range slices.Sorted(maps.Keys(snapshots)) {
			s := snapshots[name]
			if s.Failure != "" {
				continue
			}
			mount++
			s.Kernel = probe.Kernel{BootID: fmt.Sprintf("0b7c5e1f-2f3a-4f7e-%04d-%012d", booted%10000, mount*2+when), Release: "4.19.0-gvisor", BootTime: booted}
			s.Label, s.LabelOfPID1 = "", ""
			for kind, number := range s.Namespaces {
				if numbers[kind] == nil {
					numbers[kind] = map[uint64]uint64{}
				}
				if numbers[kind][number] == 0 {
					numbers[kind][number] = 5 + uint64(len(numbers[kind]))
				}
				s.Namespaces[kind] = numbers[kind][number]
			}
			for i := range s.Processes {
				p := &s.Processes[i]
				p.StartTime -= eldest - 10
				p.SigCgt, p.Seccomp = "", ""
				p.NSPID = probe.Access{Text: fmt.Sprintf("pid:[%d]", s.Namespaces["pid"])}
			}
		}
	}
}

// named finds a case.
func named(t *testing.T, id string) suite.Case {
	t.Helper()
	for _, c := range every() {
		if c.ID == id {
			return c
		}
	}
	require.Fail(t, "no such case", id)
	return suite.Case{}
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

// TestAcrossKernels: what is said of another pod where each has a kernel of its own, and
// where that is unknown.
func TestAcrossKernels(t *testing.T) {
	const id = "visibility/not-across-pods"
	c := named(t, id)
	sees := func(o *suite.Observation) {
		p, _ := o.Neighbour.Container("two").Find(withMarker(o.Neighbour, "two"))
		p.PID = 99
		o.Before["lookout"].Processes = append(o.Before["lookout"].Processes, p)
	}
	isSeen := func(o *suite.Observation) {
		p, _ := o.Container("lookout").Find(withMarker(o, "lookout"))
		p.PID = 99
		o.Neighbour.Before["one"].Processes = append(o.Neighbour.Before["one"].Processes, p)
	}
	kernels := func(change func(*probe.Kernel)) func(*suite.Observation) {
		return func(o *suite.Observation) {
			for _, snapshots := range []map[string]*probe.Snapshot{o.Before, o.Neighbour.Before} {
				for _, s := range snapshots {
					change(&s.Kernel)
				}
			}
		}
	}
	unread := kernels(func(k *probe.Kernel) { *k = probe.Kernel{} })
	one := kernels(func(k *probe.Kernel) { k.BootID = nodesKernel.BootID })
	hides := func(o *suite.Observation) { o.Before["lookout"].ProcMount = "rw,hidepid=2" }
	for name, row := range map[string]struct {
		changes []func(*suite.Observation)
		want    string // "", "violation" or "cannot tell"
	}{
		"the numbers are the same":                        {nil, ""},
		"booted at one time":                              {[]func(*suite.Observation){kernels(func(k *probe.Kernel) { k.BootTime = 5000 })}, ""},
		"nothing is known of the kernels":                 {[]func(*suite.Observation){unread}, ""},
		"one kernel, one number":                          {[]func(*suite.Observation){one}, "violation"},
		"a process of the other pod is seen":              {[]func(*suite.Observation){sees}, "violation"},
		"a process of this pod is seen there":             {[]func(*suite.Observation){isSeen}, "violation"},
		"the other pod is seen, whatever the kernels are": {[]func(*suite.Observation){unread, sees}, "violation"},
		"the kernels are unknown, and /proc hides":        {[]func(*suite.Observation){unread, hides}, "cannot tell"},
		"two kernels, and /proc hides":                    {[]func(*suite.Observation){hides}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := guest(t, c, c.Fixture)
			require.Equal(t, o.Container("lookout").Namespaces["pid"], o.Neighbour.Container("one").Namespaces["pid"], "the numbers come again")
			for _, change := range row.changes {
				change(&o)
			}
			err := c.Judge(o)
			switch row.want {
			case "":
				require.NoError(t, err)
			case "violation":
				require.True(t, suite.IsViolation(err), "%v", err)
			default:
				require.Error(t, err)
				require.False(t, suite.IsViolation(err) || suite.IsInapplicable(err), "%v", err)
			}
		})
	}
}

// TestNodeHidden: a pod that asks for the node's PID namespace and has a kernel of its own is
// no control, and no fixture; where it shows the node, it is both.
func TestNodeHidden(t *testing.T) {
	hostPID := func(o *suite.Observation) { o.Pod.HostPID = true }
	for id, file := range map[string]string{
		"visibility/not-across-pods":         lookout, // what such a pod shows: its sandbox
		"neighbours/nothing-of-the-node":     lookout,
		"neighbours/sharing-beside-isolated": lookout,
		"neighbours/isolated-beside-sharing": lookout,
		"neighbours/host-pid-sees-the-node":  lookout,
	} {
		t.Run(id, func(t *testing.T) {
			c := named(t, id)
			o := guest(t, c, file)
			hostPID(&o)
			err := c.Judge(o)
			require.True(t, suite.IsInapplicable(err), "%v", err)
			assert.ErrorContains(t, err, "container lookout runs under a kernel of its sandbox's own, 4.19.0-gvisor")
			assert.ErrorContains(t, err, "the node's is 6.18.44")

			o = recorded(t, c, file) // a node whose runtime does not heed hostPID, with the node's kernel
			hostPID(&o)
			o.Node.Kernel = nodesKernel
			o.Before["lookout"].Kernel = nodesKernel
			require.False(t, suite.IsInapplicable(c.Judge(o)))
		})
	}
}

// TestAnotherPID1: a sandbox is a new one by its first process, or by its kernel.
func TestAnotherPID1(t *testing.T) {
	seen := func(start uint64, k probe.Kernel) *probe.Snapshot {
		return &probe.Snapshot{Container: "killer", Kernel: k, Processes: []probe.Process{{PID: 1, StartTime: start, Comm: "pause"}}}
	}
	at := func(id string, booted uint64) probe.Kernel {
		return probe.Kernel{BootID: id, Release: "4.19.0-gvisor", BootTime: booted}
	}
	for name, row := range map[string]struct {
		before, after *probe.Snapshot
		want          string
	}{
		"another start time":                      {seen(10, probe.Kernel{}), seen(12, probe.Kernel{}), ""},
		"the same, of one kernel":                 {seen(10, nodesKernel), seen(10, nodesKernel), "violation"},
		"the same, of kernels unknown":            {seen(10, probe.Kernel{}), seen(10, probe.Kernel{}), "violation"},
		"the same by chance, of two kernels":      {seen(10, at("a", 5000)), seen(10, at("b", 5007)), ""},
		"the same, the container was started new": {seen(10, at("a", 5000)), seen(10, at("b", 5000)), "cannot tell"},
		"not seen": {seen(10, probe.Kernel{}), &probe.Snapshot{}, "cannot tell"},
	} {
		t.Run(name, func(t *testing.T) {
			err := anotherPID1(row.before, row.after)
			require.Equal(t, row.want == "", err == nil, "%v", err)
			require.Equal(t, row.want == "violation", suite.IsViolation(err), "%v", err)
		})
	}
}

// TestSamePID1UnderANewKernel: a process that has, by chance, the PID and the start time of
// the last sandbox's is another one.
func TestSamePID1UnderANewKernel(t *testing.T) {
	c := named(t, "pid1/hangup-reaches-the-sandbox")
	o := guest(t, c, c.Fixture)
	require.NoError(t, c.Judge(o))
	for _, s := range o.After {
		s.Kernel.BootTime += 9
	}
	require.True(t, suite.IsViolation(c.Judge(o)))
}

// TestGuestPods: what a conformant pod shows under a kernel of its sandbox's own is judged as
// any other; what such a kernel does not say cannot be told, or does not apply.
func TestGuestPods(t *testing.T) {
	untold := map[string]func(error) bool{
		"pid1/sandbox-handlers": func(err error) bool {
			return err != nil && !suite.IsViolation(err) && strings.Contains(err.Error(), "SigCgt")
		},
		"neighbours/host-pid-sees-the-node": suite.IsViolation, // recorded with the node's processes
	}
	for _, c := range every() {
		if area := c.Area(); area == throughUpgrade.Name || area == "init" || area == "sidecar" || c.Submit.Dry() {
			continue // what their containers wrote down is of the recorded node's kernel
		}
		t.Run(c.ID, func(t *testing.T) {
			o := recorded(t, c, c.Fixture)
			if len(o.Before) == 0 || len(o.Notes)+len(o.Ran)+len(o.Copies) > 0 {
				return // what the act noted speaks of the recorded node's processes
			}
			o = guest(t, c, c.Fixture)
			err := c.Judge(o)
			if told, ok := untold[c.ID]; ok {
				require.True(t, told(err), "%v", err)
				return
			}
			require.NoError(t, err)
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

// TestUnsaidFields: a field of /proc that a kernel does not have is no answer, neither yes
// nor no.
func TestUnsaidFields(t *testing.T) {
	everywhere := func(change func(*probe.Process)) func(*suite.Observation) {
		return func(o *suite.Observation) {
			for name := range o.Before {
				edit(o, name, func(probe.Process) bool { return true }, change)
			}
		}
	}
	for name, row := range map[string]struct {
		id      string
		without func(*suite.Observation)
	}{
		"SigCgt":              {"pid1/sandbox-handlers", everywhere(func(p *probe.Process) { p.SigCgt = "" })},
		"CapEff, with it":     {"signals/works-with-sys-ptrace", everywhere(func(p *probe.Process) { p.CapEff = "" })},
		"CapEff, without it":  {"signals/works-without-sys-ptrace", everywhere(func(p *probe.Process) { p.CapEff = "" })},
		"ns/pid":              {"lifecycle/exec-joins", everywhere(func(p *probe.Process) { p.NSPID = probe.Access{Errno: probe.Unknown} })},
		"ns/user":             {"visibility/other-namespaces", func(o *suite.Observation) { delete(o.Before["two"].Namespaces, "user") }},
		"ns/user of a mapped": {"security/user-namespace", func(o *suite.Observation) { delete(o.Before["two"].Namespaces, "user") }},
		"uid_map":             {"security/user-namespace", func(o *suite.Observation) { o.Before["one"].UIDMap = "" }},
	} {
		t.Run(name, func(t *testing.T) {
			c := named(t, row.id)
			o := recorded(t, c, c.Fixture)
			require.NoError(t, c.Judge(o))
			row.without(&o)
			err := c.Judge(o)
			require.Error(t, err)
			require.False(t, suite.IsViolation(err) || suite.IsInapplicable(err), "%v", err)
		})
	}
	c := named(t, "security/same-user-signals")
	o := recorded(t, c, c.Fixture)
	require.NoError(t, c.Given(o))
	everywhere(func(p *probe.Process) { p.CapEff = "" })(&o)
	require.ErrorContains(t, c.Given(o), "runs as a user without capabilities")
}

// TestKilledWithTheSandbox: a session that ends PID 1, and dies with it, tells no more; that
// PID 1 is another one is the answer.
func TestKilledWithTheSandbox(t *testing.T) {
	c := named(t, "pid1/protected-from-inside")
	o := recorded(t, c, c.Fixture)
	o.Ran["pid1"] = probe.CommandResult{Code: 137}
	err := c.Judge(o)
	require.Error(t, err)
	require.False(t, suite.IsViolation(err), "PID 1 is still there: %v", err)
	for _, s := range o.After {
		editIn(o.After, s.Container, isPID1, func(p *probe.Process) { p.StartTime++ })
	}
	require.True(t, suite.IsViolation(c.Judge(o)))
}

// sendingHands act in a pod as it was recorded, and keep which signals are sent to PID 1.
type sendingHands struct {
	suite.Hands
	seen suite.Observation
	sent map[string][]string // by the sender
}

func (h *sendingHands) Before() suite.Observation { return h.seen }

func (h *sendingHands) Exec(_ context.Context, name, _ string, command ...string) (probe.CommandResult, error) {
	h.sent[name] = command[4:]
	return probe.CommandResult{}, nil
}

func (h *sendingHands) Observe(_ context.Context, container string) (*probe.Snapshot, error) {
	return h.seen.Container(container), nil
}

func (h *sendingHands) Note(string, string) {}

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
			o.Notes = nil
		}, "violation"},
		{"PID 1 has ended of what the other sent", "root", func(o *suite.Observation) {
			another(o)
			delete(o.Ran, "root")
			o.Notes = nil
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
			o.Notes["PID 1 after user"] = encoded(first)
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
