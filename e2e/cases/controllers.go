package cases

import (
	"fmt"
	"strings"

	"procns/e2e/internal/difference"
	"procns/e2e/internal/suite"
)

// controllersCases state that workload templates carry the field into their pods.
func controllersCases() []suite.Case {
	const inTemplate = apiReference + ", within PodTemplateSpec"
	makes := func(id, kind, file string, act *suite.Act) suite.Case {
		return suite.Case{
			ID:      id,
			Level:   suite.Core,
			Claim:   "The pod that a " + kind + " makes has the field of the template, and shares its PID namespace.",
			Source:  inTemplate,
			Fixture: file + ".yaml",
			Control: file + "-isolated.yaml",
			Act:     act,
			Judge:   sharesAsTold,

			Experiments: none(),
		}
	}
	return []suite.Case{
		makes("controllers/deployment-shares", "Deployment", "controllers-deployment", rollOutTwice),
		makes("controllers/replicaset-shares", "ReplicaSet", "controllers-replicaset", evict),
		makes("controllers/statefulset-shares", "StatefulSet", "controllers-statefulset", nil),
		makes("controllers/daemonset-shares", "DaemonSet", "controllers-daemonset", nil),
		makes("controllers/job-shares", "Job", "controllers-job", finishJob),
		{
			ID:         "controllers/cronjob-keeps-the-field",
			Level:      suite.Core,
			Claim:      "The template within a CronJob keeps the field.",
			Source:     inTemplate,
			MinVersion: "1.21",
			Fixture:    "controllers-cronjob.yaml",
			Control:    "controllers-cronjob-isolated.yaml",
			Submit:     suite.DryRun,
			Judge:      func(o suite.Observation) error { return accepted(o, "create", "true") },
		},
		{
			ID:          "controllers/rollout-isolates",
			Experiments: []string{"changed"},
			Level:       suite.Extended,
			Claim:       "A Deployment whose template loses the field replaces its pod by one whose containers are isolated.",
			Source:      "Kubernetes documentation, Deployments, Updating a Deployment; " + apiReference + " (default false)",
			Fixture:     "controllers-deployment.yaml",
			Control:     "controllers-deployment-isolated.yaml",
			Act:         rollOutTwice,
			Turns:       suite.Turns{On: rollouts},
			Judge:       rolledOut("changed", isolatedAsTold),
		},
		{
			ID:          "controllers/rollout-shares-again",
			Experiments: []string{"changed", "restored"},
			Level:       suite.Extended,
			Claim:       "A Deployment whose template gets the field back replaces its pod by one that shares its PID namespace.",
			Source:      "Kubernetes documentation, Deployments, Updating a Deployment; " + apiReference,
			Fixture:     "controllers-deployment.yaml",
			Control:     "controllers-deployment-isolated.yaml",
			Act:         rollOutTwice,
			Turns:       suite.Turns{On: rollouts},
			Judge:       rolledOut("restored", sharesAsTold),
		},
		{
			ID:          "controllers/evicted-pod-returns-sharing",
			Experiments: []string{byEvicting},
			Level:       suite.Extended,
			Claim:       "When a pod is evicted, the pod that its ReplicaSet makes in its place shares its PID namespace.",
			Source:      "Kubernetes documentation, API-initiated Eviction; " + inTemplate,
			MinVersion:  "1.22",
			Fixture:     "controllers-replicaset.yaml",
			Control:     "controllers-replicaset-isolated.yaml",
			Turns:       suite.Turns{On: []difference.Class{difference.WorkloadSettings}}, // of several pods, one is no successor
			Act:         evict,
			Judge: func(o suite.Observation) error {
				if answer := o.Answers["evict"]; !answer.Accepted() {
					return suite.CannotTell("the pod is evicted", answer.String())
				}
				successor, err := another(o, "successor")
				if err != nil {
					return err
				}
				return sharesAsTold(successor)
			},
		},
		{
			ID:          "controllers/job-completes",
			Experiments: []string{byFinishing},
			Level:       suite.Extended,
			Claim:       "A Job completes when the containers of its pod have ended well, although PID 1 of their namespace, the sandbox's, runs until then.",
			Source:      "Kubernetes documentation, Jobs, Pod and container failures; " + onUnderstanding1,
			Fixture:     "controllers-job.yaml",
			Control:     "controllers-job-isolated.yaml",
			Turns:       suite.Turns{On: ofWorkloads}, // a Job whose pod has a sidecar never completes
			Act:         finishJob,
			Judge:       jobCompleted,
		},
		{
			ID:      "controllers/static-pod-shares",
			Level:   suite.Extended,
			Claim:   "A static pod, which no API server admits, shares its PID namespace as well, and its mirror shows the field.",
			Source:  "Kubernetes documentation, Create static Pods; " + kep495,
			Fixture: "controllers-static.yaml",
			Control: "controllers-static-isolated.yaml",
			Submit:  suite.DryRun,
			OwnNode: true,
			Act:     runStatic,
			Judge: func(o suite.Observation) error {
				mirror, err := another(o, "mirror")
				if err != nil {
					return err
				}
				return sharesAsTold(mirror)
			},
		},
	}
}

// sharesAsTold demands that the stored pod has the field, and that its containers
// are in one PID namespace and see each other.
func sharesAsTold(o suite.Observation) error {
	if err := onePIDNamespace(o); err != nil {
		return err
	}
	if err := everyPairVisible(o); err != nil {
		return err
	}
	if o.Pod.Sharing != "true" {
		return suite.Violation("the pod has the field as in the template", "shareProcessNamespace "+o.Pod.Sharing)
	}
	return nil
}

// isolatedAsTold demands that the stored pod has not the field, and that each of
// its containers has a PID namespace of its own.
func isolatedAsTold(o suite.Observation) error {
	if err := eachAlone(o); err != nil {
		return err
	}
	if o.Pod.Sharing != "absent" {
		return suite.Violation("the pod is without the field, as the template", "shareProcessNamespace "+o.Pod.Sharing)
	}
	return nil
}

// another is the observation of a pod that came of the first, and is not it.
func another(o suite.Observation, name string) (suite.Observation, error) {
	found, ok := o.Copies[name]
	if !ok || found.Pod.Name == "" || found.Pod.Name == o.Pod.Name {
		return found, suite.CannotTell("another pod comes of it ("+name+")", "none was found")
	}
	return found, nil
}

func rolledOut(name string, judge func(suite.Observation) error) func(suite.Observation) error {
	return func(o suite.Observation) error {
		answer := o.Answers[name]
		if !answer.Accepted() && !decisive("", answer) {
			return suite.CannotTell("the template is updated", answer.String())
		}
		if !answer.Accepted() {
			return suite.Violation("the field of a template can be changed", answer.String())
		}
		successor, err := another(o, name)
		if err != nil {
			return err
		}
		if err := judge(successor); err != nil {
			return err
		}
		rollout, asked := o.Answers[name+" rollout"]
		if !asked || !rollout.Accepted() {
			return suite.CannotTell("how far the rollout came", rollout.String())
		}
		if rollout.Body != rolloutComplete && len(successor.Pod.Injected) > 0 {
			return suite.CannotTell("the new pod counts as available", fmt.Sprintf("it has containers that the cluster added (%s), and within %s the rollout was not complete: %s",
				strings.Join(successor.Pod.Injected, ", "), soon, rollout.Body))
		}
		if rollout.Body != rolloutComplete {
			return suite.Violation("the new pod is the only one that the Deployment has",
				fmt.Sprintf("within %s the rollout was not complete: %s", soon, rollout.Body))
		}
		return nil
	}
}

func jobCompleted(o suite.Observation) error {
	if err := onePIDNamespace(o); err != nil {
		return err
	}
	if err := firstProcessesAreNotPID1(o); err != nil {
		return err
	}
	if o.AfterPod == nil {
		return suite.CannotTell("what became of the pod", "it was not seen again")
	}
	for _, name := range []string{"one", "two"} {
		if told := o.Ran[name]; !told.Ran() || told.Code != 0 {
			return suite.CannotTell("container "+name+" is told to end", told.String())
		}
		c := o.AfterPod.Containers[name]
		if err := endKnown(c, name); err != nil {
			return err
		}
		if c.ExitCode == nil || *c.ExitCode != 0 {
			return suite.Violation("container "+name+" ends with exit code 0", describeEnd(c))
		}
	}
	if o.AfterPod.Phase != "Succeeded" {
		return suite.Violation("the pod is Succeeded", o.AfterPod.Phase)
	}
	job := o.Answers["job"]
	if !job.Accepted() {
		return suite.CannotTell("what became of the Job", job.String())
	}
	if job.Body != "Complete" {
		return suite.Violation("the Job is Complete", fmt.Sprintf("within %s it was %q", soon, job.Body))
	}
	return nil
}
