// Package cases is the catalogue: one file for each area, every claim beside its
// judge. Judges are pure functions of an observation.
package cases

import "procns/e2e/internal/suite"

// area is one part of the catalogue, as IDs and files name it.
type area struct {
	suite.Area
	cases func() []suite.Case
}

// The areas, in the catalogue's order: first the page's own, then what the API
// reference, KEP-495 and the kernel's rules add. About completes “The cases of
// this area state …”.
var areas = []area{
	{suite.Area{Name: "version", About: "that the field works here"}, versionCases},
	{suite.Area{Name: "walkthrough", About: "that the page can be followed as it is written, through attach and through exec"}, walkthroughCases},
	{suite.Area{Name: "pid1", About: "who is PID 1, and what signals do to it"}, pid1Cases},
	{suite.Area{Name: "visibility", About: "which processes a container sees"}, visibilityCases},
	{suite.Area{Name: "signals", About: "what signals from one container do in another"}, signalsCases},
	{suite.Area{Name: "filesystem", About: "what of another container's filesystem can be reached through /proc/PID/root"}, filesystemCases},
	{suite.Area{Name: "secrets", About: "who can read another container's passwords"}, secretsCases},
	{suite.Area{Name: "isolation", About: "what a pod without sharing looks like"}, isolationCases},
	{suite.Area{Name: "admission", About: "what the API server does with the field"}, admissionCases},
	{suite.Area{Name: "controllers", About: "that what makes pods from a template carries the field into them"}, controllersCases},
	{suite.Area{Name: "permissions", About: "who may do what to whose process, as the kernel's rules have it"}, permissionsCases},
	{suite.Area{Name: "lifecycle", About: "what becomes of a pod when its processes end"}, lifecycleCases},
	{suite.Area{Name: "reaping", About: "who waits for the dead"}, reapingCases},
	{suite.Area{Name: "init", About: "that init containers share"}, initCases},
	{suite.Area{Name: "sidecar", About: "that init containers which keep running share"}, sidecarCases},
	{suite.Area{Name: "ephemeral", About: "that containers which are added later share"}, ephemeralCases},
	{suite.Area{Name: "debug", About: "that copies made for debugging share, and that a terminal can be left and taken again"}, debugCases},
	{suite.Area{Name: "neighbours", About: "what stays apart, and what stays common, beside the PID namespace"}, neighboursCases},
	{suite.Area{Name: "security", About: "that sharing works under the restrictions that clusters put on pods"}, securityCases},
	{suite.Area{Name: "stress", About: "that load does not wedge a shared pod"}, stressCases},
	{suite.Area{Name: "disruption", About: "what becomes of a shared pod when its node is disturbed; they run on clusters of the suite's own, after all others"}, disruptionCases},
}

// throughUpgrade is no part of an ordinary run: its pods were left by an earlier one.
var throughUpgrade = area{suite.Area{Name: "upgrade", About: "what becomes of shared pods that live through an upgrade of the cluster; they are run with `-phase after` only, see [UPGRADES.md](UPGRADES.md)"}, upgradeCases}

// All returns every case of an ordinary run, in the catalogue's order.
func All() []suite.Case {
	var all []suite.Case
	for _, a := range areas {
		all = append(all, a.cases()...)
	}
	return finished(all)
}

// finished gives the cases what all of them have in common.
func finished(cases []suite.Case) []suite.Case {
	for i := range cases {
		cases[i].Judge = suite.JudgedBySight(suite.JudgedApart(cases[i].Experiments, cases[i].Judge))
	}
	return withTurns(cases)
}

// Upgrade returns the cases that judge what an earlier run left.
func Upgrade() []suite.Case { return finished(throughUpgrade.cases()) }

// The sources that claims are taken from.
const page = "Kubernetes documentation, “Share Process Namespace between Containers in a Pod”"

const (
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
