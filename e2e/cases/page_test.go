package cases

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// pageBreakages are the faults that the page's own cases must find.
var pageBreakages = map[string][]breakage{
	"version/field-is-kept": {stored("false"), stored("absent")},
	"walkthrough/manifest-runs": {
		namespaceOf("shell"),
		{"nginx was restarted", func(o *suite.Observation) {
			c := o.Pod.Containers["nginx"]
			c.Restarts = 1
			o.Pod.Containers["nginx"] = c
		}},
	},
	"walkthrough/english-manifest-runs": {
		namespaceOf("shell"),
		{"the shell container was restarted", func(o *suite.Observation) {
			c := o.Pod.Containers["shell"]
			c.Restarts = 1
			o.Pod.Containers["shell"] = c
		}},
	},
	"walkthrough/english-ps": {emptyPS, {"sleep is missing", func(o *suite.Observation) {
		o.Saw.Page.PSBefore = strings.ReplaceAll(o.Saw.Page.PSBefore, "sleep 3600", "sleep 36")
	}}},
	"walkthrough/english-hangup":     {emptyPS, hangUpIgnored, masterReplaced, workersGone},
	"walkthrough/english-nginx-conf": {nothingPrinted, otherFile},
	"walkthrough/attach-prompt":      {nothingPrinted},
	"walkthrough/attach-ps":          {emptyPS},
	"walkthrough/attach-hangup":      {emptyPS, hangUpIgnored, masterReplaced, workersGone},
	"walkthrough/attach-nginx-conf":  {nothingPrinted, otherFile},
	"walkthrough/exec-ps":            {emptyPS},
	"walkthrough/exec-hangup":        {emptyPS, hangUpIgnored, masterReplaced, workersGone},
	"walkthrough/exec-nginx-conf":    {nothingPrinted, otherFile},
	"pid1/is-the-sandbox":            notTheSandbox,
	"pid1/sandbox-program":           notTheSandbox,
	"pid1/sandbox-is-pause": append([]breakage{
		{"the sandbox runs another program", func(o *suite.Observation) {
			for c := range o.Before {
				edit(o, c, isPID1, func(p *probe.Process) { p.Argv, p.Comm = []string{"/usr/bin/pod"}, "pod" })
			}
		}},
	}, notTheSandbox...),
	"pid1/single-container": {
		{"the container's process is PID 1", func(o *suite.Observation) {
			hide(o, "lookout", isPID1)
			edit(o, "lookout", withMarker(o, "lookout"), func(p *probe.Process) { p.PID = 1 })
		}},
		{"PID 1 has a parent", func(o *suite.Observation) {
			edit(o, "lookout", isPID1, func(p *probe.Process) { p.PPID = 7 })
		}},
		{"PID 1 is hidden", func(o *suite.Observation) { hide(o, "lookout", isPID1) }},
	},
	"pid1/sandbox-handlers": {
		handlersOfPID1("no handler for CHLD", 0x4002),
		handlersOfPID1("no handler for TERM", 0x10002),
		handlersOfPID1("no handler at all", 0),
		{"PID 1 spins", func(o *suite.Observation) {
			edit(o, "one", isPID1, func(p *probe.Process) { p.State = "R" })
		}},
		{"each container has its own pause", func(o *suite.Observation) {
			edit(o, "two", isPID1, func(p *probe.Process) { p.StartTime++ })
		}},
	},
	"pid1/sandbox-user": {
		{"the sandbox runs as root", func(o *suite.Observation) {
			edit(o, "one", isPID1, func(p *probe.Process) { p.UID = 0 })
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
		sandboxReplaced("nginx"), endsWithPID1("nginx", "nginx", ""),
		{"nginx reloads", func(o *suite.Observation) {
			editIn(o.After, "nginx", func(p probe.Process) bool { return isNginx(p) && p.PPID != 0 }, func(p *probe.Process) { p.StartTime++ })
		}},
	},
	"pid1/protected-from-inside": {
		sandboxReplaced("by-exec"), containerRestartedOf("sender"), endsWithPID1("by-exec", "pid1", ""),
		ownFileBecomes("by-exec", received, "a container's process gets the signal", func(string) string { return "marker USR1\n" }),
		ownFileBecomes("by-main", received, "a sibling's process gets the signal", func(string) string { return "marker USR1\n" }),
		{"PID 1 is stopped", func(o *suite.Observation) {
			editIn(o.After, "by-exec", isPID1, func(p *probe.Process) { p.State = "T" })
		}},
	},
	"pid1/unhandled-signals-from-root":     unhandledActs("root"),
	"pid1/unhandled-signals-from-its-user": unhandledActs("user"),
	"pid1/demanding-image-refuses": {
		{"the image runs", func(o *suite.Observation) {
			o.Pod.Containers["demanding"] = suite.ContainerState{Ready: true, Running: true}
		}},
		{"it ends for another reason", func(o *suite.Observation) {
			code := 1
			o.Pod.Containers["demanding"] = suite.ContainerState{ExitCode: &code}
		}},
	},
	"pid1/image-warns": {
		{"it says nothing", func(o *suite.Observation) { o.Logs["bare"] = "" }},
		{"it says something else", func(o *suite.Observation) { o.Logs["bare"] = "exec format error\n" }},
	},
	"pid1/demanding-pod-fails": {
		{"the pod succeeds", func(o *suite.Observation) { o.AfterPod.Phase = "Succeeded" }},
		{"the pod is pending forever", func(o *suite.Observation) { o.AfterPod.Phase = "Pending" }},
		containerRestartedOf("demanding"),
		{"the image runs", func(o *suite.Observation) {
			o.Pod.Containers["demanding"] = suite.ContainerState{Ready: true, Running: true}
		}},
	},
	"visibility/ten-containers": {hidden("one", "ten"), hidden("ten", "five"), pidReused("three", "nine"), namespaceOf("seven")},
	"visibility/other-namespaces": {
		namespaceOf("two"),
		inodeOf("two", "net"), inodeOf("three", "ipc"), inodeOf("one", "uts"), inodeOf("two", "user"),
		{"two containers share a mount namespace", func(o *suite.Observation) {
			o.Before["two"].Namespaces["mnt"] = o.Before["three"].Namespaces["mnt"]
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
			o.Before["lookout"].Kernel, o.Neighbour.Before["two"].Kernel = nodesKernel, nodesKernel
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
	"signals/image-without-shell": {
		hidden("shell", "bare"), containerRestartedOf("shell"), containerRestartedOf("bare"), sandboxReplaced("shell"),
		{"kill is refused", func(o *suite.Observation) {
			o.Ran["terminate"] = probe.CommandResult{Code: 1, Stderr: "kill: Operation not permitted"}
		}},
		{"the signal does nothing", func(o *suite.Observation) { o.After, o.AfterPod = o.Before, &o.Pod }},
		{"the old process is left", func(o *suite.Observation) { o.After = o.Before }},
		{"the container ends and never restarts", func(o *suite.Observation) {
			c := o.AfterPod.Containers["bare"]
			c.Restarts, c.Running = 0, false
			o.AfterPod.Containers["bare"] = c
		}},
		{"the process is killed", func(o *suite.Observation) {
			code := 137
			c := o.AfterPod.Containers["bare"]
			c.ExitCode = &code
			o.AfterPod.Containers["bare"] = c
		}},
	},
	"signals/from-exec": {
		hidden("sender", "by-exec"), containerRestartedOf("by-exec"),
		ownFileBecomes("by-exec", received, "a signal is lost", func(text string) string { return firstLines(text, len(trapped)-1) }),
		ownFileBecomes("by-exec", received, "a signal comes twice", func(text string) string { return text + firstLines(text, 1) }),
		ownFileBecomes("by-exec", received, "no signal comes", func(string) string { return "" }),
		ownFileBecomes("by-exec", received, "another signal comes", func(text string) string { return strings.Replace(text, "HUP", "QUIT", 1) }),
		{"kill is refused", func(o *suite.Observation) {
			o.Ran["from-exec"] = probe.CommandResult{Code: 1, Stderr: "kill: Operation not permitted"}
		}},
		{"the receiver is another process afterwards", func(o *suite.Observation) {
			editIn(o.After, "by-exec", withMarker(o, "by-exec"), func(p *probe.Process) { p.StartTime++ })
		}},
	},
	"signals/from-main-process": {
		hidden("sender", "by-main"), containerRestartedOf("sender"),
		ownFileBecomes("by-main", received, "a signal is lost", func(text string) string { return firstLines(text, len(trapped)-1) }),
		ownFileBecomes("sender", sent, "the main process may send nothing", func(string) string { return "" }),
	},
	"signals/stop-and-continue": {
		hidden("sender", "stopped"), containerRestartedOf("stopped"),
		ofContainer("does not count as running", "stopped", func(c *suite.ContainerState) { c.Running = false }),
		ownFileBecomes("stopped", received, "what was sent meanwhile is lost", func(string) string { return "" }),
		{"the process is never seen stopped", func(o *suite.Observation) { o.Saw.Stopped = nil }},
		{"the process stays stopped", func(o *suite.Observation) {
			editIn(o.After, "sender", withMarker(o, "stopped"), func(p *probe.Process) { p.State = "T" })
		}},
		{"another process was stopped", func(o *suite.Observation) {
			o.Saw.Stopped.StartTime++
		}},
	},
	"signals/broadcast": {
		ownFileBecomes("stopped", received, "one container is spared", func(string) string { return "" }),
		containerRestartedOf("by-exec"), sandboxReplaced("sender"),
		{"the sender is reached", func(o *suite.Observation) { o.Ran["broadcast"] = probe.CommandResult{Stdout: "reached\nsent 0\n"} }},
		{"kill is refused", func(o *suite.Observation) { o.Ran["broadcast"] = probe.CommandResult{Stdout: "sent 1\n"} }},
	},
	"filesystem/nginx-conf":          {fileRefused("shell", nginxConf, probe.EACCES), fileDiffers("shell", nginxConf), masterHidden},
	"filesystem/image-without-shell": {hidden("shell", "bare"), fileRefused("shell", "/pause", probe.EACCES)},
	"filesystem/writable-layer":      {hidden("shell", "app"), fileRefused("shell", "/written-at-runtime", probe.ENOENT), fileDiffers("shell", "/written-at-runtime")},
	"filesystem/emptydir":            {hidden("shell", "app"), fileRefused("shell", "/scratch/file", probe.EACCES), fileDiffers("shell", "/scratch/file")},
	"filesystem/mounted-secret":      {hidden("shell", "app"), fileRefused("shell", "/secret/password", probe.ENOENT), fileDiffers("shell", "/secret/password")},
	"filesystem/relative-link": {
		hidden("shell", "app"), fileRefused("shell", "/relative", probe.ENOENT),
		fileRead("shell", "/relative", "shell-identity"),
	},
	"filesystem/absolute-link": {
		hidden("shell", "app"), fileRefused("shell", "/absolute", probe.ENOENT),
		fileRead("shell", "/absolute", "identity"),
	},
	"filesystem/service-account-token": {
		hidden("shell", "app"), ranOtherwise("token", 1, "", "sha256sum: can't open: Permission denied"),
		ranOtherwise("token", 0, digestOfNothing+"  /proc/9/root/token/token\n", ""),
		ranOtherwise("token", 1, "", ""),
	},
	"filesystem/write-through": {
		hidden("shell", "app"),
		ownFileBecomes("app", fromSibling, "the file stays empty", func(string) string { return "" }),
		{"the file is not there", func(o *suite.Observation) {
			o.After["app"].Files[fromSibling] = probe.Access{Errno: probe.ENOENT}
		}},
	},
	"secrets/argument-readable-by-any-user": {
		hidden("other", "argument"), hidden("same", "argument"), hidden("page", "argument"), hidden("opener", "argument"),
	},
	"secrets/environment-readable": {
		environ("page", probe.Access{Errno: probe.EACCES}), environ("same", probe.Access{Errno: probe.EACCES}),
		environ("page", probe.Access{Text: "PASSWORD=another\x00"}), environ("same", probe.Access{}),
	},
	"secrets/environment-from-objects-readable": {
		environ("page", probe.Access{Errno: probe.EACCES}), environ("same", probe.Access{Errno: probe.EACCES}),
		variableLost("page", "FROM_SECRET"), variableLost("same", "FROM_CONFIGMAP"), variableLost("same", "FROM_THE_POD"),
	},
	"secrets/environment-guarded": {
		environ("other", probe.Access{Text: "PASSWORD=\x00"}), environ("other", probe.Access{Errno: probe.EPERM}),
		environ("other", probe.Access{Errno: probe.ENOENT}), hidden("other", "argument"),
	},
	"secrets/root-guarded":                   {fileRead("other", readableFile, "readable"), fileRefused("other", readableFile, probe.ENOENT)},
	"secrets/mounted-secret-guarded-by-mode": {fileRead("same", closedSecret, "closed"), fileRefused("same", openSecret, probe.EACCES), fileRefused("page", closedSecret, probe.EACCES)},
	"secrets/file-guarded-by-mode":           {fileRead("opener", privateFile, "private"), fileRefused("opener", readableFile, probe.EACCES)},
	"secrets/file-readable-by-its-user":      {fileRefused("same", privateFile, probe.EACCES), fileRefused("page", privateFile, probe.EACCES)},
	"isolation/field-absent":                 sharesAnyway,
	"isolation/field-false":                  sharesAnyway,
}

// TestCasesReadTheirOwnFiles: a case can be run alone, so that it must not live
// on the files that others on the same pod read.
func TestCasesReadTheirOwnFiles(t *testing.T) {
	for _, c := range every() {
		t.Run(c.ID, func(t *testing.T) {
			o := recorded(t, c, c.Fixture)
			for _, snapshots := range []map[string]*probe.Snapshot{o.Before, o.After} {
				for _, s := range snapshots {
					unread := func(path string, _ probe.Access) bool { return !slices.Contains(c.Read, path) }
					maps.DeleteFunc(s.Files, unread)
					for _, p := range s.Processes {
						maps.DeleteFunc(p.Files, unread)
					}
				}
			}
			if c.Precondition != nil {
				require.NoError(t, c.Precondition(o))
			}
			require.NoError(t, c.Judge(o))
		})
	}
}
