package difference

import (
	"maps"
	"reflect"
	"slices"
)

// settings are what a workload says besides its template that decides how many pods it makes, when, and
// when it counts them, with what the absence of each means (API reference of apps/v1 and batch/v1).
var settings = map[string]any{
	"replicas":        1.0,
	"minReadySeconds": 0.0,
	"paused":          false,
	"suspend":         false,
	"parallelism":     1.0,
	"completions":     1.0,
	"managedBy":       "kubernetes.io/job-controller",
}

// Workloads compares the settings of a workload as it was sent with those that were stored.
func Workloads(sent, stored any) []Difference {
	a, b := specOf(sent), specOf(stored)
	var found []Difference
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		means := func(spec map[string]any) any {
			if value, ok := spec[name]; ok && value != nil {
				return value
			}
			return settings[name]
		}
		if is := means(b); !reflect.DeepEqual(is, means(a)) {
			found = append(found, Difference{Path: "spec." + name, Class: WorkloadSettings, Sent: text(a[name]), Stored: text(is)})
		}
	}
	return found
}

// Idle are those of the differences for which the workload's own controller makes no pod.
func Idle(differences []Difference) []Difference {
	var idle []Difference
	for _, d := range differences {
		switch {
		case d.Class != WorkloadSettings:
		case d.Stored == "true", d.Stored == "0" && d.Path != "spec.minReadySeconds", d.Path == "spec.managedBy":
			idle = append(idle, d)
		}
	}
	return idle
}

func specOf(workload any) map[string]any {
	object, _ := plain(workload).(map[string]any)
	spec, _ := object["spec"].(map[string]any)
	return spec
}
