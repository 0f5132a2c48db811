package cases

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// The manifests of the witnesses that need nothing but a Deployment.
const (
	deployment         = "controllers-deployment.yaml"
	deploymentIsolated = "controllers-deployment-isolated.yaml"
)

// upgradeCases state what becomes of pods that live through an upgrade. Their
// pods are witnesses: a run with -phase before leaves them, and one with -phase
// after judges them, by the judges that new pods are held to.
func upgradeCases() []suite.Case {
	const (
		drained   = "Kubernetes documentation, Upgrading kubeadm clusters: nodes are drained before a new minor version of kubelet; " + kep495
		restarts  = "Kubernetes documentation, Upgrading kubeadm clusters: containers may be restarted after an upgrade, as the hash of their specification may change; CRI: a sandbox outlives kubelet and the runtime's daemon"
		asEver    = kep495 + "; " + onConfiguring
		debugging = kep495 + "; KEP-277"
	)
	documentedPod := []suite.Case{
		{
			ID:     "upgrade/documented-still-shares",
			Claim:  "After an upgrade, an exec into each container of the documented pod, which was there before, joins the pod's one PID namespace, and the shell container sees nginx.",
			Source: asEver,
			Judge:  allOf(oneNamespaceOf("nginx", "shell"), nginxSeenFrom("shell")),
		},
		{
			ID:       "upgrade/documented-keeps-its-processes",
			Claim:    "An upgrade in place leaves the documented pod its PID 1, its namespace and its processes, with their PIDs and start times; with another version of kubelet, containers may have been restarted, in the same namespace.",
			Source:   restarts,
			Outlives: suite.SameBoot,
			Judge:    allOf(nginxSeenFrom("shell"), processesKept),
			Records:  "what was restarted",
			Record:   restartsRecorded,
		},
		{
			ID:          "upgrade/documented-attach-and-signal",
			Experiments: []string{byHangingUp},
			Claim:       "After an upgrade, one can attach to the shell of the documented pod, which was there before, and kill -HUP on nginx's master, typed there, gives nginx new workers.",
			Source:      onConfiguring + ", signalling other containers",
			Judge:       psShowsNewWorkers,
		},
	}
	for i := range documentedPod {
		c := &documentedPod[i]
		c.Fixture, c.Control, c.Act, c.Precondition = documented, isolated, walkByAttach, nginxServing
		if c.Experiments == nil {
			c.Experiments = none()
		}
	}
	ephemeralPod := []suite.Case{
		{
			ID:     "upgrade/ephemeral-still-shares",
			Claim:  "After an upgrade in place, an ephemeral container that was added before sees the processes of all containers of the pod, and they see its process.",
			Source: debugging,
			Judge:  allOf(seesAllFrom("debugger"), joinsAs("debugger")),
		},
		{
			ID:      "upgrade/ephemeral-keeps-its-processes",
			Claim:   "An upgrade in place leaves a pod with ephemeral containers its PID 1, its namespace and its processes, and its ephemeral containers run on; with another version of kubelet, its other containers may have been restarted, in the same namespace.",
			Source:  restarts,
			Judge:   allOf(seesAllFrom("debugger"), processesKept),
			Records: "what was restarted",
			Record:  restartsRecorded,
		},
		{
			ID:          "upgrade/ephemeral-signal",
			Experiments: []string{byHangingUp},
			Claim:       "After an upgrade in place, SIGHUP from an ephemeral container that was added before gives nginx new workers, and restarts no container.",
			Source:      debugging,
			Judge:       hangUpReloaded("debugger"),
		},
	}
	for i := range ephemeralPod {
		c := &ephemeralPod[i]
		c.Fixture, c.Control, c.Act, c.Precondition = withEphemeral, withEphemeralIsolated, hangUpFromDebugger, nginxServing
		if c.Experiments == nil {
			c.Experiments = none()
		}
		// No ephemeral container is started a second time.
		c.Outlives, c.MinVersion = suite.SameBoot, "1.25"
	}
	deploymentPod := []suite.Case{
		{
			ID:      "upgrade/deployment-shares",
			Claim:   "After an upgrade, the pod of a Deployment that was there before shares its PID namespace: the old pod, or the one that took its place when its node was drained.",
			Source:  drained,
			Judge:   sharesAsTold,
			Records: "whether the pod is the old one",
			Record: func(o suite.Observation) string {
				if o.Fate == nil || o.Fate.Replaced {
					return "a new pod, after its node was drained"
				}
				return "the pod from before the upgrade"
			},
		},
		{
			ID:       "upgrade/deployment-keeps-its-processes",
			Claim:    "An upgrade in place leaves the pod of a Deployment its PID 1, its namespace and its processes; with another version of kubelet, containers may have been restarted, in the same namespace.",
			Source:   restarts,
			Outlives: suite.SameBoot,
			Judge:    allOf(sharesAsTold, processesKept),
			Records:  "what was restarted",
			Record:   restartsRecorded,
		},
	}
	for i := range deploymentPod {
		deploymentPod[i].Fixture, deploymentPod[i].Control = deployment, deploymentIsolated
	}
	cases := slices.Concat(documentedPod, ephemeralPod, deploymentPod)
	for i := range cases {
		cases[i].Level = suite.Extended
	}
	return cases
}

// allOf asks the judges one after the other: the first that does not say yes decides.
func allOf(judges ...func(suite.Observation) error) func(suite.Observation) error {
	return func(o suite.Observation) error {
		for _, judge := range judges {
			if err := judge(o); err != nil {
				return err
			}
		}
		return nil
	}
}

func oneNamespaceOf(containers ...string) func(suite.Observation) error {
	return func(o suite.Observation) error { return onePIDNamespaceOf(o, containers...) }
}

func nginxSeenFrom(container string) func(suite.Observation) error {
	return func(o suite.Observation) error {
		_, err := masterSeenFrom(o, container)
		return err
	}
}

// processesKept compares a witness with what was seen of it before the upgrade.
// Where kubelet has the same version as then, nothing may have changed. Where it
// has another, a container may have been restarted, as kubelet's own account of
// it says; the namespace and its PID 1, the sandbox's, must be the same.
func processesKept(o suite.Observation) error {
	if o.Fate == nil {
		return suite.CannotTell("what was seen of the pod before the upgrade", "nothing is known of it")
	}
	then := o.Fate.Earlier
	restarted, err := restartedSince(o)
	if err != nil {
		return err
	}
	if len(restarted) > 0 && o.Fate.KubeletWas == o.Fate.KubeletIs {
		return suite.Violation("no container is restarted while kubelet stays at "+o.Fate.KubeletIs, "restarted: "+strings.Join(restarted, ", "))
	}
	compared := 0
	for _, name := range slices.Sorted(maps.Keys(then.Before)) {
		was, is := then.Container(name), o.Container(name)
		if was.Failure != "" {
			continue // no shell to look with, then as now
		}
		if a, b := was.Namespaces["pid"], is.Namespaces["pid"]; a != b {
			return suite.Violation(fmt.Sprintf("container %s is in PID namespace %d, as before", name, a), fmt.Sprint(b), was, is)
		}
		if was.Kernel.Beside(is.Kernel) == probe.TwoKernels {
			return suite.Violation("container "+name+" runs under the kernel "+was.Kernel.String()+", as before", is.Kernel.String(), was, is)
		}
		if err := firstProcessesKept(lasting(was, then), was, is, len(restarted)); err != nil {
			return err
		}
		compared++
	}
	if compared == 0 {
		return suite.CannotTell("a container that was observed before the upgrade", "none")
	}
	return nil
}

// lasting are the processes that a container saw before the upgrade and whose
// parent is outside the namespace: PID 1, and the first of each container. An exec's
// process is none of them, also where it was just ending: it was not there in each
// of the namespace's snapshots.
func lasting(seen *probe.Snapshot, then suite.Observation) []probe.Process {
	return slices.DeleteFunc(seen.Mains(), func(p probe.Process) bool {
		for _, other := range then.Before {
			now, ok := other.Process(p.PID)
			if other.Namespaces["pid"] == seen.Namespaces["pid"] && (!ok || now.Identity() != p.Identity() || now.State == "Z") {
				return true
			}
		}
		return false
	})
}

// firstProcessesKept looks for them after the upgrade. As many may be others as
// containers were restarted; PID 1 never.
func firstProcessesKept(lasting []probe.Process, was, is *probe.Snapshot, restarted int) error {
	if len(lasting) == 0 {
		return suite.CannotTell("a process that was there to last", "none", was)
	}
	missing := 0
	for _, p := range lasting {
		now, ok := is.Process(p.PID)
		if ok && now.Identity() == p.Identity() && now.State != "Z" {
			continue
		}
		if missing++; p.PID == 1 || missing > restarted {
			return suite.Violation(
				fmt.Sprintf("container %s sees %s, PID %s, as before", was.Container, p.Command(), p.Identity()), "it does not", was, is)
		}
	}
	return nil
}

// restartedSince names the containers that kubelet says it started again, and is
// an error where one that ran does not run any more.
func restartedSince(o suite.Observation) ([]string, error) {
	then := o.Fate.Earlier.Pod
	if len(then.Containers) == 0 {
		return nil, suite.CannotTell("the containers' states before the upgrade", "none")
	}
	var restarted []string
	for _, name := range slices.Sorted(maps.Keys(then.Containers)) {
		was, is := then.Containers[name], o.Pod.Containers[name]
		if !was.Running {
			continue
		}
		if !is.Running {
			return nil, suite.Violation("container "+name+" runs, as before", describeEnd(is))
		}
		if is.ID != was.ID || is.Restarts != was.Restarts {
			restarted = append(restarted, name)
		}
	}
	return restarted, nil
}

// restartsRecorded names what was restarted, and under which versions.
func restartsRecorded(o suite.Observation) string {
	versions := fmt.Sprintf("kubelet %s → %s, %s → %s", o.Fate.KubeletWas, o.Fate.KubeletIs, o.Fate.RuntimeWas, o.Fate.RuntimeIs)
	restarted, err := restartedSince(o)
	switch {
	case err != nil:
		return versions + ": " + err.Error()
	case len(restarted) == 0:
		return versions + ": no container was restarted, every process is the same"
	}
	return versions + ": restarted in the same namespace: " + strings.Join(restarted, ", ")
}
