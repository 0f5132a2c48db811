package suite

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// PodLabel is on the pods of a workload, with the workload's name: by it the
// workload selects them, and the suite finds them.
const PodLabel = "procns.pod"

// newWorkload returns an empty object of one of the kinds that have a pod template.
func newWorkload(kind string) runtime.Object {
	switch kind {
	case "Deployment":
		return &appsv1.Deployment{}
	case "ReplicaSet":
		return &appsv1.ReplicaSet{}
	case "StatefulSet":
		return &appsv1.StatefulSet{}
	case "DaemonSet":
		return &appsv1.DaemonSet{}
	case "Job":
		return &batchv1.Job{}
	}
	return &batchv1.CronJob{}
}

// workloadParts are the places in a workload that placing it changes.
type workloadParts struct {
	meta     *metav1.ObjectMeta
	template *corev1.PodTemplateSpec
	// selector is nil where the API server makes it itself.
	selector **metav1.LabelSelector
}

func partsOf(workload runtime.Object) workloadParts {
	switch w := workload.(type) {
	case *appsv1.Deployment:
		return workloadParts{&w.ObjectMeta, &w.Spec.Template, &w.Spec.Selector}
	case *appsv1.ReplicaSet:
		return workloadParts{&w.ObjectMeta, &w.Spec.Template, &w.Spec.Selector}
	case *appsv1.StatefulSet:
		return workloadParts{&w.ObjectMeta, &w.Spec.Template, &w.Spec.Selector}
	case *appsv1.DaemonSet:
		return workloadParts{&w.ObjectMeta, &w.Spec.Template, &w.Spec.Selector}
	case *batchv1.Job:
		return workloadParts{&w.ObjectMeta, &w.Spec.Template, nil}
	case *batchv1.CronJob:
		return workloadParts{&w.ObjectMeta, &w.Spec.JobTemplate.Spec.Template, nil}
	}
	panic("not a workload of newWorkload")
}

// placedWorkload is the workload that makes the placed pod.
func placedWorkload(workload runtime.Object, pod *corev1.Pod) runtime.Object {
	workload = workload.DeepCopyObject()
	pod.Labels = merged(pod.Labels, map[string]string{PodLabel: pod.Name})
	parts := partsOf(workload)
	parts.meta.Name = pod.Name
	parts.meta.Labels = merged(parts.meta.Labels, map[string]string{RunLabel: pod.Labels[RunLabel]})
	parts.template.Labels, parts.template.Annotations, parts.template.Spec = pod.Labels, pod.Annotations, pod.Spec
	if parts.selector != nil {
		*parts.selector = &metav1.LabelSelector{MatchLabels: map[string]string{PodLabel: pod.Name}}
	}
	return workload
}

// TemplateSharing is the field in a workload's pod template, as a word.
func TemplateSharing(workload runtime.Object) string {
	return sharing(&corev1.Pod{Spec: partsOf(workload).template.Spec})
}

// TemplateOf is the pod that an object is, or that it makes; false where it is and
// makes none.
func TemplateOf(object runtime.Object) (*corev1.Pod, bool) {
	if pod, ok := object.(*corev1.Pod); ok {
		return pod, true
	}
	if !IsWorkload(object) {
		return nil, false
	}
	template := partsOf(object).template
	return &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}, true
}

// IsWorkload tells whether an object has a pod template that partsOf knows.
func IsWorkload(object runtime.Object) bool {
	switch object.(type) {
	case *appsv1.Deployment, *appsv1.ReplicaSet, *appsv1.StatefulSet, *appsv1.DaemonSet, *batchv1.Job, *batchv1.CronJob:
		return true
	}
	return false
}
