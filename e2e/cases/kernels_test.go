package cases

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

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

// againUnderAnotherKernel has every container see, after the act, also what it saw before, by PID and
// start time, but under a kernel that booted later.
func againUnderAnotherKernel(o *suite.Observation) {
	for name, s := range o.After {
		s.Kernel.BootTime += 9
		for _, p := range o.Container(name).Processes {
			if _, taken := s.Process(p.PID); !taken {
				s.Processes = append(s.Processes, p)
			}
		}
	}
}

// TestNothingOutlivesItsKernel: a process that has, by chance, the PID and the start time of one that
// was seen under the last sandbox's kernel is another one: nothing is left of the old one, and it
// does not stay.
func TestNothingOutlivesItsKernel(t *testing.T) {
	for id, want := range map[string]string{
		"lifecycle/leftovers-die":                 "yes",
		"lifecycle/no-leftovers-however-it-ends":  "yes",
		"reaping/orphan":                          "yes",
		"reaping/exec":                            "yes",
		"reaping/exec-probe-timeouts":             "yes",
		"lifecycle/restarted-container-shares":    "yes", // with its siblings, in a namespace of that number
		"lifecycle/kill-spares-the-siblings":      "violation",
		"lifecycle/restart-all-keeps-the-sandbox": "violation",
		"lifecycle/resize-keeps-the-processes":    "violation",
		"debug/exit-gives-a-new-shell":            "violation",
		"admission/immutable-by-merge-patch":      "violation",
		"stress/rapid-restarts":                   "violation",
	} {
		t.Run(id, func(t *testing.T) {
			c := named(t, id)
			o := guest(t, c, c.Fixture)
			for _, killed := range []suite.Sight{o.Saw.Orphan, o.Saw.Command} {
				if killed.Own != nil { // both see it in the new sandbox
					for _, s := range o.After {
						s.Processes = append(s.Processes, *killed.Own)
					}
				}
			}
			againUnderAnotherKernel(&o)
			err := c.Judge(o)
			require.Equal(t, want, answer(err), "%v", err)
		})
	}
}

// TestNothingIsLeftUnderAnotherKernel: nor does the act note it as something that was left.
func TestNothingIsLeftUnderAnotherKernel(t *testing.T) {
	c := named(t, "lifecycle/leftovers-die")
	for later, left := range map[uint64]int{0: 1, 9: 0} {
		h := &lookingHands{before: guest(t, c, c.Fixture), seen: guest(t, c, c.Fixture)}
		kernel := &h.seen.Before["killer"].Kernel
		kernel.BootID, kernel.BootTime = "of another mount", kernel.BootTime+later
		child, ok := h.before.Container("killer").Find(marking("child")(&h.before))
		require.True(t, ok)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_ = noteLeftovers(ctx, h, "killer", []probe.Process{child}) // it looks until nothing is left, or the time is over
		require.NotNil(t, h.saw.Left)
		require.Len(t, *h.saw.Left, left)
	}
}

// lookingHands look at a pod a second time.
type lookingHands struct {
	suite.PodClient
	before, seen suite.Observation
	saw          suite.Saw
}

func (h *lookingHands) Before() suite.Observation { return h.before }

func (h *lookingHands) Observe(_ context.Context, container string) (*probe.Snapshot, error) {
	return h.seen.Container(container), nil
}

func (h *lookingHands) Note(what func(*suite.Saw)) { what(&h.saw) }

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
	require.NoError(t, c.Precondition(o))
	everywhere(func(p *probe.Process) { p.CapEff = "" })(&o)
	require.ErrorContains(t, c.Precondition(o), "runs as a user without capabilities")
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
