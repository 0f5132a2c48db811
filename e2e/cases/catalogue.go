// Package cases is the catalogue: one file for each area, every claim beside its
// judge. Judges are pure functions of an observation.
package cases

import (
	"slices"

	"procns/e2e/internal/suite"
)

// All returns every case of the catalogue, ordered by area as on the page.
func All() []suite.Case {
	return slices.Concat(
		versionCases(),
		walkthroughCases(),
		pid1Cases(),
		visibilityCases(),
		signalsCases(),
		filesystemCases(),
		secretsCases(),
		isolationCases(),
		admissionCases(),
		controllersCases(),
		permissionsCases(),
		lifecycleCases(),
		reapingCases(),
		initCases(),
		sidecarCases(),
		ephemeralCases(),
		debugCases(),
		neighboursCases(),
		securityCases(),
		stressCases(),
		disruptionCases(),
	)
}

// The sources that claims are taken from.
const page = "Kubernetes documentation, “Share Process Namespace between Containers in a Pod”"

const (
	onPrerequisites  = page + ", Before you begin"
	onConfiguring    = page + ", Configure a Pod"
	onUnderstanding1 = page + ", Understanding process namespace sharing, 1"
	onUnderstanding2 = page + ", Understanding process namespace sharing, 2"
	onUnderstanding3 = page + ", Understanding process namespace sharing, 3"
	onPurpose        = page + ", introduction"
	apiReference     = "API reference, PodSpec.shareProcessNamespace"
	kep495           = "KEP-495, Configurable Pod Process Namespace Sharing"
	ptraceRule       = "ptrace(2), Ptrace access mode checking; proc(5)"
)

// The manifests that several areas use.
const (
	documented      = "share-process-namespace.yaml"
	isolated        = "isolated.yaml"
	markers         = "markers.yaml"
	markersIsolated = "markers-isolated.yaml"
	lookout         = "lookout.yaml"
	lookoutIsolated = "lookout-isolated.yaml"
	lookoutHostPID  = "lookout-host-pid.yaml"

	shellLess         = "shell-less.yaml"
	shellLessIsolated = "shell-less-isolated.yaml"
)
