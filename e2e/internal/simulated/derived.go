package simulated

import (
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// derive adds, of the manifests that have no recording, those whose pod is a recorded one with fewer
// containers: what was seen there, without the processes of the others.
func (r *Recordings) derive(manifests fs.FS) error {
	files, err := fs.Glob(manifests, "*.yaml")
	if err != nil {
		return err
	}
	recorded := maps.Clone(r.by)
	for _, file := range files {
		raw, err := fs.ReadFile(manifests, file)
		if err != nil {
			return err
		}
		for kind, more := range recorded {
			few, err := suite.DecodePlanted(file, raw, more.seen.Markers)
			if err != nil {
				return err
			}
			own := kindOf(few.Pod, few.Pod.Name)
			if _, known := recorded[own]; known || own.sharing != kind.sharing || own.hostPID != kind.hostPID || few.Workload != nil {
				continue
			}
			if others, part := without(few.Pod, more.pod); part {
				r.by[own] = recording{pod: few.Pod, seen: withoutContainers(more.seen, others)}
			}
		}
	}
	return nil
}

// without are the containers that more has and few has not. It is false where that is not the only
// difference, or there is none, or the processes of one of them are not known by a random text.
func without(few, more *corev1.Pod) (others []corev1.Container, part bool) {
	rest := more.Spec.DeepCopy()
	rest.Containers = nil
	for _, c := range more.Spec.Containers {
		if slices.ContainsFunc(few.Spec.Containers, func(own corev1.Container) bool { return own.Name == c.Name }) {
			rest.Containers = append(rest.Containers, c)
		} else {
			others = append(others, c)
		}
	}
	marked := !slices.ContainsFunc(others, func(c corev1.Container) bool { return len(textsOf(c)) == 0 })
	return others, len(others) > 0 && marked && reflect.DeepEqual(*rest, few.Spec)
}

// textsOf are the random texts in a container's command, by which its processes are known.
func textsOf(c corev1.Container) []string {
	return marker.FindAllString(strings.Join(slices.Concat(c.Command, c.Args), "\n"), -1)
}

// withoutContainers is what would have been seen in the pod if it had not had these containers.
func withoutContainers(seen suite.Observation, others []corev1.Container) suite.Observation {
	var texts []string // that only their processes carry
	for _, c := range others {
		texts = append(texts, textsOf(c)...)
	}
	before := map[string]*probe.Snapshot{}
	for name, s := range seen.Before {
		if slices.ContainsFunc(others, func(c corev1.Container) bool { return c.Name == name }) {
			continue
		}
		left := *s
		left.Processes = withoutFamilies(s.Processes, func(p probe.Process) bool { return slices.ContainsFunc(texts, p.Has) })
		before[name] = &left
	}
	seen.Before = before
	return seen
}

// withoutFamilies leaves out some processes, with all that descend from them.
func withoutFamilies(all []probe.Process, some func(probe.Process) bool) []probe.Process {
	gone := map[int]bool{}
	for _, p := range all {
		gone[p.PID] = some(p)
	}
	for range all { // no line of parents is longer
		for _, p := range all {
			gone[p.PID] = gone[p.PID] || gone[p.PPID]
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(p probe.Process) bool { return gone[p.PID] })
}
