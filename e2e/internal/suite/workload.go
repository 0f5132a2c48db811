package suite

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// PodLabel is on the pods of a workload, with the workload's name: by it the
// workload selects them, and the suite finds them.
const PodLabel = "procns.pod"

// workloadKind is a kind of objects that have a pod template.
type workloadKind struct {
	api, kind, resource string
	empty               func() runtime.Object
	// parts are those of an object of this kind; false where it is of another.
	parts func(runtime.Object) (workloadParts, bool)
}

// workloadParts are the places in a workload that placing it changes.
type workloadParts struct {
	meta     *metav1.ObjectMeta
	template *corev1.PodTemplateSpec
	// selector is nil where the API server makes it itself.
	selector **metav1.LabelSelector
}

// workloadKinds are all that are known: to know another takes a row.
var workloadKinds = []workloadKind{
	kindOf("apps/v1", "Deployment", "deployments", func(w *appsv1.Deployment) workloadParts {
		return workloadParts{&w.ObjectMeta, &w.Spec.Template, &w.Spec.Selector}
	}),
	kindOf("apps/v1", "ReplicaSet", "replicasets", func(w *appsv1.ReplicaSet) workloadParts {
		return workloadParts{&w.ObjectMeta, &w.Spec.Template, &w.Spec.Selector}
	}),
	kindOf("apps/v1", "StatefulSet", "statefulsets", func(w *appsv1.StatefulSet) workloadParts {
		return workloadParts{&w.ObjectMeta, &w.Spec.Template, &w.Spec.Selector}
	}),
	kindOf("apps/v1", "DaemonSet", "daemonsets", func(w *appsv1.DaemonSet) workloadParts {
		return workloadParts{&w.ObjectMeta, &w.Spec.Template, &w.Spec.Selector}
	}),
	kindOf("batch/v1", "Job", "jobs", func(w *batchv1.Job) workloadParts {
		return workloadParts{&w.ObjectMeta, &w.Spec.Template, nil}
	}),
	kindOf("batch/v1", "CronJob", "cronjobs", func(w *batchv1.CronJob) workloadParts {
		return workloadParts{&w.ObjectMeta, &w.Spec.JobTemplate.Spec.Template, nil}
	}),
}

func kindOf[T any, P interface {
	*T
	runtime.Object
}](api, kind, resource string, parts func(P) workloadParts) workloadKind {
	return workloadKind{
		api: api, kind: kind, resource: resource,
		empty: func() runtime.Object { return P(new(T)) },
		parts: func(object runtime.Object) (workloadParts, bool) {
			w, ok := object.(P)
			if !ok {
				return workloadParts{}, false
			}
			return parts(w), true
		},
	}
}

// newWorkload returns an empty object of a kind that has a pod template; false where there is no
// such kind.
func newWorkload(api, kind string) (runtime.Object, bool) {
	for _, k := range workloadKinds {
		if k.api == api && k.kind == kind {
			return k.empty(), true
		}
	}
	return nil, false
}

// workload finds an object's kind and parts; false where it has no pod template.
func workload(object runtime.Object) (workloadKind, workloadParts, bool) {
	for _, k := range workloadKinds {
		if parts, ok := k.parts(object); ok {
			return k, parts, true
		}
	}
	return workloadKind{}, workloadParts{}, false
}

// partsOf are the parts of a workload.
func partsOf(object runtime.Object) workloadParts {
	_, parts, ok := workload(object)
	if !ok {
		panic(fmt.Sprintf("%T is no workload", object))
	}
	return parts
}

// ResourceOf is where the API server has what a manifest may hold: a workload, or else a pod.
func ResourceOf(object runtime.Object) (api, resource string) {
	if k, _, ok := workload(object); ok {
		return k.api, k.resource
	}
	return "v1", "pods"
}

// WorkloadResource is where the API server has a kind of objects that have a pod template.
type WorkloadResource struct{ API, Resource string }

// WorkloadResources are those of all kinds that are known.
func WorkloadResources() []WorkloadResource {
	var all []WorkloadResource
	for _, k := range workloadKinds {
		all = append(all, WorkloadResource{k.api, k.resource})
	}
	return all
}

// makesInTurn are the resources of what a workload makes in place of its pods.
var makesInTurn = map[string]WorkloadResource{
	"deployments": {"apps/v1", "replicasets"},
	"cronjobs":    {"batch/v1", "jobs"},
}

// Makers are the resources that the manifest's template goes through until it is a pod.
func (m Manifest) Makers() []WorkloadResource {
	if m.Workload == nil {
		return nil
	}
	api, resource := ResourceOf(m.Workload)
	all := []WorkloadResource{{api, resource}}
	if next, ok := makesInTurn[resource]; ok {
		all = append(all, next)
	}
	return all
}

// placedWorkload is the workload that makes the placed pod.
func placedWorkload(made runtime.Object, pod *corev1.Pod) runtime.Object {
	made = made.DeepCopyObject()
	pod.Labels = merged(pod.Labels, map[string]string{PodLabel: pod.Name})
	parts := partsOf(made)
	parts.meta.Name = pod.Name
	parts.meta.Labels = merged(parts.meta.Labels, map[string]string{RunLabel: pod.Labels[RunLabel]})
	parts.template.Labels, parts.template.Annotations, parts.template.Spec = pod.Labels, pod.Annotations, pod.Spec
	if parts.selector != nil {
		*parts.selector = &metav1.LabelSelector{MatchLabels: map[string]string{PodLabel: pod.Name}}
	}
	return made
}

// TemplateOf is the pod that an object is, or that it makes; false where it is and
// makes none.
func TemplateOf(object runtime.Object) (*corev1.Pod, bool) {
	if pod, ok := object.(*corev1.Pod); ok {
		return pod, true
	}
	_, parts, ok := workload(object)
	if !ok {
		return nil, false
	}
	return &corev1.Pod{ObjectMeta: parts.template.ObjectMeta, Spec: parts.template.Spec}, true
}

// SharingOf is the field in the pod that an object is, or that it makes, as a word; false where
// it is and makes none.
func SharingOf(object runtime.Object) (word string, ok bool) {
	pod, ok := TemplateOf(object)
	if !ok {
		return "", false
	}
	return sharing(pod), true
}
