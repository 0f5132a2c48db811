package cases

import (
	"fmt"
	"strings"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// securityBreakages are the faults that the cases of security must find.
var securityBreakages = map[string][]breakage{
	"security/read-only-root-filesystem": {
		hidden("shell", "sealed"),
		ranOtherwise("write-sealed", 0, "", ""),
		ranOtherwise("write-sealed", 1, "", "sh: can't create /proc/9/root/from-sibling: Permission denied"),
		{"the file is there nevertheless", func(o *suite.Observation) {
			o.After["sealed"].Files[fromSibling] = probe.Access{Text: o.Markers["sibling"]}
		}},
	},
	"security/seccomp-runtime-default": {
		emptyPS, hangUpIgnored, masterReplaced, workersGone, nothingPrinted, otherFile, containerRestarted,
	},
	"security/user-namespace": {
		namespaceOf("two"), inodeOf("two", "user"), hidden("two", "one"), hidden("one", "two"), pidReused("two", "one"),
		fileRefused("two", "/file", probe.EACCES),
		environOf("two", "one", probe.Access{Errno: probe.EACCES}),
		{"the containers have different mappings", func(o *suite.Observation) { o.Before["two"].UIDMap = "0 65536 65536" }},
	},
	"security/user-namespace-exec-at-start": {
		ownFileWas("two", startedFile, "the hook sees nothing of container one", func(o *suite.Observation, text string) string {
			first, _ := o.Container("one").Find(withMarker(o, "one"))
			return strings.ReplaceAll(text, fmt.Sprintf("process %d ", first.PID), "process 9999 ")
		}),
		ownFileWas("two", startedFile, "the hook is in another PID namespace", func(_ *suite.Observation, text string) string {
			return strings.Replace(text, "namespace pid:[", "namespace pid:[1", 1)
		}),
		ownFileWas("two", mappedFile, "the hook is in the node's user namespace", func(*suite.Observation, string) string {
			return "user:[4026531837]          0          0 4294967295\n"
		}),
	},
	"security/user-namespace-signals-and-files": {
		hidden("two", "one"), containerRestartedOf("one"),
		ranOtherwise("kill", 1, "", "sh: can't kill pid 7: Operation not permitted"),
		ranOtherwise("write", 1, "", "sh: can't create /proc/7/root/from-sibling: Permission denied"),
		ranOtherwise("owner", 0, "65534:65534\n", ""),
		ownFileBecomes("one", received, "the signal is lost", func(string) string { return "" }),
		ownFileBecomes("one", fromSibling, "the file is another", func(text string) string { return text + " " }),
	},
	"security/user-namespace-ephemeral": {
		namespaceOf("debugger"), inodeOf("debugger", "user"), hidden("debugger", "one"), hidden("two", "debugger"), pidReused("debugger", "one"),
		fileRefused("debugger", "/file", probe.EACCES),
		environOf("debugger", "one", probe.Access{Errno: probe.EACCES}),
		{"the ephemeral container has another mapping", func(o *suite.Observation) { o.Before["debugger"].UIDMap = "0 0 4294967295" }},
	},
	"security/two-users-denied": {
		hidden("one", "two"), hidden("two", "one"), containerRestartedOf("one"),
		environOf("one", "two", probe.Access{Text: "PASSWORD=\x00"}),
		environOf("two", "one", probe.Access{Errno: probe.EPERM}),
		fileRead("two", passwordFile, "one-file"), fileRefused("one", passwordFile, probe.ENOENT),
		ranOtherwise("kill-one", 0, "", ""),
		ranOtherwise("kill-two", 1, "", "sh: can't kill pid 7: No such process"),
		ownFileBecomes("two", received, "a signal arrives nevertheless", func(string) string { return "USR1\n" }),
	},
	"security/restricted-profile": {namespaceOf("two"), hidden("one", "two"), hidden("two", "one"), pidReused("one", "two")},
	"security/sandbox-user-is-the-pods": {
		{"the sandbox runs as root", func(o *suite.Observation) {
			for c := range o.Before {
				edit(o, c, isPID1, func(p *probe.Process) { p.UID = 0 })
			}
		}},
		{"the sandbox runs as its image's user", func(o *suite.Observation) {
			for c := range o.Before {
				edit(o, c, isPID1, func(p *probe.Process) { p.UID = 65535 })
			}
		}},
	},
	"security/same-user-reads": {
		hidden("one", "two"), hidden("two", "one"),
		environOf("one", "two", probe.Access{Errno: probe.EACCES}),
		environOf("two", "one", probe.Access{Text: "PASSWORD=another\x00"}),
		fileRefused("one", passwordFile, probe.EACCES), fileRefused("two", passwordFile, probe.EACCES),
		fileDiffers("two", passwordFile),
	},
	"security/same-user-signals": {
		hidden("one", "two"), containerRestartedOf("two"),
		ranOtherwise("kill-two", 1, "", "sh: can't kill pid 7: Operation not permitted"),
		ownFileBecomes("one", received, "the signal is lost", func(string) string { return "" }),
		ownFileBecomes("two", received, "the signal comes twice", func(text string) string { return text + text }),
	},
	"security/pids-counted-apart": {
		ranOtherwise("pids", 0, "6 6 max\n", ""),
		ranOtherwise("pids", 0, "6 9 max\n", ""),
	},
}

// environOf changes what one container reads of another's environment.
func environOf(from, of string, access probe.Access) breakage {
	return breakage{from + " reads " + of + "'s environment: " + access.String(), func(o *suite.Observation) {
		edit(o, from, withMarker(o, of), func(p *probe.Process) { p.Environ = access })
	}}
}

// ownFileWas changes what a container read in its own file before the act.
func ownFileWas(container, path, what string, change func(*suite.Observation, string) string) breakage {
	return breakage{what, func(o *suite.Observation) {
		file := o.Before[container].Files[path]
		file.Text = change(o, file.Text)
		o.Before[container].Files[path] = file
	}}
}
