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

// What is done to workloads.

// rollOutTwice changes the field in a Deployment's template, which makes it
// replace its pod, and then changes it back.
var rollOutTwice = &suite.Act{
	Name: "roll-out-twice",
	Ends: true,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		original, changed := any(true), any(nil)
		if specOf(pod.Manifest())[fieldName] == nil {
			original, changed = changed, original
		}
		for _, rollout := range []struct {
			name  string
			value any
		}{{"changed", changed}, {"restored", original}} {
			again := false // whether there is a pod of the new template, for the next
			if err := pod.Apart(ctx, rollout.name, func(ctx context.Context) (err error) {
				again, err = rollOut(ctx, pod, rollout.name, rollout.value)
				return err
			}); err != nil || !again {
				return err
			}
		}
		return nil
	},
}

// rollOut gives the field of a Deployment's template a value, nil for none, and waits for the pod that
// comes of it and for the rollout's end; it tells whether there was such a pod.
func rollOut(ctx context.Context, pod suite.PodClient, name string, value any) (bool, error) {
	body, err := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{fieldName: value}}}})
	if err != nil {
		return false, err
	}
	answer, err := pod.Request(ctx, name, suite.Request{
		Verb: "PATCH", API: "apps/v1", Path: "deployments/" + placedName(pod), ContentType: mergePatch, Body: body,
	})
	if err != nil || !answer.Accepted() {
		return false, err
	}
	if found, err := findSuccessor(ctx, pod, name); err != nil || !found {
		return false, err
	}
	complete := func(event string) bool { return rolloutIn(event) == rolloutComplete }
	return true, watchWorkload(ctx, pod, name+" rollout", "apps/v1", "deployments", complete, rolloutIn)
}

const rolloutComplete = "complete"

// rolloutIn tells of a Deployment in a watch's event, as kubectl rollout status does, whether
// all its pods come of its present template.
func rolloutIn(event string) string {
	var content struct {
		Object struct {
			Metadata struct{ Generation int64 }
			Spec     struct{ Replicas *int }
			Status   struct {
				ObservedGeneration                           int64
				Replicas, UpdatedReplicas, AvailableReplicas int
			}
		}
	}
	if err := json.Unmarshal([]byte(event), &content); err != nil {
		return ""
	}
	wanted := 1
	if replicas := content.Object.Spec.Replicas; replicas != nil { // a policy may have more of them
		wanted = *replicas
	}
	is := content.Object.Status
	if is.ObservedGeneration >= content.Object.Metadata.Generation && is.Replicas == wanted && is.UpdatedReplicas == wanted && is.AvailableReplicas == wanted {
		return rolloutComplete
	}
	return fmt.Sprintf("%d pods, %d of the present template, %d available", is.Replicas, is.UpdatedReplicas, is.AvailableReplicas)
}

// evict has the pod evicted, as draining its node does.
var evict = &suite.Act{
	Name: "evict",
	Ends: true,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		name := pod.Before().Pod.Name
		body, err := json.Marshal(map[string]any{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": map[string]any{"name": name}})
		if err != nil {
			return err
		}
		return pod.Apart(ctx, byEvicting, func(ctx context.Context) error {
			answer, err := pod.Request(ctx, "evict", suite.Request{Verb: "POST", Path: "pods/" + name + "/eviction", Body: body})
			if err != nil || !answer.Accepted() {
				return err
			}
			_, err = findSuccessor(ctx, pod, "successor")
			return err
		})
	},
}

// finishJob has the containers of a Job's pod end, and waits until the Job says
// that it is done.
var finishJob = &suite.Act{
	Name: "finish",
	Ends: true,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		return pod.Apart(ctx, byFinishing, func(ctx context.Context) error {
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
		})
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
	Do: func(ctx context.Context, pod suite.PodClient) (err error) {
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
func runNamespace(ctx context.Context, pod suite.PodClient) (string, error) {
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

// findSuccessor observes the next pod of the workload that none was found of yet.
func findSuccessor(ctx context.Context, pod suite.PodClient, name string) (bool, error) {
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
func watchWorkload(ctx context.Context, pod suite.PodClient, name, api, resource string, until func(event string) bool, keep func(event string) string) error {
	_, err := pod.Request(ctx, name, suite.Request{
		Verb: "GET", API: api, Path: resource,
		Query: map[string]string{"fieldSelector": "metadata.name=" + placedName(pod)},
		Until: func(event []byte) bool { return until(string(event)) }, Within: soon,
		Keep: keep,
	})
	return err
}
