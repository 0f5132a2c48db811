package cases

import (
	"slices"
	"strings"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// securityCases state what holds of sharing under a security context.
func securityCases() []suite.Case {
	return []suite.Case{
		{
			ID:      "security/read-only-root-filesystem",
			Level:   suite.Extended,
			Claim:   "A read-only root filesystem stays read-only for other containers: what they write through /proc/PID/root is refused with EROFS.",
			Source:  "API reference, SecurityContext.readOnlyRootFilesystem; proc(5), /proc/PID/root",
			Fixture: files,
			Control: filesIsolated,
			Given:   linksMade,
			Read:    append(slices.Clone(linked), fromSibling),
			Act:     reachThrough,
			Judge:   sealedStaysSealed,
		},
	}
}

// sealedStaysSealed has its contrast within the pod: the same shell wrote the
// same file into the container whose root filesystem is not read-only.
func sealedStaysSealed(o suite.Observation) error {
	if _, err := markedProcess(o, "sealed", "sealed", "shell"); err != nil {
		return err
	}
	if err := writtenThrough(o); err != nil {
		return suite.CannotTell("the same write succeeds on a container whose root filesystem is writable", err.Error())
	}
	write := o.Ran["write-sealed"]
	if !write.Ran() {
		return suite.CannotTell("the write into the read-only container is tried", write.String())
	}
	if write.Code == 0 || !strings.Contains(write.Stderr, "Read-only file system") {
		return suite.Violation("the write is refused with EROFS (Read-only file system)", write.String(), o.Container("shell"))
	}
	if file := o.AfterIn("sealed").Files[fromSibling]; file.Errno != probe.ENOENT {
		return suite.Violation("container sealed has no "+fromSibling, describeAccess(file), o.AfterIn("sealed"))
	}
	return nil
}
