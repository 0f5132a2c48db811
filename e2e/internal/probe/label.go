package probe

import (
	"strconv"
	"strings"
	"unicode"
)

// Confines tells whether a security module's label (/proc/PID/attr/current) stands for
// rules that may refuse something. AppArmor's "unconfined" stands for none, and a
// profile whose mode, in parentheses behind its name, is complain or unconfined refuses
// nothing (apparmor(7)). SELinux's labels are USER:ROLE:TYPE[:LEVEL]; its types
// unconfined_t and spc_t (a privileged container's) are exempt of all, and "kernel" is
// what everything is called while no policy is loaded. Any other text is a label of
// some module, and taken for one that confines.
func Confines(label string) bool {
	label = strings.TrimFunc(label, func(r rune) bool { return r == 0 || unicode.IsSpace(r) })
	switch label {
	case "", "unconfined", "kernel":
		return false
	}
	if profile, mode, ok := strings.Cut(label, " ("); ok && strings.HasSuffix(mode, ")") {
		return profile != "unconfined" && mode != "complain)" && mode != "unconfined)"
	}
	if parts := strings.Split(label, ":"); len(parts) >= 3 && !strings.Contains(label, "//") {
		return parts[2] != "unconfined_t" && parts[2] != "spc_t"
	}
	return true
}

// HidePID is the option by which the container's /proc hides the processes of others
// (proc(5), Mount options), or is empty.
func (s *Snapshot) HidePID() string {
	for option := range strings.SplitSeq(s.ProcMount, ",") {
		if value, ok := strings.CutPrefix(option, "hidepid="); ok && value != "0" && value != "off" {
			return option
		}
	}
	return ""
}

// Confinement describes the rules that a container's processes are under besides those
// of the kernel's own: its label, where that confines, and what PID 1's is.
func (s *Snapshot) Confinement() string {
	if !Confines(s.Label) {
		return ""
	}
	text := "security label " + strconv.Quote(s.Label)
	if s.LabelOfPID1 != "" && s.LabelOfPID1 != s.Label {
		text += " (PID 1: " + strconv.Quote(s.LabelOfPID1) + ")"
	}
	return text
}

// Seccomp tells whether a seccomp filter is in effect for commands that are run in the
// container (proc(5), status, Seccomp: 2).
func (s *Snapshot) Seccomp() bool {
	for _, p := range s.Processes {
		if p.PID == s.Self {
			return p.Seccomp == "2"
		}
	}
	return false
}
