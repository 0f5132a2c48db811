package cases

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

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
			ID:      "controllers/rollout-isolates",
			Level:   suite.Extended,
			Claim:   "A Deployment whose template loses the field replaces its pod by one whose containers are isolated.",
			Source:  "Kubernetes documentation, Deployments, Updating a Deployment; " + apiReference + " (default false)",
			Fixture: "controllers-deployment.yaml",
			Control: "controllers-deployment-isolated.yaml",
			Act:     rollOutTwice,
			Judge:   rolledOut("changed", isolatedAsTold),
		},
		{
			ID:      "controllers/rollout-shares-again",
			Level:   suite.Extended,
			Claim:   "A Deployment whose template gets the field back replaces its pod by one that shares its PID namespace.",
			Source:  "Kubernetes documentation, Deployments, Updating a Deployment; " + apiReference,
			Fixture: "controllers-deployment.yaml",
			Control: "controllers-deployment-isolated.yaml",
			Act:     rollOutTwice,
			Judge:   rolledOut("restored", sharesAsTold),
		},
		{
			ID:         "controllers/evicted-pod-returns-sharing",
			Level:      suite.Extended,
			Claim:      "When a pod is evicted, the pod that its ReplicaSet makes in its place shares its PID namespace.",
			Source:     "Kubernetes documentation, API-initiated Eviction; " + inTemplate,
			MinVersion: "1.22",
			Fixture:    "controllers-replicaset.yaml",
			Control:    "controllers-replicaset-isolated.yaml",
			Act:        evict,
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
			ID:      "controllers/job-completes",
			Level:   suite.Extended,
			Claim:   "A Job completes when the containers of its pod have ended well, although PID 1 of their namespace, the sandbox's, runs until then.",
			Source:  "Kubernetes documentation, Jobs, Pod and container failures; " + onUnderstanding1,
			Fixture: "controllers-job.yaml",
			Control: "controllers-job-isolated.yaml",
			Turns:   suite.Turns{On: beside}, // a Job whose pod has a sidecar never completes
			Act:     finishJob,
			Judge:   jobCompleted,
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

// The acts.

// rollOutTwice changes the field in a Deployment's template, which makes it
// replace its pod, and then changes it back.
var rollOutTwice = &suite.Act{
	Name: "roll-out-twice",
	Ends: true,
	Do: func(ctx context.Context, pod suite.Hands) error {
		original, changed := any(true), any(nil)
		if specOf(pod.Manifest())[fieldName] == nil {
			original, changed = changed, original
		}
		for _, rollout := range []struct {
			name  string
			value any
		}{{"changed", changed}, {"restored", original}} {
			body, err := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{fieldName: rollout.value}}}})
			if err != nil {
				return err
			}
			answer, err := pod.Request(ctx, rollout.name, suite.Request{
				Verb: "PATCH", API: "apps/v1", Path: "deployments/" + placedName(pod), ContentType: mergePatch, Body: body,
			})
			if err != nil || !answer.Accepted() {
				return err
			}
			if found, err := findSuccessor(ctx, pod, rollout.name); err != nil || !found {
				return err
			}
			complete := func(event string) bool { return rolloutIn(event) == rolloutComplete }
			if err := watchWorkload(ctx, pod, rollout.name+" rollout", "apps/v1", "deployments", complete, rolloutIn); err != nil {
				return err
			}
		}
		return nil
	},
}

const rolloutComplete = "complete"

// rolloutIn tells of a Deployment in a watch's event, as kubectl rollout status does, whether
// all its pods come of its present template.
func rolloutIn(event string) string {
	var content struct {
		Object struct {
			Metadata struct{ Generation int64 }
			Status   struct {
				ObservedGeneration                           int64
				Replicas, UpdatedReplicas, AvailableReplicas int
			}
		}
	}
	if err := json.Unmarshal([]byte(event), &content); err != nil {
		return ""
	}
	is := content.Object.Status
	if is.ObservedGeneration >= content.Object.Metadata.Generation && is.Replicas == 1 && is.UpdatedReplicas == 1 && is.AvailableReplicas == 1 {
		return rolloutComplete
	}
	return fmt.Sprintf("%d pods, %d of the present template, %d available", is.Replicas, is.UpdatedReplicas, is.AvailableReplicas)
}

// evict has the pod evicted, as draining its node does.
var evict = &suite.Act{
	Name: "evict",
	Ends: true,
	Do: func(ctx context.Context, pod suite.Hands) error {
		name := pod.Before().Pod.Name
		body, err := json.Marshal(map[string]any{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": map[string]any{"name": name}})
		if err != nil {
			return err
		}
		answer, err := pod.Request(ctx, "evict", suite.Request{Verb: "POST", Path: "pods/" + name + "/eviction", Body: body})
		if err != nil || !answer.Accepted() {
			return err
		}
		_, err = findSuccessor(ctx, pod, "successor")
		return err
	},
}

// finishJob has the containers of a Job's pod end, and waits until the Job says
// that it is done.
var finishJob = &suite.Act{
	Name: "finish",
	Ends: true,
	Do: func(ctx context.Context, pod suite.Hands) error {
		// Whichever comes first, this or the container, makes the pipe. The exec has a
		// deadline of its own: what timeout(1) does with these arguments is another thing
		// in busybox before 1.30.
		const tell = "mkfifo /tmp/end 2>/dev/null; echo end >/tmp/end"
		for _, container := range []string{"one", "two"} {
			if _, err := pod.Exec(ctx, container, container, "sh", "-c", tell); err != nil {
				return err
			}
		}
		ended, err := pod.Await(ctx, soon, "over", func(p suite.PodState) bool { return p.Phase == "Succeeded" || p.Phase == "Failed" })
		if err != nil || !ended {
			return err
		}
		over := func(event string) bool { return len(conditionsOf(event)) > 0 }
		met := func(event string) string { return strings.Join(conditionsOf(event), " ") }
		return watchWorkload(ctx, pod, "job", "batch/v1", "jobs", over, met)
	},
}

// conditionsOf names what is true of the object in a watch's event.
func conditionsOf(event string) []string {
	var content struct {
		Object struct {
			Status struct {
				Conditions []struct{ Type, Status string }
			}
		}
	}
	if err := json.Unmarshal([]byte(event), &content); err != nil {
		return nil
	}
	var met []string
	for _, c := range content.Object.Status.Conditions {
		if c.Status == "True" && (c.Type == "Complete" || c.Type == "Failed") {
			met = append(met, c.Type)
		}
	}
	return met
}

// staticPods is where kubelet looks for the pods that it runs by itself, on
// nodes that kubeadm has set up, as kind's are.
const staticPods = "/etc/kubernetes/manifests/"

// runStatic gives the node's kubelet the manifest as a file, looks at the pod
// that comes of it, and takes the file away again.
var runStatic = &suite.Act{
	Name: "run-static",
	Ends: true,
	Do: func(ctx context.Context, pod suite.Hands) (err error) {
		namespace, err := runNamespace(ctx, pod)
		if err != nil {
			return err
		}
		manifest := pod.Manifest()
		name := placedName(pod)
		metadataOf(manifest)["namespace"] = namespace
		text, err := json.Marshal(manifest)
		if err != nil {
			return err
		}
		file := staticPods + name + ".json"
		defer func() {
			// Also when the run is interrupted: kubelet would run the pod for ever.
			cleaning, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
			defer cancel()
			_, removeErr := pod.Node(cleaning, "remove", "rm", "-f", file)
			err = errors.Join(err, removeErr)
		}()
		// Moved there at once: kubelet must not read half of it.
		const write = `printf %s "$1" >"/tmp/$2" && mv "/tmp/$2" "$3"`
		if _, err := pod.Node(ctx, "write", "sh", "-c", write, "write", string(text), name, file); err != nil {
			return err
		}
		_, err = pod.Find(ctx, "mirror", "mirror pod", soon, func(p suite.PodState) bool {
			return strings.HasPrefix(p.Name, name+"-")
		})
		return err
	},
}

// runNamespace is the namespace that the run's requests go to.
func runNamespace(ctx context.Context, pod suite.Hands) (string, error) {
	answer, err := pod.Request(ctx, "namespace", suite.Request{Verb: "GET", Path: "serviceaccounts/default", Keep: func(body string) string {
		var account struct{ Metadata struct{ Namespace string } }
		if err := json.Unmarshal([]byte(body), &account); err != nil {
			return ""
		}
		return account.Metadata.Namespace
	}})
	if err == nil && answer.Body == "" {
		err = errors.New("the run's namespace is unknown: " + answer.String())
	}
	return answer.Body, err
}

// soon bounds an act's wait for a pod or a Job: they take seconds, from images that
// the node has, unless the node is badly overloaded.
const soon = 5 * time.Minute

// findSuccessor observes the next pod of the workload that none was found of yet.
func findSuccessor(ctx context.Context, pod suite.Hands, name string) (bool, error) {
	known := []string{pod.Before().Pod.Name}
	for _, seen := range pod.Before().Copies {
		known = append(known, seen.Pod.Name)
	}
	return pod.Find(ctx, name, "pod in its place", soon, func(p suite.PodState) bool {
		return strings.HasPrefix(p.Name, placedName(pod)+"-") && !slices.Contains(known, p.Name)
	})
}

// watchWorkload watches what makes the pod until an event of it is the one that is waited
// for, at most as long as soon, and records under name what keep makes of that event.
func watchWorkload(ctx context.Context, pod suite.Hands, name, api, resource string, until func(event string) bool, keep func(event string) string) error {
	_, err := pod.Request(ctx, name, suite.Request{
		Verb: "GET", API: api, Path: resource,
		Query: map[string]string{"fieldSelector": "metadata.name=" + placedName(pod)},
		Until: func(event []byte) bool { return until(string(event)) }, Within: soon,
		Keep: keep,
	})
	return err
}

// placedName is the name of what was created of the manifest. What comes of that
// has names that begin with it.
func placedName(pod suite.Hands) string {
	return fmt.Sprint(metadataOf(pod.Manifest())["name"])
}

// The judges.

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
