package cases

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// recorded reads an observation of a manifest, with the act done upon it, as a
// run on a real cluster saved it (observation.json in the evidence).
func recorded(t *testing.T, c suite.Case, file string) suite.Observation {
	t.Helper()
	read := func(file string, act *suite.Act) suite.Observation {
		name := strings.TrimSuffix(file, ".yaml")
		if act != nil {
			name += "." + act.Name
		}
		raw, err := os.ReadFile(filepath.Join("testdata", "recorded", name+".json"))
		require.NoError(t, err, "record it: scripts/record-observations.sh")
		var o suite.Observation
		require.NoError(t, json.Unmarshal(raw, &o))
		return o
	}
	o := read(file, c.Act)
	if c.Neighbour != "" {
		neighbour := read(c.Neighbour, nil)
		o.Neighbour = &neighbour
	}
	return o
}

// TestJudgesOnRecordedPods: each judge says yes to the conformant pod, and no to
// the control.
func TestJudgesOnRecordedPods(t *testing.T) {
	for _, c := range All() {
		t.Run(c.ID, func(t *testing.T) {
			fixture := recorded(t, c, c.Fixture)
			if c.Given != nil {
				require.NoError(t, c.Given(fixture))
			}
			require.NoError(t, c.Judge(fixture))
			if c.Record != nil {
				assert.NotEmpty(t, c.Record(fixture))
			}
			if c.Control != "" {
				err := c.Judge(recorded(t, c, c.Control))
				require.Error(t, err, "the control does not bite")
				assert.True(t, suite.IsViolation(err), "%v", err)
			}
		})
	}
}

// TestJudgesNeverAcceptNothing: an observation in which nothing was seen is
// never conformant, and no proof of the contrary either where a case can tell.
func TestJudgesNeverAcceptNothing(t *testing.T) {
	for _, c := range All() {
		t.Run(c.ID, func(t *testing.T) {
			assert.Error(t, c.Judge(suite.Observation{}))
			blind := recorded(t, c, c.Fixture)
			for _, snapshots := range []map[string]*probe.Snapshot{blind.Before, blind.After} {
				for name := range snapshots {
					snapshots[name] = &probe.Snapshot{Container: name, Failure: "exec was refused"}
				}
			}
			blind.Notes, blind.Ran = nil, nil
			blind.Pod.Sharing = "absent"
			blind.Pod.Containers = nil
			assert.Error(t, c.Judge(blind))
		})
	}
}

// breakage is a fault no real cluster here shows, made by hand in an observation
// of a conformant pod.
type breakage struct {
	name  string
	apply func(o *suite.Observation)
}

// edit changes every process of a container's snapshots that is chosen.
func edit(o *suite.Observation, container string, chosen func(probe.Process) bool, change func(*probe.Process)) {
	for _, snapshots := range []map[string]*probe.Snapshot{o.Before, o.After} {
		editIn(snapshots, container, chosen, change)
	}
}

func editIn(snapshots map[string]*probe.Snapshot, container string, chosen func(probe.Process) bool, change func(*probe.Process)) {
	s := snapshots[container]
	if s == nil {
		return
	}
	for i := range s.Processes {
		if chosen(s.Processes[i]) {
			change(&s.Processes[i])
		}
	}
}

// hide removes processes from what a container sees.
func hide(o *suite.Observation, container string, chosen func(probe.Process) bool) {
	for _, snapshots := range []map[string]*probe.Snapshot{o.Before, o.After} {
		if s := snapshots[container]; s != nil {
			s.Processes = slices.DeleteFunc(s.Processes, chosen)
		}
	}
}

func isPID1(p probe.Process) bool  { return p.PID == 1 }
func isNginx(p probe.Process) bool { return p.Comm == "nginx" }
func withMarker(o *suite.Observation, name string) func(probe.Process) bool {
	marker := o.Markers[name]
	return func(p probe.Process) bool { return p.Has(marker) }
}

// The faults that several cases must find.
var (
	hangUpIgnored = breakage{"SIGHUP changes nothing", func(o *suite.Observation) {
		o.After = o.Before
		o.Notes["ps-after"] = o.Notes["ps-before"]
	}}
	masterReplaced = breakage{"SIGHUP restarts the master", func(o *suite.Observation) {
		editIn(o.After, "nginx", func(p probe.Process) bool { return isNginx(p) && p.PPID == 0 }, func(p *probe.Process) { p.StartTime++ })
	}}
	workersGone = breakage{"SIGHUP leaves no worker", func(o *suite.Observation) {
		o.After["nginx"].Processes = slices.DeleteFunc(o.After["nginx"].Processes, func(p probe.Process) bool { return isNginx(p) && p.PPID != 0 })
	}}
	containerRestarted = breakage{"a container restarts", func(o *suite.Observation) {
		c := o.AfterPod.Containers["nginx"]
		c.Restarts++
		o.AfterPod.Containers["nginx"] = c
	}}
	masterHidden = breakage{"the sibling does not see nginx", func(o *suite.Observation) {
		for container := range o.Before {
			if container != "nginx" {
				hide(o, container, isNginx)
			}
		}
	}}
	killRefused = breakage{"kill is refused", func(o *suite.Observation) {
		o.Ran["hangup"] = probe.CommandResult{Code: 1, Stderr: "kill: Operation not permitted"}
	}}
	emptyPS = breakage{"ps prints a fixed text", func(o *suite.Observation) {
		o.Notes["ps-before"] = "PID   USER     TIME  COMMAND\n    1 root      0:00 /pause\n    8 root      0:00 nginx: master process nginx -g daemon off;\n   14 101       0:00 nginx: worker process\n   15 root      0:00 sh\n   21 root      0:00 ps ax\n"
		o.Notes["ps-after"] = o.Notes["ps-before"]
	}}
	otherFile      = breakage{"head prints another file", func(o *suite.Observation) { o.Notes["head"] = "user nobody;\n" }}
	nothingPrinted = breakage{"exec reports success and prints nothing", func(o *suite.Observation) {
		o.Notes["head"], o.Notes["prompt"] = "", ""
	}}
)

func fileRefused(container, path string, errno probe.Errno) breakage {
	return breakage{container + ": " + path + " " + string(errno), func(o *suite.Observation) {
		edit(o, container, func(p probe.Process) bool { return true }, func(p *probe.Process) {
			if _, ok := p.Files[path]; ok {
				p.Files[path] = probe.Access{Errno: errno, Message: "made by hand"}
			}
		})
	}}
}

func fileRead(container, path, marker string) breakage {
	return breakage{container + ": " + path + " is readable", func(o *suite.Observation) {
		edit(o, container, func(p probe.Process) bool { return true }, func(p *probe.Process) {
			if _, ok := p.Files[path]; ok {
				p.Files[path] = probe.Access{Text: o.Markers[marker]}
			}
		})
	}}
}

func fileDiffers(container, path string) breakage {
	return breakage{container + ": " + path + " is another file", func(o *suite.Observation) {
		edit(o, container, func(p probe.Process) bool { return true }, func(p *probe.Process) {
			if a, ok := p.Files[path]; ok && a.OK() {
				p.Files[path] = probe.Access{Text: a.Text + " "}
			}
		})
	}}
}

func hidden(container, marker string) breakage {
	return breakage{container + " does not see " + marker, func(o *suite.Observation) { hide(o, container, withMarker(o, marker)) }}
}

func namespaceOf(container string) breakage {
	return breakage{container + " has another PID namespace", func(o *suite.Observation) {
		o.Before[container].Namespaces["pid"]++
	}}
}

func pidReused(container, marker string) breakage {
	return breakage{container + " sees another process with " + marker + "'s PID", func(o *suite.Observation) {
		edit(o, container, withMarker(o, marker), func(p *probe.Process) { p.StartTime++ })
	}}
}

// breakages has at least one fault for each case, which its judge must find.
var breakages = map[string][]breakage{
	"version/field-is-kept": {
		{"the field is stored as false", func(o *suite.Observation) { o.Pod.Sharing = "false" }},
		{"the field is dropped", func(o *suite.Observation) { o.Pod.Sharing = "absent" }},
	},
	"walkthrough/manifest-runs": {
		namespaceOf("shell"),
		{"nginx was restarted", func(o *suite.Observation) {
			c := o.Pod.Containers["nginx"]
			c.Restarts = 1
			o.Pod.Containers["nginx"] = c
		}},
	},
	"walkthrough/attach-prompt":     {nothingPrinted},
	"walkthrough/attach-ps":         {emptyPS},
	"walkthrough/attach-hangup":     {emptyPS, hangUpIgnored, masterReplaced, workersGone},
	"walkthrough/attach-nginx-conf": {nothingPrinted, otherFile},
	"walkthrough/exec-ps":           {emptyPS},
	"walkthrough/exec-hangup":       {emptyPS, hangUpIgnored, masterReplaced, workersGone},
	"walkthrough/exec-nginx-conf":   {nothingPrinted, otherFile},
	"pid1/is-the-sandbox": {
		{"PID 1 is an application", func(o *suite.Observation) {
			for c := range o.Before {
				edit(o, c, isPID1, func(p *probe.Process) { p.Argv = []string{"/usr/sbin/app"} })
			}
		}},
		{"each container has its own pause", func(o *suite.Observation) {
			edit(o, "shell", isPID1, func(p *probe.Process) { p.StartTime++ })
		}},
		{"PID 1 is hidden", func(o *suite.Observation) { hide(o, "nginx", isPID1) }},
		{"a process is older than PID 1", func(o *suite.Observation) {
			edit(o, "nginx", isNginx, func(p *probe.Process) { p.StartTime = 1 })
		}},
	},
	"pid1/no-container-is": {
		{"one container's process is PID 1", func(o *suite.Observation) {
			edit(o, "two", withMarker(o, "two"), func(p *probe.Process) { p.PID = 1 })
		}},
		{"one container's process is a child of PID 1", func(o *suite.Observation) {
			edit(o, "two", withMarker(o, "two"), func(p *probe.Process) { p.PPID = 1 })
		}},
	},
	"pid1/hangup-reaches-the-sandbox": {
		masterReplaced, workersGone, containerRestarted,
		{"the sandbox is replaced", func(o *suite.Observation) {
			editIn(o.After, "nginx", isPID1, func(p *probe.Process) { p.StartTime++ })
		}},
		{"nginx reloads", func(o *suite.Observation) {
			editIn(o.After, "nginx", func(p probe.Process) bool { return isNginx(p) && p.PPID != 0 }, func(p *probe.Process) { p.StartTime++ })
		}},
	},
	"pid1/demanding-image-refuses": {
		{"the image runs", func(o *suite.Observation) {
			o.Pod.Containers["demanding"] = suite.ContainerState{Ready: true, Running: true}
		}},
		{"it ends for another reason", func(o *suite.Observation) {
			code := 1
			o.Pod.Containers["demanding"] = suite.ContainerState{ExitCode: &code}
		}},
	},
	"visibility/every-ordered-pair": {hidden("one", "two"), hidden("two", "one"), hidden("three", "one"), pidReused("one", "three")},
	"visibility/one-namespace":      {namespaceOf("one"), namespaceOf("three")},
	"visibility/not-across-pods": {
		{"the other pod's process is visible", func(o *suite.Observation) {
			edit(o, "lookout", func(p probe.Process) bool { return p.PID == 1 }, func(p *probe.Process) { p.Argv = append(p.Argv, o.Neighbour.Markers["two"]) })
		}},
		{"both pods share one namespace", func(o *suite.Observation) {
			o.Before["lookout"].Namespaces["pid"] = o.Neighbour.Before["two"].Namespaces["pid"]
		}},
	},
	"signals/hangup-replaces-workers": {
		hangUpIgnored, masterReplaced, workersGone, containerRestarted, masterHidden, killRefused,
		{"nginx does not answer", func(o *suite.Observation) { o.Ran["http"] = probe.CommandResult{Code: 1} }},
	},
	"signals/works-with-sys-ptrace": {
		hangUpIgnored, killRefused, masterHidden,
		{"the capability is dropped", func(o *suite.Observation) {
			edit(o, "shell", func(p probe.Process) bool { return p.Observer }, func(p *probe.Process) { p.CapEff = "00000000a80425fb" })
		}},
	},
	"signals/works-without-sys-ptrace": {hangUpIgnored, killRefused},
	"signals/log-rotation": {
		masterHidden, masterReplaced, containerRestarted,
		{"nginx keeps writing to the moved log", func(o *suite.Observation) {
			o.Ran["rotate"] = probe.CommandResult{Code: 2}
		}},
		{"a line is lost", func(o *suite.Observation) {
			a := o.After["nginx"].Files[accessLog+".1"]
			a.Text = strings.Replace(a.Text, " /request-0 ", " / ", 1)
			o.After["nginx"].Files[accessLog+".1"] = a
		}},
		{"a line stands twice", func(o *suite.Observation) {
			a := o.After["nginx"].Files[accessLog]
			a.Text += `"GET /request-0 HTTP/1.1"`
			o.After["nginx"].Files[accessLog] = a
		}},
	},
	"filesystem/nginx-conf":          {fileRefused("shell", nginxConf, probe.EACCES), fileDiffers("shell", nginxConf), masterHidden},
	"filesystem/image-without-shell": {hidden("shell", "bare"), fileRefused("shell", "/pause", probe.EACCES)},
	"filesystem/writable-layer":      {hidden("shell", "app"), fileRefused("shell", "/written-at-runtime", probe.ENOENT), fileDiffers("shell", "/written-at-runtime")},
	"filesystem/emptydir":            {hidden("shell", "app"), fileRefused("shell", "/scratch/file", probe.EACCES), fileDiffers("shell", "/scratch/file")},
	"filesystem/mounted-secret":      {hidden("shell", "app"), fileRefused("shell", "/secret/password", probe.ENOENT), fileDiffers("shell", "/secret/password")},
	"secrets/argument-readable-by-any-user": {
		hidden("other", "argument"), hidden("same", "argument"), hidden("page", "argument"), hidden("opener", "argument"),
	},
	"secrets/environment-readable": {
		environ("page", probe.Access{Errno: probe.EACCES}), environ("same", probe.Access{Errno: probe.EACCES}),
		environ("page", probe.Access{Text: "PASSWORD=another\x00"}), environ("same", probe.Access{}),
	},
	"secrets/environment-guarded": {
		environ("other", probe.Access{Text: "PASSWORD=\x00"}), environ("other", probe.Access{Errno: probe.EPERM}),
		environ("other", probe.Access{Errno: probe.ENOENT}), hidden("other", "argument"),
	},
	"secrets/root-guarded":              {fileRead("other", readableFile, "readable"), fileRefused("other", readableFile, probe.ENOENT)},
	"secrets/file-guarded-by-mode":      {fileRead("opener", privateFile, "private"), fileRefused("opener", readableFile, probe.EACCES)},
	"secrets/file-readable-by-its-user": {fileRefused("same", privateFile, probe.EACCES), fileRefused("page", privateFile, probe.EACCES)},
	"isolation/field-absent":            sharesAnyway,
	"isolation/field-false":             sharesAnyway,
}

var sharesAnyway = []breakage{
	{"two containers share a namespace", func(o *suite.Observation) {
		o.Before["one"].Namespaces["pid"] = o.Before["two"].Namespaces["pid"]
	}},
	{"a sibling's process is visible", func(o *suite.Observation) {
		p, _ := o.Container("two").Find(withMarker(o, "two"))
		p.PID, p.PPID = 9999, 1
		o.Before["one"].Processes = append(o.Before["one"].Processes, p)
	}},
	{"the first process is not PID 1", func(o *suite.Observation) {
		edit(o, "three", withMarker(o, "three"), func(p *probe.Process) { p.PID = 7 })
	}},
	{"another process has its parent outside", func(o *suite.Observation) {
		o.Before["one"].Processes = append(o.Before["one"].Processes, probe.Process{PID: 9999, Comm: "stranger"})
	}},
}

func environ(container string, access probe.Access) breakage {
	return breakage{container + ": environ " + access.String(), func(o *suite.Observation) {
		edit(o, container, withMarker(o, "argument"), func(p *probe.Process) { p.Environ = access })
	}}
}

// TestJudgesFindBreakages proves of each case that it can fail, for each fault
// that is listed for it.
func TestJudgesFindBreakages(t *testing.T) {
	for _, c := range All() {
		faults := breakages[c.ID]
		if assert.NotEmpty(t, faults, "%s: no fault is known that this case finds", c.ID) {
			for _, fault := range faults {
				t.Run(c.ID+"/"+fault.name, func(t *testing.T) {
					o := recorded(t, c, c.Fixture)
					fault.apply(&o)
					err := c.Judge(o)
					require.Error(t, err, "the judge did not notice")
					var finding *suite.Finding
					require.True(t, errors.As(err, &finding), "judges answer with findings: %v", err)
					assert.False(t, finding.CannotTell, "expected a violation: %v", err)
				})
			}
		}
	}
	for id := range breakages {
		assert.True(t, slices.ContainsFunc(All(), func(c suite.Case) bool { return c.ID == id }), "%s is no case", id)
	}
}
