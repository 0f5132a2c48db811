package cases

import (
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// An ephemeral container whose target has ended, or was never there.

// crashedBeside: the container app runs, and the other one is over.
var crashedBeside = &suite.Await{
	Name: "settled (one container running, the other over)", MayEnd: true,
	Done: func(p suite.PodState) bool {
		_, over := exitedContainer(p)
		return p.Containers["app"].Running && over
	},
}

// exitedContainer is the container that has ended for good.
func exitedContainer(p suite.PodState) (string, bool) {
	for _, name := range slices.Sorted(maps.Keys(p.Containers)) {
		if c := p.Containers[name]; !c.Running && c.Waiting == "" && c.ExitCode != nil && c.Kind == "" {
			return name, true
		}
	}
	return "", false
}

// targetTheExited asks for an ephemeral container whose target does not exist,
// as a trial, and adds one whose target has ended.
var targetTheExited = &suite.Act{
	Name:   "target-the-exited",
	Within: 30 * time.Second,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		marker := "marker" + probe.RandomHex(10)
		pod.Note(func(saw *suite.Saw) { saw.Late = marker })
		unknown := func(ctx context.Context) error {
			_, err := addEphemeral(ctx, pod, "unknown", "helper", marker, true)
			return err
		}
		if err := pod.Apart(ctx, byUnknownTarget, unknown); err != nil {
			return err
		}
		target, ok := exitedContainer(pod.Before().Pod)
		if !ok {
			return nil // the judge says so
		}
		return pod.Apart(ctx, byLateContainer, func(ctx context.Context) error {
			added, err := addEphemeral(ctx, pod, "late", target, marker, false)
			if err != nil || !added.Accepted() {
				return err
			}
			return awaitLate(ctx, pod)
		})
	},
}

// awaitLate waits until the container that was added runs, or cannot be made.
func awaitLate(ctx context.Context, pod suite.PodClient) error {
	running := func(p suite.PodState) bool { return p.Containers["late"].Running }
	refused := func(p suite.PodState) bool { return refusedByRuntime(p.Containers["late"]) }
	settled := func(p suite.PodState) bool { return running(p) || refused(p) }
	if _, err := pod.Await(ctx, time.Minute, "running, or refused by the runtime", settled); err != nil {
		return err
	}
	// kubelet tries again after 10 to 15 seconds. A runtime that says what is
	// wrong with the target will say so again; any other failure may pass.
	_, err := pod.Await(ctx, 20*time.Second, "running", func(p suite.PodState) bool {
		return running(p) || refused(p) && strings.Contains(p.Containers["late"].Message, "target")
	})
	return err
}

// addEphemeral requests one more ephemeral container, of the image that the pod's
// others have, and records the answer under the container's name.
func addEphemeral(ctx context.Context, pod suite.PodClient, name, target, marker string, trial bool) (suite.Answer, error) {
	like, err := firstContainer(pod.Manifest())
	if err != nil {
		return suite.Answer{}, err
	}
	body, err := json.Marshal(map[string]any{"spec": map[string]any{"ephemeralContainers": []any{map[string]any{
		"name": name, "targetContainerName": target,
		"image": like["image"], "imagePullPolicy": like["imagePullPolicy"],
		"command": []string{"sh", "-c", "while :; do sleep 3600; done", marker},
	}}}})
	if err != nil {
		return suite.Answer{}, err
	}
	query := map[string]string{}
	if trial {
		query["dryRun"] = "All"
	}
	return pod.Request(ctx, name, suite.Request{
		Verb: "PATCH", Path: "pods/" + pod.Before().Pod.Name + "/ephemeralcontainers", Query: query,
		ContentType: "application/strategic-merge-patch+json", Body: body,
	})
}

func debugsTheExited(o suite.Observation) error {
	target, ok := exitedContainer(o.Pod)
	if !ok {
		return suite.CannotTell("a container that has ended", "none has")
	}
	if answer := o.Answers["late"]; !answer.Accepted() {
		if !decisive("", answer) {
			return suite.CannotTell("the server's answer to an ephemeral container whose target has ended", answer.String())
		}
		return suite.Violation("the server takes an ephemeral container whose target, "+target+", has ended", answer.String())
	}
	if o.AfterPod == nil {
		return suite.CannotTell("the pod's status after the ephemeral container was added", "none")
	}
	late := o.AfterPod.Containers["late"]
	starts := "the ephemeral container whose target, " + target + ", has ended starts"
	switch {
	case late.Running:
	case late.ExitCode != nil:
		return suite.Violation(starts, describeEnd(late), o.AfterIn("app"))
	case refusedByRuntime(late) && !overloaded.MatchString(late.Message):
		return suite.Violation(starts, "it waits: "+late.Waiting+": "+late.Message, o.AfterIn("app"))
	default:
		return suite.CannotTell(starts+", or is refused", "it waits: "+late.Waiting+": "+late.Message)
	}
	// The second snapshots, with the marker of the container that was added.
	after := afterwards(o)
	after.Markers = map[string]string{"app": o.Markers["app"], "late": o.Saw.Late}
	for _, pair := range [][2]string{{"app", "late"}, {"late", "app"}} {
		if _, err := markedProcess(after, pair[0], pair[0], pair[1]); err != nil {
			return err
		}
	}
	if err := sameNamespace(after.Container("late"), after.Container("app")); err != nil {
		return err
	}
	if first, _ := after.Container("late").Find(carrying(after, "late")); first.PID == 1 {
		return suite.Violation("the ephemeral container's first process is not PID 1", "it is", after.Container("late"))
	}
	return nil
}

// refusedByRuntime tells whether a container waits because it cannot be made.
func refusedByRuntime(c suite.ContainerState) bool { return strings.HasSuffix(c.Waiting, "Error") }

// overloaded is how a runtime says that it did not come to an answer in time, and
// what it says of the name it has kept for the container meanwhile.
var overloaded = regexp.MustCompile(`(?i)deadline ?exceeded|name .* is reserved`)

func unknownTargetRefused(o suite.Observation) error {
	// The same request with a known target is the witness that nothing else about
	// it is refused.
	if known := o.Answers["late"]; !known.Accepted() {
		return suite.CannotTell("the server takes an ephemeral container with a target that exists", known.String())
	}
	answer := o.Answers["unknown"]
	if !answer.Accepted() && !decisive("", answer) {
		return suite.CannotTell("the server's answer to an ephemeral container with an unknown target", answer.String())
	}
	if answer.Refusal().By != suite.ByValidation || !strings.Contains(answer.Message, "targetContainerName") {
		return suite.Violation("the server finds it invalid, because of targetContainerName", answer.String())
	}
	return nil
}
