package webhook

import "slices"

const field = "shareProcessNamespace"

// SetFalse gives pods the field as false that were sent with true.
func SetFalse(r Request) {
	if r.Operation == "CREATE" && r.Resource == "pods" && r.Pod[field] == true {
		r.Pod[field] = false
	}
}

// DropFalse leaves the field out of pods that were sent with false, as clients do that take
// false for the absence of a value.
func DropFalse(r Request) {
	if r.Operation == "CREATE" && r.Resource == "pods" && r.Pod[field] == false {
		delete(r.Pod, field)
	}
}

// FillIn gives pods without the field its default.
func FillIn(r Request) {
	if _, ok := r.Pod[field]; !ok && r.Operation == "CREATE" && r.Resource == "pods" {
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
	if r.Operation != "CREATE" || r.Resource != "pods" {
		return
	}
	for _, container := range containersOf(r.Pod, "containers") {
		capabilities := part(part(container, "securityContext"), "capabilities")
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
	if r.Pod["hostPID"] == true && r.Pod[field] == true || part(r.Pod, "os")["name"] == "windows" {
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
