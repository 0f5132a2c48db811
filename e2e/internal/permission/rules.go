// Package permission is the kernel's rules of who may do what to whose process,
// as a model: from the credentials that /proc/PID/status shows of two processes
// it computes the answer to each operation, and names the rule that decides it.
// It is pure. Beside it stands the script that tries the operations for real,
// with its parser and the table of both.
//
// The rules are those of kill(2), proc(5) and ptrace(2), "Ptrace access mode
// checking", as the kernel has them in kernel/signal.c (kill_ok_by_cred),
// fs/namei.c (generic_permission), fs/proc/base.c, kernel/ptrace.c
// (__ptrace_may_access), security/commoncap.c (cap_ptrace_access_check) and
// security/yama. The model knows one user namespace, which is what the
// containers of a pod share, and no security module but Yama.
package permission

import "procns/e2e/internal/probe"

// Capabilities, by their bits (capabilities(7)).
const (
	DACOverride   = 1 << 1
	DACReadSearch = 1 << 2
	Kill          = 1 << 5
	SysPtrace     = 1 << 19
)

// Process is what the rules look at in a process.
type Process struct {
	// UID and GID are the real, effective, saved and file system IDs, in the
	// order in which status prints them.
	UID, GID IDs
	// Effective and Permitted are sets of capabilities.
	Effective, Permitted uint64
	// Owner is the user and the group that its files in /proc belong to.
	Owner [2]int
	// Start is its start time, which tells it from a later one with its PID.
	Start uint64
}

// IDs are a process's four user or group IDs.
type IDs struct{ Real, Effective, Saved, FileSystem int }

// Dumpable tells whether the process has kept its "dumpable" attribute. A
// process that changes its user without executing a program loses it (prctl(2),
// PR_SET_DUMPABLE), and its files in /proc, such as environ, then belong to root
// (proc(5)). The directory /proc/PID itself does not: it always shows the
// effective user. Root's own processes look the same either way; they are taken
// to be dumpable, as every process is that executed its program under the
// credentials that it has.
func (p Process) Dumpable() bool {
	return p.Owner == [2]int{p.UID.Effective, p.GID.Effective}
}

// Operation is something that one process tries on another.
type Operation string

// The operations, by the names that the script and the table give them.
const (
	Signal0 Operation = "kill-0"
	Hangup  Operation = "kill-HUP"
	Cmdline Operation = "cmdline"
	Status  Operation = "status"
	Environ Operation = "environ"
	Root    Operation = "root" // each of these three links is followed
	Cwd     Operation = "cwd"
	Exe     Operation = "exe"
	List    Operation = "fd"   // the directory of descriptors is listed
	Open    Operation = "fd/0" // the link of one descriptor is followed
	// Attach is the opening of /proc/PID/mem, which takes the same access mode as
	// ptrace(2)'s PTRACE_ATTACH does, and no tool that images lack.
	Attach Operation = "mem"
)

// Operations are all operations, in the table's order.
func Operations() []Operation {
	return []Operation{Signal0, Hangup, Cmdline, Status, Environ, Root, Cwd, Exe, List, Open, Attach}
}

// Yama is the node's /proc/sys/kernel/yama/ptrace_scope.
type Yama int

// NoYama stands for a kernel without Yama.
const NoYama Yama = -1

// Decision is the answer to an operation: no errno where it is allowed.
type Decision struct {
	Errno probe.Errno
	Rule  Rule
}

// Rule is what decides an operation, with its source.
type Rule string

// The rules, in the order in which the kernel asks them.
const (
	ToAll       Rule = "readable to all (proc(5))"
	SameSender  Rule = "the sender has the target's user ID (kill(2))"
	CapKill     Rule = "the sender has CAP_KILL (kill(2))"
	OtherSender Rule = "the sender has neither the target's user ID nor CAP_KILL (kill(2))"

	FileOwner  Rule = "the file in /proc is open to its owner, and to CAP_DAC_OVERRIDE or CAP_DAC_READ_SEARCH"
	OtherOwner Rule = "the file in /proc is its owner's alone, and the caller has neither CAP_DAC_OVERRIDE nor CAP_DAC_READ_SEARCH"

	OtherUser    Rule = "the caller has other user or group IDs than the target, and no CAP_SYS_PTRACE (ptrace(2))"
	NotDumpable  Rule = "the target is not dumpable, and the caller has no CAP_SYS_PTRACE (ptrace(2))"
	Capabilities Rule = "the target has a capability that the caller lacks, and the caller has no CAP_SYS_PTRACE (ptrace(2))"
	YamaScope    Rule = "Yama restricts attaching (ptrace(2), /proc/sys/kernel/yama/ptrace_scope)"
	SameUser     Rule = "the caller has the target's user and group IDs and all its capabilities, and the target is dumpable (ptrace(2))"
	CapSysPtrace Rule = "the caller has CAP_SYS_PTRACE (ptrace(2))"
)

// Decide computes what the kernel answers when the caller tries the operation
// on the target, which is another process, and none that the caller started.
func Decide(caller, target Process, operation Operation, yama Yama) Decision {
	switch operation {
	case Cmdline, Status:
		return Decision{Rule: ToAll}
	case Signal0, Hangup:
		return mayKill(caller, target)
	case Root, Cwd, Exe:
		return mayPtrace(caller, target)
	case List:
		return mayOpen(caller, target)
	case Environ, Open:
		if d := mayOpen(caller, target); d.Errno != "" {
			return d
		}
		return mayPtrace(caller, target)
	case Attach:
		if d := mayOpen(caller, target); d.Errno != "" {
			return d
		}
		return mayAttach(caller, target, yama)
	}
	return Decision{Errno: probe.Unknown, Rule: "no such operation"}
}

// mayKill: SYS_PTRACE plays no part in it.
func mayKill(caller, target Process) Decision {
	for _, sender := range []int{caller.UID.Real, caller.UID.Effective} {
		if sender == target.UID.Real || sender == target.UID.Saved {
			return Decision{Rule: SameSender}
		}
	}
	if caller.Effective&Kill != 0 {
		return Decision{Rule: CapKill}
	}
	return Decision{Errno: probe.EPERM, Rule: OtherSender}
}

// mayOpen is the ordinary check of a file's mode. It comes first wherever a file
// or directory is opened: environ is of mode 0400, fd of 0500 and mem of 0600,
// none with a right for anybody but the owner. Links have no mode.
func mayOpen(caller, target Process) Decision {
	if caller.UID.FileSystem == target.Owner[0] || caller.Effective&(DACOverride|DACReadSearch) != 0 {
		return Decision{Rule: FileOwner}
	}
	return Decision{Errno: probe.EACCES, Rule: OtherOwner}
}

// mayPtrace is the access check in its modes for /proc, which take the caller's
// file system IDs and effective capabilities.
func mayPtrace(caller, target Process) Decision {
	if caller.Effective&SysPtrace != 0 {
		return Decision{Rule: CapSysPtrace}
	}
	sameUser := target.UID.are(caller.UID.FileSystem) && target.GID.are(caller.GID.FileSystem)
	switch {
	case !sameUser:
		return Decision{Errno: probe.EACCES, Rule: OtherUser}
	case !target.Dumpable():
		return Decision{Errno: probe.EACCES, Rule: NotDumpable}
	case target.Permitted&^caller.Effective != 0:
		return Decision{Errno: probe.EACCES, Rule: Capabilities}
	}
	return Decision{Rule: SameUser}
}

// are tells whether the real, the effective and the saved ID are all this one.
func (i IDs) are(id int) bool { return i.Real == id && i.Effective == id && i.Saved == id }

// mayAttach is mayPtrace, restricted further by Yama, which knows of nothing but
// attaching: 1 leaves it to a process's ancestors and to CAP_SYS_PTRACE, 2 to the
// capability, 3 to nobody.
func mayAttach(caller, target Process, yama Yama) Decision {
	d := mayPtrace(caller, target)
	if d.Errno == "" && (yama >= 3 || yama >= 1 && caller.Effective&SysPtrace == 0) {
		return Decision{Errno: probe.EACCES, Rule: YamaScope}
	}
	return d
}
