package cases

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// What CRI-O does otherwise than containerd (1.37.0 with crun and with runc): the process of
// a shared sandbox is root's, with the default capabilities, which are fewer; a pod that does
// not share has no sandbox process at all; and what a container leaves behind in a shared
// namespace lives on until the container is removed (cri-o#5895).

// underCRIO makes a recorded observation what CRI-O's pods show.
func underCRIO(o *suite.Observation) {
	o.Node.Runtime = "cri-o://1.37.0"
	const defaults, were = "00000000000005fb", "00000000a80425fb"
	for _, snapshots := range []map[string]*probe.Snapshot{o.Before, o.After} {
		for _, s := range snapshots {
			for i := range s.Processes {
				p := &s.Processes[i]
				const images = 65535 // the user of pause's image, which is not heeded
				if p.PID == 1 && p.Comm == "pause" && p.UID == images {
					p.UID, p.CapEff, p.CapPrm = 0, defaults, defaults
				}
				if p.CapEff == were {
					p.CapEff, p.CapPrm = defaults, defaults
				}
			}
		}
	}
	for name, ran := range o.Ran {
		for _, target := range []string{"self", "master", "sibling"} {
			ran.Stdout = strings.ReplaceAll(ran.Stdout, "fact "+target+" CapPrm: "+were, "fact "+target+" CapPrm: "+defaults)
			ran.Stdout = strings.ReplaceAll(ran.Stdout, "fact "+target+" CapEff: "+were, "fact "+target+" CapEff: "+defaults)
		}
		o.Ran[name] = ran
	}
}

// TestUnderCRIO: what CRI-O does otherwise makes no claim wrong but those that are about it.
func TestUnderCRIO(t *testing.T) {
	differ := map[string]string{
		"pid1/sandbox-user": "its uid is 0",
	}
	for _, c := range every() {
		if strings.HasPrefix(c.ID, "permissions/") {
			continue // the answers were recorded with other credentials
		}
		t.Run(c.ID, func(t *testing.T) {
			o := recorded(t, c, c.Fixture)
			underCRIO(&o)
			err := c.Judge(o)
			if says, ok := differ[c.ID]; ok {
				require.True(t, suite.IsViolation(err), "%v", err)
				assert.ErrorContains(t, err, says)
				return
			}
			require.NoError(t, err)
		})
	}
}

// TestSandboxOfRoot: a sandbox that runs as root is told as that, and not as an answer that
// cannot be judged.
func TestSandboxOfRoot(t *testing.T) {
	c := named(t, "permissions/sandbox-is-another-user")
	o := recorded(t, c, c.Fixture)
	for _, caller := range everyCaller {
		rewrite(&o, caller, `(?m)^fact pause Uid: .*$`, "fact pause Uid: 0\t0\t0\t0")
		rewrite(&o, caller, `(?m)^fact pause Gid: .*$`, "fact pause Gid: 0\t0\t0\t0")
		rewrite(&o, caller, `(?m)^fact pause owner: .*$`, "fact pause owner: 0 0")
		rewrite(&o, caller, `(?m)^(fact pause Cap...:) .*$`, "$1 00000000000005fb")
	}
	err := c.Judge(o)
	require.True(t, suite.IsViolation(err), "%v", err)
	assert.ErrorContains(t, err, "it is uid 0's")
}

// TestLeftoversOfCRIO: a background process that lives on as PID 1's child, in the restarted
// container's namespace, is found in every case that is about it.
func TestLeftoversOfCRIO(t *testing.T) {
	for id, leftover := range map[string]func(*suite.Observation) func(probe.Process) bool{
		"lifecycle/leftovers-die":                marking("daemon"),
		"lifecycle/no-leftovers-however-it-ends": childOf("finished"),
	} {
		t.Run(id, func(t *testing.T) {
			c := named(t, id)
			o := recorded(t, c, c.Fixture)
			underCRIO(&o)
			require.NoError(t, c.Judge(o))
			container := "victim"
			if o.Container(container).Failure != "" {
				container = "finished"
			}
			p, ok := o.Container(container).Find(leftover(&o))
			require.True(t, ok)
			p.PPID = 1
			for _, s := range o.After {
				s.Processes = append(s.Processes, p)
			}
			require.True(t, suite.IsViolation(c.Judge(o)))

			o = recorded(t, c, c.Fixture) // or it was still there when kubelet told of the end
			o.Saw.Left = &[]suite.Leftover{{Identity: p.Identity(), Command: p.Command()}}
			require.True(t, suite.IsViolation(c.Judge(o)))
		})
	}
}

// TestIsolatedUnderCRIO: a pod that does not share and has no sandbox process is right, and
// so is what its containers see: themselves.
func TestIsolatedUnderCRIO(t *testing.T) {
	for _, id := range []string{"isolation/field-absent", "isolation/field-false"} {
		c := named(t, id)
		o := recorded(t, c, c.Fixture)
		underCRIO(&o)
		for name, s := range o.Before {
			_, pause := s.Find(func(p probe.Process) bool { return p.Comm == "pause" })
			require.False(t, pause, name)
		}
		require.NoError(t, c.Judge(o), id)
	}
}

// ranOnNode is a pod client that notes what is run on the pod's node.
type ranOnNode struct {
	suite.PodClient
	runtime string
	ran     []string
}

func (h *ranOnNode) Before() suite.Observation {
	return suite.Observation{Node: suite.NodeFacts{Runtime: h.runtime}}
}

func (h *ranOnNode) Node(_ context.Context, _ string, command ...string) (probe.CommandResult, error) {
	h.ran = append(h.ran, strings.Join(command, " "))
	return probe.CommandResult{}, nil
}

// TestNodesOwnRuntime: what is restarted, and what crictl asks, is what the node says that
// it runs; nothing is restarted in place of a runtime that is not known.
func TestNodesOwnRuntime(t *testing.T) {
	for runtime, row := range map[string]struct{ restarts, crictl string }{
		"containerd://2.4.2": {"systemctl restart containerd", "env CONTAINER_RUNTIME_ENDPOINT=unix:///run/containerd/containerd.sock true"},
		"cri-o://1.37.0":     {"systemctl restart crio", "env CONTAINER_RUNTIME_ENDPOINT=unix:///run/crio/crio.sock true"},
		"docker://28.5.2":    {"systemctl restart docker cri-docker", "env CONTAINER_RUNTIME_ENDPOINT=unix:///run/cri-dockerd.sock true"},
		"another://1":        {"", "env true"},
	} {
		t.Run(runtime, func(t *testing.T) {
			h := &ranOnNode{runtime: runtime}
			err := restartRuntime.Do(t.Context(), h)
			if row.restarts == "" {
				require.ErrorContains(t, err, `"another://1"`)
				require.Empty(t, h.ran)
			} else {
				require.NoError(t, err)
				require.Equal(t, []string{row.restarts}, h.ran)
			}
			assert.Equal(t, row.crictl, strings.Join(withCRI(h, "true"), " "))
		})
	}
}
