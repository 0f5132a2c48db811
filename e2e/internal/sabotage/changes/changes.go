// Package changes holds what is done to pods on the way into the API server, where they should be
// left alone. A webhook does it, or a gateway that stands for the server itself.
package changes

import "slices"

const field = "shareProcessNamespace"

// Request is what is about to be stored.
type Request struct {
	Operation string // CREATE or UPDATE
	// Resource is the plural, with the subresource behind a slash: "pods", "pods/status".
	Resource string
	// Pod is the pod's specification, or that of a workload's template; Old is the one
	// before an update, and nil otherwise.
	Pod, Old map[string]any
	// Status is the object's, as kubelet reports a pod's.
	Status map[string]any
}

// Change edits Request.Pod and Request.Status.
type Change func(Request)

func (r Request) newPod() bool { return r.Operation == "CREATE" && r.Resource == "pods" }

// SetTrue gives pods the field as true that were sent without it, or with false.
func SetTrue(r Request) {
	if r.newPod() {
		r.Pod[field] = true
	}
}

// SetRuntimeClass gives pods another runtime class than they ask for.
func SetRuntimeClass(name string) Change {
	return func(r Request) {
		if r.newPod() {
			r.Pod["runtimeClassName"] = name
		}
	}
}

// SetFalse gives pods the field as false that were sent with true.
func SetFalse(r Request) {
	if r.newPod() && r.Pod[field] == true {
		r.Pod[field] = false
	}
}

// DropFalse leaves the field out of pods that were sent with false, as clients do that take
// false for the absence of a value.
func DropFalse(r Request) {
	if r.newPod() && r.Pod[field] == false {
		delete(r.Pod, field)
	}
}

// FillIn gives pods without the field its default.
func FillIn(r Request) {
	if r.newPod() && r.Pod[field] == nil { // null stands for nothing as well
		r.Pod[field] = false
	}
}

// Prune drops the field from the templates of workloads, as one does that writes them anew
// with types that do not know it.
func Prune(r Request) {
	if r.Resource != "pods" && r.Resource != "pods/ephemeralcontainers" {
		delete(r.Pod, field)
	}
}

// DropPtrace takes SYS_PTRACE out of what pods ask for.
func DropPtrace(r Request) {
	if !r.newPod() {
		return
	}
	for _, container := range containersOf(r.Pod, "containers") {
		capabilities := Part(Part(container, "securityContext"), "capabilities")
		if added, ok := capabilities["add"].([]any); ok {
			capabilities["add"] = slices.DeleteFunc(added, func(c any) bool { return c == "SYS_PTRACE" })
		}
	}
}

// Mend makes valid what is not, so that the API server has nothing to refuse.
func Mend(r Request) {
	if r.Operation == "UPDATE" && r.Resource == "pods" && r.Old != nil {
		delete(r.Pod, field)
		if value, ok := r.Old[field]; ok {
			r.Pod[field] = value
		}
		return
	}
	if r.Pod["hostPID"] == true && r.Pod[field] == true || Part(r.Pod, "os")["name"] == "windows" {
		delete(r.Pod, field)
	}
	containers := containersOf(r.Pod, "containers")
	for _, ephemeral := range containersOf(r.Pod, "ephemeralContainers") {
		known := func(c map[string]any) bool { return c["name"] == ephemeral["targetContainerName"] }
		if !slices.ContainsFunc(containers, known) {
			delete(ephemeral, "targetContainerName")
		}
	}
}

// HideFailure reports a pod as running that has failed.
func HideFailure(r Request) {
	if r.Resource == "pods/status" && r.Status["phase"] == "Failed" {
		r.Status["phase"] = "Running"
	}
}

func containersOf(pod map[string]any, kind string) []map[string]any {
	list, _ := pod[kind].([]any)
	var all []map[string]any
	for _, item := range list {
		if c, ok := item.(map[string]any); ok {
			all = append(all, c)
		}
	}
	return all
}

// PodSpec finds a pod's specification in a pod, a workload or a CronJob, with the JSON
// pointer that leads to it; nil where there is none.
func PodSpec(object map[string]any) (pointer string, spec map[string]any) {
	spec = Part(object, "spec")
	pointer = "/spec"
	for _, step := range []string{"jobTemplate", "template"} {
		if inner := Part(Part(spec, step), "spec"); inner != nil {
			pointer, spec = pointer+"/"+step+"/spec", inner
		}
	}
	if _, ok := spec["containers"]; !ok {
		return "", nil
	}
	return pointer, spec
}

// Part is a member that is an object; nil where there is none.
func Part(object map[string]any, name string) map[string]any {
	member, _ := object[name].(map[string]any)
	return member
}
