package cases

import (
	"fmt"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// What a namespace is told by: its number and its kernel. Within one sandbox there is one
// kernel. Across pods there may be two, under which the same numbers come again (gVisor,
// Kata): there, what is seen decides, and numbers only where the kernel is known to be one.

// differentNamespaces demands of containers of two pods that they are not in one PID
// namespace. Neither must see the other's processes, which the caller looks for: of
// numbers that are equal, it is no proof that they were read under two kernels.
func differentNamespaces(a, b *probe.Snapshot) error {
	if a.Namespaces["pid"] == 0 || b.Namespaces["pid"] == 0 {
		return suite.CannotTell("the PID namespaces of containers "+a.Container+" and "+b.Container, "they are unknown", a, b)
	}
	if a.Namespaces["pid"] != b.Namespaces["pid"] {
		return nil
	}
	switch a.Kernel.Beside(b.Kernel) {
	case probe.OneKernel:
		return suite.Violation("the two pods have different PID namespaces", "they share one", a, b)
	case probe.KernelsUnknown:
		// Whoever shares a namespace sees its processes, unless /proc hides them.
		if hides := a.HidePID() + b.HidePID(); hides != "" {
			return suite.CannotTell("the two pods have different PID namespaces",
				fmt.Sprintf("both have the number %d, it is unknown whether under one kernel, and /proc is mounted with %s", a.Namespaces["pid"], hides), a, b)
		}
	}
	return nil
}

// anotherPID1 demands that a container's PID 1 is another process than before. Under a
// kernel that has just booted, the first process has the PID and, by chance, the start
// time that it had under the last one.
func anotherPID1(before, after *probe.Snapshot) error {
	was, okWas := before.Process(1)
	is, okIs := after.Process(1)
	kernels := before.Kernel.Beside(after.Kernel)
	switch {
	case !okWas || !okIs:
		return suite.CannotTell("PID 1 before and after", "not seen", before, after)
	case was.Identity() != is.Identity() || kernels == probe.TwoKernels:
		return nil
	case kernels == probe.KernelsUnknown && before.Kernel.BootID != after.Kernel.BootID:
		return suite.CannotTell("PID 1 is a new process",
			fmt.Sprintf("it has the same PID and start time, %s, and the boot ID is another one: the sandbox may have a new kernel", was.Identity()), before, after)
	}
	return suite.Violation("PID 1 is a new process", "it is still "+was.Identity().String(), before, after)
}

// isSame tells whether a process that was seen later is one that was seen before. Under a kernel that
// has booted in between, no process is: their PIDs and, by chance, their start times come again.
func isSame(before *probe.Snapshot, was probe.Process, after *probe.Snapshot, is probe.Process) bool {
	return was.Identity() == is.Identity() && before.Kernel.Beside(after.Kernel) != probe.TwoKernels
}

// ownKernel proves that a container runs under another kernel than its node, or is empty.
func ownKernel(o suite.Observation, container string) string {
	seen := o.Container(container).Kernel
	if o.Node.Kernel.Beside(seen) != probe.TwoKernels {
		return ""
	}
	return fmt.Sprintf("container %s runs under a kernel of its sandbox's own, %s; the node's is %s", container, seen, o.Node.Kernel)
}

// nodeIsSeen says of a pod that asks for the node's PID namespace, and shows nothing of it,
// where that lies in its sandbox: one with a kernel of its own has none of the node's
// processes. Other pods are satisfied by it.
func nodeIsSeen(o suite.Observation) error {
	const lookout = "lookout"
	if proof := ownKernel(o, lookout); o.Pod.HostPID && proof != "" {
		return suite.Inapplicable("a pod with hostPID is in its node's PID namespace", proof, o.Container(lookout))
	}
	return nil
}
