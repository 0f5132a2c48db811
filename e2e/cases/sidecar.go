package cases

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// sidecarCases state that init containers that restart share the namespace, from
// before the pod's containers start until after they have ended.
func sidecarCases() []suite.Case {
	const sidecars = "Kubernetes documentation, “Sidecar Containers”"
	cases := []suite.Case{
		{
			ID:     "sidecar/every-ordered-pair",
			Level:  suite.Core,
			Claim:  "A sidecar sees the processes of the pod's containers, and they see the sidecar's.",
			Source: onPurpose + "; " + apiReference + " (all of the containers in a pod)",
			Judge:  everyPairVisible,
		},
		{
			ID:     "sidecar/one-namespace",
			Level:  suite.Core,
			Claim:  "A sidecar is in the one PID namespace of the pod's containers.",
			Source: apiReference + " (a single process namespace between all of the containers in a pod)",
			Judge:  onePIDNamespace,
		},
		{
			ID:     "sidecar/not-pid-1",
			Level:  suite.Core,
			Claim:  "Neither a sidecar's first process nor that of any other container is PID 1.",
			Source: apiReference + "; " + onUnderstanding1,
			Judge:  firstProcessesAreNotPID1,
		},
		{
			ID:     "sidecar/starts-first",
			Level:  suite.Extended,
			Claim:  "A sidecar's process is older than those of the pod's containers, as every container of the pod can see.",
			Source: sidecars + " (started before the main application container)",
			Judge:  sidecarStartsFirst,
		},
		{
			ID:          "sidecar/sees-the-others-end",
			Experiments: []string{byDeleting},
			Level:       suite.Extended,
			Claim:       "When the pod is deleted, a sidecar is told to end only after the pod's containers are gone from the namespace.",
			Source:      sidecars + ", Termination order; KEP-753",
			Judge:       sidecarSeesOthersEnd,
		},
	}
	for i := range cases {
		cases[i].Fixture, cases[i].Control = "sidecar.yaml", "sidecar-isolated.yaml"
		cases[i].Act = deleteBesideSidecar
		if cases[i].Experiments == nil {
			cases[i].Experiments = none()
		}
	}
	cases = append(cases, suite.Case{
		ID:           "sidecar/told-to-end-in-the-init-phase",
		Level:        suite.Extended,
		Claim:        "When the pod is deleted in its init phase, every sidecar that has started, and that the others see, is told to end with SIGTERM, and the pod goes.",
		Source:       sidecars + ", Termination order; kubernetes#125880 (they were killed when the grace period was over)",
		Fixture:      "sidecar-init.yaml",
		Control:      "sidecar-init-isolated.yaml",
		Await:        allRunning(slices.Concat(initSidecars, []string{"endless"})...),
		Precondition: initSidecarsBegan,
		Act:          deleteInInitPhase,
		Judge:        sidecarsTold,
	})
	for i := range cases {
		cases[i].MinVersion = "1.29" // the first in which sidecars are on by default
	}
	return cases
}

// deleteBesideSidecar deletes the pod, and keeps what the sidecar prints to its end.
var deleteBesideSidecar = &suite.Act{
	Name: "delete",
	Ends: true,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		return pod.Apart(ctx, byDeleting, func(ctx context.Context) error {
			if err := pod.Follow(ctx, "proxy", "proxy"); err != nil {
				return err
			}
			return pod.Delete(ctx, 20, time.Minute)
		})
	},
}

// besideSidecar are the containers that the sidecar of sidecar.yaml stands by.
var besideSidecar = []string{"one", "two"}

func sidecarStartsFirst(o suite.Observation) error {
	proxy, err := ownProcess(o, "proxy", "proxy")
	if err != nil {
		return err
	}
	for _, name := range besideSidecar {
		other, err := markedProcess(o, name, name, "proxy")
		if err != nil {
			return err
		}
		// Both times are in ticks of the same clock, and a start takes many.
		if proxy.StartTime >= other.StartTime {
			if c := o.Pod.Containers["proxy"]; c.Restarts > 0 {
				return suite.CannotTell("the sidecar's first instance runs", describeEnd(c), o.Container("proxy"))
			}
			return suite.Violation("the sidecar's process is older than container "+name+"'s",
				fmt.Sprintf("the sidecar's is PID %s, the container's PID %s", proxy.Identity(), other.Identity()), o.Container("proxy"))
		}
	}
	return nil
}

func sidecarSeesOthersEnd(o suite.Observation) error {
	proxy, err := ownProcess(o, "proxy", "proxy")
	if err != nil {
		return err
	}
	var others []probe.Process
	for _, name := range besideSidecar {
		other, err := markedProcess(o, name, name, "proxy")
		if err != nil {
			return err
		}
		others = append(others, other)
	}
	log, err := o.Log("proxy")
	if err != nil {
		return err
	}
	if !strings.Contains(log, "all seen\n") {
		return suite.CannotTell("what the sidecar saw when it was told to end", fmt.Sprintf("its log is %q", log))
	}
	seen := map[probe.Identity]bool{}
	for line := range strings.Lines(log) {
		if stat, ok := strings.CutPrefix(strings.TrimSpace(line), "process "); ok {
			p, err := probe.ParseStat(stat)
			if err != nil {
				return suite.CannotTell("what the sidecar saw when it was told to end", err.Error())
			}
			seen[p.Identity()] = true
		}
	}
	if !seen[proxy.Identity()] {
		return suite.CannotTell("the sidecar sees itself when it is told to end", "it does not:\n"+log)
	}
	for i, name := range besideSidecar {
		if seen[others[i].Identity()] {
			// When the grace period is over, a sidecar is told to end whoever still runs: where the
			// runtime was too slow to stop the others, kubelet kept no other order than it documents.
			if d := o.Deletion; d != nil && d.Seconds >= float64(d.GraceSeconds) {
				return suite.CannotTell("the pod is deleted within its grace period",
					fmt.Sprintf("it took %.0f s of %d, and container %s was still there at the end", d.Seconds, d.GraceSeconds, name))
			}
			return suite.Violation("container "+name+" is gone when the sidecar is told to end",
				"its PID "+others[i].Identity().String()+" is there:\n"+log, o.Container("proxy"))
		}
	}
	return nil
}

// initSidecars are the sidecars of sidecar-init.yaml, which never leaves its init phase.
var initSidecars = []string{"first", "second"}

func initSidecarsBegan(o suite.Observation) error {
	for _, name := range initSidecars {
		if _, err := ownFirst(o, name); err != nil {
			return err
		}
	}
	_, err := ownFirst(o, "endless")
	return err
}

// deleteInInitPhase deletes the pod, and keeps what the sidecars print to their ends.
var deleteInInitPhase = &suite.Act{
	Name: "delete-in-init-phase",
	Ends: true,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		for _, name := range initSidecars {
			if err := pod.Follow(ctx, name, name); err != nil {
				return err
			}
		}
		const grace = 20 // seconds, sidecar-init.yaml's
		return pod.Delete(ctx, grace, grace*time.Second+comeback)
	},
}

func sidecarsTold(o suite.Observation) error {
	if main := o.Pod.Containers["main"]; main.Running || main.ExitCode != nil {
		return suite.CannotTell("the pod is in its init phase", "its container main has been started")
	}
	for _, of := range initSidecars {
		own, err := ownFirst(o, of)
		if err != nil {
			return err
		}
		for _, from := range slices.Concat(initSidecars, []string{"endless"}) {
			if !showsAs(o.Container(from), firstOf(o, of), own) {
				return suite.Violation(fmt.Sprintf("container %s sees the first process of sidecar %s, PID %s", from, of, own.Identity()), "it does not", o.Container(from))
			}
		}
	}
	d := o.Deletion
	if d == nil {
		return suite.CannotTell("the pod is deleted", "it was not requested")
	}
	for _, name := range initSidecars {
		log, err := o.Log(name)
		if err != nil {
			return err
		}
		if told := strings.Count(log, o.Markers[name+"-told"]); o.Markers[name+"-told"] == "" || told != 1 {
			return suite.Violation("sidecar "+name+" is told to end, once", fmt.Sprintf("its log says so %d times: %q", told, log), o.Container(name))
		}
	}
	if !d.Gone {
		return suite.Violation("the pod is gone when its sidecars have ended", fmt.Sprintf("it is not, %.0f s after the request", d.Seconds))
	}
	return nil
}
