package suite

import (
	"errors"
	"fmt"
	"strings"

	"procns/e2e/internal/probe"
)

// Finding is a judge's "no", its "I cannot tell", its "that is forbidden here", or its
// "that does not apply here".
type Finding struct {
	Expected string
	Observed string
	// Evidence is what was seen: process tables, transcripts.
	Evidence string
	// CannotTell marks an observation that proves nothing either way.
	CannotTell bool
	// Forbidden marks that a security module of the node refused what had to be done
	// before the claim could be judged, and that nobody promises it: Observed holds the
	// proof. The case does not apply to such a node.
	Forbidden bool
	// Inapplicable marks that the claim does not apply to the target, or that its control
	// does not: Observed holds the proof, such as that a sandbox has a kernel of its own.
	Inapplicable bool
	// Final marks a finding that no later look at the pod can change, because it turns
	// on how an act ended and not on what was seen of its effect.
	Final bool
}

func (f *Finding) Error() string {
	return fmt.Sprintf("expected %s; observed %s", f.Expected, f.Observed)
}

// Violation is a finding that the claim does not hold. Where something was refused to a
// container that a security module confines, the finding says so.
func Violation(expected, observed string, seen ...*probe.Snapshot) error {
	return &Finding{Expected: expected, Observed: observed + confinedBy(observed, seen), Evidence: tables(seen)}
}

// confinedBy names the labels of those who looked, where what they saw is a refusal.
func confinedBy(observed string, seen []*probe.Snapshot) string {
	refused := false
	for _, word := range []string{string(probe.EACCES), string(probe.EPERM), "Permission denied", "Operation not permitted"} {
		refused = refused || strings.Contains(observed, word)
	}
	var named strings.Builder
	for _, s := range seen {
		if label := s.Confinement(); refused && label != "" && !strings.Contains(observed+named.String(), label) {
			fmt.Fprintf(&named, "; container %s has the %s", s.Container, label)
		}
	}
	return named.String()
}

// CannotTell is a finding that the observation proves nothing: what was needed
// to judge is missing.
func CannotTell(needed, observed string, seen ...*probe.Snapshot) error {
	return &Finding{Expected: needed, Observed: observed, Evidence: tables(seen), CannotTell: true}
}

// Forbidden is a finding that a security module of the node refused what the case
// needs: needed says what, and proof names the module and the errno. It is final.
func Forbidden(needed, proof string, seen ...*probe.Snapshot) error {
	return &Finding{Expected: needed, Observed: proof, Evidence: tables(seen), Forbidden: true, Final: true}
}

// Inapplicable is a finding that the claim does not apply to the target: needed says what
// it lacks, and proof how that is known. It is final.
func Inapplicable(needed, proof string, seen ...*probe.Snapshot) error {
	return &Finding{Expected: needed, Observed: proof, Evidence: tables(seen), Inapplicable: true, Final: true}
}

// Final marks a finding as one that no later look can change.
func Final(err error) error {
	var f *Finding
	if errors.As(err, &f) {
		f.Final = true
	}
	return err
}

// IsViolation tells whether err says that the claim does not hold.
func IsViolation(err error) bool {
	var f *Finding
	return errors.As(err, &f) && !f.CannotTell && !f.Forbidden && !f.Inapplicable
}

// IsForbidden tells whether err says that a security module keeps the case from
// being tried.
func IsForbidden(err error) bool {
	var f *Finding
	return errors.As(err, &f) && f.Forbidden
}

// IsInapplicable tells whether err says that the claim does not apply to the target.
func IsInapplicable(err error) bool {
	var f *Finding
	return errors.As(err, &f) && f.Inapplicable
}

// isFinal tells whether another look at the pod is in vain.
func isFinal(err error) bool {
	var f *Finding
	return errors.As(err, &f) && f.Final
}

func tables(seen []*probe.Snapshot) string {
	var b strings.Builder
	for _, s := range seen {
		b.WriteString(s.Table())
	}
	return b.String()
}
