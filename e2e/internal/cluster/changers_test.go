package cluster

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"procns/e2e/internal/difference"
	"procns/e2e/internal/suite"
)

// TestChangers: who may have changed a pod is named wherever on its way it was, and by whatever labels its
// namespace has got: only where nobody is, the API server itself did it.
func TestChangers(t *testing.T) {
	const (
		pods        = `{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}`
		podsUpdated = `{apiGroups: [""], apiVersions: [v1], operations: [UPDATE], resources: ["pods/*"]}`
		replicaSets = `{apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [replicasets]}`
		jobs        = `{apiGroups: [batch], apiVersions: [v1], operations: ["*"], resources: [jobs]}`
		deployments = `{apiGroups: [apps], apiVersions: [v1], operations: [UPDATE], resources: [deployments]}`
	)
	pod := suite.Manifest{Pod: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "one", Labels: map[string]string{"app": "one"}}}}
	of := func(workload runtime.Object) suite.Manifest { return suite.Manifest{Pod: pod.Pod, Workload: workload} }
	for name, row := range map[string]struct {
		hook  string
		of    suite.Manifest
		later bool
		named bool
	}{
		"of pods":                          {"rules: [" + pods + "]", pod, false, true},
		"of pods that are changed":         {"rules: [" + podsUpdated + "]", pod, false, false},
		"of pods that are changed, later":  {"rules: [" + podsUpdated + "]", pod, true, true},
		"of a Deployment's ReplicaSet":     {"rules: [" + replicaSets + "]", of(&appsv1.Deployment{}), false, true},
		"of ReplicaSets, a DaemonSet":      {"rules: [" + replicaSets + "]", of(&appsv1.DaemonSet{}), false, false},
		"of a CronJob's Job":               {"rules: [" + jobs + "]", of(&batchv1.CronJob{}), false, true},
		"of templates that are sent":       {"rules: [" + jobs + "]", pod, true, true},
		"of a rollout":                     {"rules: [" + deployments + "]", of(&appsv1.Deployment{}), true, true},
		"where the run's label is":         {"rules: [" + pods + "], namespaceSelector: {matchExpressions: [{key: procns.run, operator: Exists}]}", pod, false, true},
		"where the run's namespace is":     {"rules: [" + pods + "], namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: procns-1}}", pod, false, true},
		"where a label was added at first": {"rules: [" + pods + "], namespaceSelector: {matchLabels: {team: a}}", pod, false, true},
		"where one was added later":        {"rules: [" + pods + "], namespaceSelector: {matchLabels: {project: p-1}}", pod, false, true},
		"where one was set anew":           {"rules: [" + pods + "], namespaceSelector: {matchLabels: {istio-injection: enabled}}", pod, false, true},
		"where no label is of that name":   {"rules: [" + pods + "], namespaceSelector: {matchLabels: {other: x}}", pod, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSession(nil, nil, "1", &Counts{}, "procns-1")
			stored := namespaceAt("procns-1", "1", runLevel, nil)
			stored.Labels["team"] = "a"
			s.noteLabels(stored)
			later := stored.DeepCopy()
			later.Labels["project"], later.Labels["istio-injection"] = "p-1", "enabled"
			s.noteLabels(later)
			var hook admissionregistrationv1.MutatingWebhook
			require.NoError(t, yaml.UnmarshalStrict([]byte("{name: w, "+row.hook+"}"), &hook))
			s.mutating = mutating{listed: time.Now(), Mutating: difference.Mutating{
				Webhooks: []admissionregistrationv1.MutatingWebhookConfiguration{{Webhooks: []admissionregistrationv1.MutatingWebhook{hook}}},
			}}
			by := s.Changers(t.Context(), row.of, row.later)
			assert.Equal(t, row.named, !by.Server(), by.String())
		})
	}
}

// TestLabelsSeen: what was seen of the labels does not grow for ever.
func TestLabelsSeen(t *testing.T) {
	s := newSession(nil, nil, "1", &Counts{}, "procns-1")
	for i := range 3 * mostLabels {
		namespace := namespaceAt("procns-1", "1", runLevel, nil)
		namespace.Labels["count"] = time.Duration(i).String()
		s.noteLabels(namespace)
		s.noteLabels(namespace)
	}
	seen := s.labelsSeen()
	assert.Len(t, seen, 1+mostLabels)
	assert.NotContains(t, seen[0], "count", "what the run set is always among them")
	assert.Equal(t, "47ns", seen[mostLabels]["count"])
}
