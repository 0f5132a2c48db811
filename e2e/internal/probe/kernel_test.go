package probe

import (
	"os"
	"testing"

	"gotest.tools/v3/assert"
)

// TestKernelsBeside: what is told of two kernels by what two containers show of theirs.
func TestKernelsBeside(t *testing.T) {
	const a, b = testBootID, "5d0f6c2a-8a86-4d0b-8f0e-0123456789ab"
	for name, row := range map[string]struct {
		one, other Kernel
		want       Kernels
	}{
		"nothing known":                             {Kernel{}, Kernel{}, KernelsUnknown},
		"one boot ID":                               {Kernel{BootID: a}, Kernel{BootID: a}, OneKernel},
		"one boot ID, the clock was set":            {Kernel{a, "6.1", 1000}, Kernel{a, "6.1", 5000}, OneKernel},
		"two boot IDs (gVisor: of one pod, too)":    {Kernel{a, "4.4.0", 1000}, Kernel{b, "4.4.0", 1000}, KernelsUnknown},
		"two boot IDs, booted within a second":      {Kernel{a, "4.4.0", 1000}, Kernel{b, "4.4.0", 1001}, KernelsUnknown},
		"two boot IDs, booted one after the other":  {Kernel{a, "4.4.0", 1000}, Kernel{b, "4.4.0", 1002}, TwoKernels},
		"other releases":                            {Kernel{a, "4.19.0-gvisor", 1000}, Kernel{b, "6.18.44", 1000}, TwoKernels},
		"other releases, nothing else known":        {Kernel{Release: "4.19.0-gvisor"}, Kernel{Release: "6.18.44"}, TwoKernels},
		"no boot ID, other boot times":              {Kernel{Release: "6.1", BootTime: 1000}, Kernel{Release: "6.1", BootTime: 5000}, KernelsUnknown},
		"one boot ID, the other not read":           {Kernel{a, "6.1", 1000}, Kernel{"", "6.1", 1000}, KernelsUnknown},
		"two boot IDs, one boot time was not read":  {Kernel{a, "6.1", 1000}, Kernel{b, "6.1", 0}, KernelsUnknown},
		"one boot ID, a release that is overridden": {Kernel{a, "6.1", 0}, Kernel{a, "2.6.60", 0}, OneKernel},
	} {
		assert.Equal(t, row.one.Beside(row.other), row.want, name)
		assert.Equal(t, row.other.Beside(row.one), row.want, name)
	}
}

// TestKernelRead: what cannot be read, or is in no form of the kernel's, is left out.
func TestKernelRead(t *testing.T) {
	for text, want := range map[string]Kernel{
		"":                               {},
		testBootID + "\n6.18.44\n":       {BootID: testBootID, Release: "6.18.44"},
		"4.19.0-gvisor\n":                {Release: "4.19.0-gvisor"},
		testBootID + "\n":                {BootID: testBootID},
		"5.15.0-1_pve+~x.y\n":            {Release: "5.15.0-1_pve+~x.y"},
		"6.1 evil\nnot a boot ID\n-1\n":  {},
		"\x1b[31m6.1\n" + testBootID[1:]: {},
	} {
		var k Kernel
		k.read(text)
		assert.Equal(t, k, want, "%q", text)
	}
	for text, want := range map[string]uint64{"btime 1795900000\n": 1795900000, "": 0, "btime x\n": 0, "btime -1\n": 0, "btime 1 2\n": 0, "processes 7\n": 0} {
		assert.Equal(t, bootTime(text), want, "%q", text)
	}
	assert.Equal(t, Kernel{}.String(), "")
	assert.Equal(t, Kernel{BootID: "x"}.String(), "boot ID x")
	assert.Equal(t, Kernel{BootID: "x", Release: "6.1"}.String(), "6.1 boot ID x")
}

// TestParseGVisor: what the script printed in a sandbox of gVisor's (runsc, systrap), whose
// /proc says less than Linux's: what is not said is empty, and all else is read.
func TestParseGVisor(t *testing.T) {
	stdout, err := os.ReadFile("testdata/gvisor.stdout")
	assert.NilError(t, err)
	stderr, err := os.ReadFile("testdata/gvisor.stderr")
	assert.NilError(t, err)
	s, err := parseSnapshot("one", testBoundary, stdout, stderr)
	assert.NilError(t, err)
	assert.Equal(t, s.Kernel.Release, "4.19.0-gvisor")
	assert.Equal(t, len(s.Kernel.BootID), 36)
	assert.Assert(t, s.Kernel.BootTime > 1.7e9)
	assert.Equal(t, s.Namespaces["pid"], uint64(5), "the number that every sandbox has")
	assert.Equal(t, len(s.Namespaces), 6)
	assert.Assert(t, s.ProcMount != "" && s.HidePID() == "" && s.Label == "" && s.LabelOfPID1 == "")
	first, ok := s.Process(1)
	assert.Assert(t, ok && first.PPID == 0 && first.CapEff != "" && first.Environ.OK() && first.Root.OK())
	assert.Equal(t, first.SigCgt+first.Seccomp, "")
	assert.Equal(t, first.NSPID.Text, "pid:[5]")
}
