package probe

import (
	"strings"
	"testing"

	"gotest.tools/v3/assert"
)

func TestConfines(t *testing.T) {
	for label, want := range map[string]bool{
		"":                                     false,
		"unconfined":                           false,
		"unconfined\n":                         false,
		"kernel\x00":                           false,
		"cri-containerd.apparmor.d (enforce)":  true,
		"crio-default (enforce)\n":             true,
		"docker-default (kill)":                true,
		"cri-containerd.apparmor.d (complain)": false,
		"busybox (unconfined)":                 false,
		"unconfined (enforce)":                 false,
		"cri-containerd.apparmor.d//&unconfined (enforce)":      true,
		"cri-containerd.apparmor.d//&:k8s:unconfined (mixed)":   true,
		"system_u:system_r:container_t:s0:c1,c2":                true,
		"system_u:system_r:container_t:s0:c1,c2\x00":            true,
		"system_u:system_r:spc_t:s0":                            false,
		"unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023": false,
		"system_u:system_r:container_init_t:s0:c12,c345":        true,
		"_":      true, // Smack's floor
		"System": true,
	} {
		assert.Equal(t, Confines(label), want, "%q", label)
	}
}

func FuzzConfines(f *testing.F) {
	f.Add("cri-containerd.apparmor.d (enforce)")
	f.Add("system_u:system_r:container_t:s0:c1,c2\x00")
	f.Add("unconfined\n")
	f.Add("\v\x00")
	f.Fuzz(func(t *testing.T, label string) {
		confines := Confines(label)
		if confines && strings.Trim(label, "\x00 \n\t") == "" {
			t.Errorf("nothing confines: %q", label)
		}
		if confines != Confines(label+"\n") {
			t.Errorf("a line break decides: %q", label)
		}
		s := Snapshot{Container: "one", Label: label}
		if (s.Confinement() == "") == confines {
			t.Errorf("%q confines: %v, described as %q", label, confines, s.Confinement())
		}
		if lines := strings.Count(s.Table(), "\n"); lines != 2 {
			t.Errorf("a label can forge a line of the table: %q", s.Table())
		}
	})
}

func TestHidePID(t *testing.T) {
	for options, want := range map[string]string{
		"":                          "",
		"rw,nosuid,relatime":        "",
		"rw,hidepid=invisible":      "hidepid=invisible",
		"rw,hidepid=2,gid=4":        "hidepid=2",
		"rw,hidepid=0":              "",
		"rw,hidepid=off,subset=pid": "",
	} {
		s := Snapshot{Container: "one", ProcMount: options}
		assert.Equal(t, s.HidePID(), want, options)
		assert.Equal(t, strings.Contains(s.Table(), "/proc with"), want != "", options)
	}
}

func TestConfinement(t *testing.T) {
	s := Snapshot{Container: "one", Self: 9, Processes: []Process{{PID: 9, Seccomp: "2", Observer: true}}}
	assert.Equal(t, s.Confinement(), "")
	assert.Assert(t, s.Seccomp())
	assert.Assert(t, !strings.Contains(s.Table(), "label"))
	s.Label, s.LabelOfPID1 = "cri-containerd.apparmor.d (enforce)", "unconfined"
	assert.Equal(t, s.Confinement(), `security label "cri-containerd.apparmor.d (enforce)" (PID 1: "unconfined")`)
	assert.Assert(t, strings.Contains(s.Table(), s.Confinement()))
	s.LabelOfPID1 = s.Label
	assert.Equal(t, s.Confinement(), `security label "cri-containerd.apparmor.d (enforce)"`)
}
