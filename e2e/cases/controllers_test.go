package cases

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// inCopy is a fault in the pod that came in another's place.
func inCopy(name string, fault breakage) breakage {
	return breakage{name + ": " + fault.name, func(o *suite.Observation) {
		seen := o.Copies[name]
		fault.apply(&seen)
		o.Copies[name] = seen
	}}
}

// oldPodStays is a rollout that does not come to its end.
func oldPodStays(rollout string) breakage {
	return answered("the pod of the old template stays", rollout+" rollout", suite.Answer{Code: 200, Body: "2 pods, 1 of the present template, 2 available"})
}

// sharingFaults are those of a pod that should share as its template says.
func sharingFaults() []breakage {
	return []breakage{
		{"the template's field is lost", func(o *suite.Observation) { o.Pod.Sharing = "absent" }},
		{"the pod has the field and is isolated", func(o *suite.Observation) {
			o.Before["two"].Namespaces["pid"]++
			hide(o, "one", withMarker(o, "two"))
			hide(o, "two", withMarker(o, "one"))
		}},
		hidden("one", "two"),
		pidReused("two", "one"),
	}
}

func inCopyEach(name string, faults []breakage) []breakage {
	var all []breakage
	for _, fault := range faults {
		all = append(all, inCopy(name, fault))
	}
	return all
}

// ended is a fault: a container ends with another exit code.
func ended(container string, code int) breakage {
	return breakage{container + " ends otherwise", func(o *suite.Observation) {
		c := o.AfterPod.Containers[container]
		c.ExitCode = &code
		o.AfterPod.Containers[container] = c
	}}
}

// controllersBreakages are the faults that the cases of controllers must find.
var controllersBreakages = map[string][]breakage{
	"controllers/deployment-shares":       sharingFaults(),
	"controllers/replicaset-shares":       sharingFaults(),
	"controllers/statefulset-shares":      sharingFaults(),
	"controllers/daemonset-shares":        sharingFaults(),
	"controllers/job-shares":              sharingFaults(),
	"controllers/cronjob-keeps-the-field": {loses("create", "absent"), loses("create", "false"), invalid("create")},
	"controllers/rollout-isolates": {
		invalid("changed"), oldPodStays("changed"),
		{"the new pod still shares", func(o *suite.Observation) {
			name := o.Copies["changed"].Pod.Name
			still := o.Copies["restored"]
			still.Pod.Name = name
			o.Copies["changed"] = still
		}},
		inCopy("changed", breakage{"the field is kept", func(o *suite.Observation) { o.Pod.Sharing = "true" }}),
		inCopy("changed", breakage{"the containers share a namespace", func(o *suite.Observation) {
			o.Before["one"].Namespaces["pid"] = o.Before["two"].Namespaces["pid"]
		}}),
	},
	"controllers/rollout-shares-again":        append(inCopyEach("restored", sharingFaults()), invalid("restored"), oldPodStays("restored")),
	"controllers/evicted-pod-returns-sharing": inCopyEach("successor", sharingFaults()),
	"controllers/job-completes": {
		ended("one", 137), ended("two", 1),
		{"the pod never ends", func(o *suite.Observation) {
			o.AfterPod.Phase, o.Answers = "Running", nil
		}},
		{"a container runs on", func(o *suite.Observation) {
			o.AfterPod.Containers["two"], o.Answers = suite.ContainerState{Running: true}, nil
		}},
		{"the Job runs on", func(o *suite.Observation) { o.Answers["job"] = suite.Answer{Code: 200} }},
		{"the Job fails", func(o *suite.Observation) { o.Answers["job"] = suite.Answer{Code: 200, Body: "Failed"} }},
	},
	"controllers/static-pod-shares": inCopyEach("mirror", sharingFaults()),
}

func TestConditionsOf(t *testing.T) {
	for event, met := range map[string][]string{
		"":                             nil,
		`{"type":"ADDED","object":{}}`: nil,
		`{"object":{"status":{"conditions":[{"type":"Complete","status":"False"}]}}}`:                                              nil,
		`{"object":{"status":{"conditions":[{"type":"SuccessCriteriaMet","status":"True"},{"type":"Complete","status":"True"}]}}}`: {"Complete"},
		`{"object":{"status":{"conditions":[{"type":"Failed","status":"True"}]}}}`:                                                 {"Failed"},
	} {
		assert.Equal(t, met, conditionsOf(event), event)
	}
}

// TestJobThatWasNotTold: a Job whose containers were not told to end says nothing, however
// the command that was to tell them failed.
func TestJobThatWasNotTold(t *testing.T) {
	c := caseOf(t, "controllers/job-completes")
	for name, told := range map[string]probe.CommandResult{
		"never ran":      {Failure: "container not found"},
		"exit code":      {Code: 1, Stderr: "timeout: unrecognized option"},
		"no such applet": {Code: 127, Stderr: "sh: mkfifo: not found"},
	} {
		t.Run(name, func(t *testing.T) {
			o := recorded(t, c, c.Fixture)
			o.Ran["one"] = told
			ended("one", 143).apply(&o)
			err := c.Judge(o)
			require.ErrorContains(t, err, "container one is told to end")
			assert.False(t, suite.IsViolation(err))
		})
	}
}

// TestNoTimeoutCommand: what timeout(1) does with a number is another thing in busybox before
// 1.30, so that no script and no act calls it.
func TestNoTimeoutCommand(t *testing.T) {
	called := regexp.MustCompile(`"timeout", "|[^-a-z]timeout (-t )?["$]?[0-9]`)
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	manifests, err := filepath.Glob("../../fixtures/*.yaml")
	require.NoError(t, err)
	for _, file := range append(files, manifests...) {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		if !strings.HasSuffix(file, "_test.go") {
			assert.Empty(t, called.FindString(string(text)), file)
		}
	}
}

// TestRolloutBesideAnInjectedContainer: where the cluster added a container to the new pod, that its rollout
// does not come to its end is not known to be the API's fault.
func TestRolloutBesideAnInjectedContainer(t *testing.T) {
	for id, name := range map[string]string{"controllers/rollout-isolates": "changed", "controllers/rollout-shares-again": "restored"} {
		c := caseOf(t, id)
		o := recorded(t, c, c.Fixture)
		require.NoError(t, c.Judge(o))
		oldPodStays(name).apply(&o)
		assert.True(t, suite.IsViolation(c.Judge(o)), id)
		successor := o.Copies[name]
		successor.Pod.Injected = []string{"mesh-proxy"}
		o.Copies[name] = successor
		err := c.Judge(o)
		require.ErrorContains(t, err, "mesh-proxy", id)
		assert.False(t, suite.IsViolation(err), "%v", err)
	}
}

// TestRolloutIn: a rollout is complete when all pods that the Deployment wants, however many, come of its
// present template and are available.
func TestRolloutIn(t *testing.T) {
	const event = `{"type":"MODIFIED","object":{"metadata":{"generation":2},"spec":{%s},"status":{"observedGeneration":%d,"replicas":%d,"updatedReplicas":%d,"availableReplicas":%d}}}`
	for name, row := range map[string]struct {
		spec                                   string
		observed, replicas, updated, available int
		says                                   string
	}{
		"one pod":                     {`"replicas":1`, 2, 1, 1, 1, rolloutComplete},
		"one pod, by default":         {``, 2, 1, 1, 1, rolloutComplete},
		"two, as a policy wants them": {`"replicas":2`, 2, 2, 2, 2, rolloutComplete},
		"one of two":                  {`"replicas":2`, 2, 1, 1, 1, "1 pods, 1 of the present template, 1 available"},
		"an old pod is there":         {`"replicas":1`, 2, 2, 1, 2, "2 pods, 1 of the present template, 2 available"},
		"the new pod is not ready":    {`"replicas":1`, 2, 1, 1, 0, "1 pods, 1 of the present template, 0 available"},
		"not seen by the controller":  {`"replicas":1`, 1, 1, 1, 1, "1 pods, 1 of the present template, 1 available"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, row.says, rolloutIn(fmt.Sprintf(event, row.spec, row.observed, row.replicas, row.updated, row.available)))
		})
	}
	assert.Empty(t, rolloutIn("no JSON"))
}
