package simulated

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// Recordings are what was seen in pods of the suite's manifests on a real cluster.
type Recordings struct{ by map[like]recording }

// like is what tells the pods of one manifest from those of another. Fixture and control have one name.
type like struct {
	name    string // of the manifest
	sharing string // "" where the field is absent
	hostPID bool
}

type recording struct {
	pod  *corev1.Pod // as it was sent, with the markers of then
	seen suite.Observation
}

// Load reads the recordings of pods in which nothing was done, NAME.json of fixtures/NAME.yaml; manifests
// are the fixtures. What is no pod by itself is left out: the pods of a workload have other names. A manifest
// without a recording has that of one that differs in nothing but more containers, without these.
// Its error is about a file that cannot be read, or that there is none.
func Load(recordings, manifests fs.FS) (*Recordings, error) {
	files, err := fs.Glob(recordings, "*.json")
	if err != nil {
		return nil, err
	}
	all := &Recordings{by: map[like]recording{}}
	for _, file := range files {
		name := strings.TrimSuffix(file, ".json")
		if strings.Contains(name, ".") {
			continue // with an act, or not run
		}
		raw, err := fs.ReadFile(recordings, file)
		if err != nil {
			return nil, err
		}
		var r recording
		if err := json.Unmarshal(raw, &r.seen); err != nil {
			return nil, fmt.Errorf("recording %s: %w", file, err)
		}
		manifest, err := fs.ReadFile(manifests, name+".yaml")
		if err != nil {
			return nil, err
		}
		decoded, err := suite.DecodePlanted(name+".yaml", manifest, r.seen.Markers)
		if err != nil {
			return nil, err
		}
		if decoded.Workload != nil {
			continue
		}
		r.pod = decoded.Pod
		all.by[kindOf(r.pod, r.pod.Name)] = r
	}
	if len(all.by) == 0 {
		return nil, errors.New("no recording of a pod is there")
	}
	return all, all.derive(manifests)
}

func kindOf(pod *corev1.Pod, name string) like {
	k := like{name: name, hostPID: pod.Spec.HostPID}
	if s := pod.Spec.ShareProcessNamespace; s != nil {
		k.sharing = fmt.Sprint(*s)
	}
	return k
}

// suffix is what the runner puts behind the name of a manifest's pod.
var suffix = regexp.MustCompile(`-[0-9a-f]{8}$`)

// Answer is what the observation script writes in a container of a pod: what was recorded in one of the
// same manifest, with the markers of this pod, its name and its node. isolated has it written as if the
// pod had no shared PID namespace, whatever it asks for.
// Its error says that there is no recording to answer from.
func (r *Recordings) Answer(pod *corev1.Pod, container, boundary string, paths []string, isolated bool) (stdout, stderr string, err error) {
	kind := kindOf(pod, suffix.ReplaceAllString(pod.Name, ""))
	if isolated {
		kind.sharing = ""
	}
	from, ok := r.by[kind]
	if !ok {
		return "", "", fmt.Errorf("nothing was recorded of a pod %s (shareProcessNamespace %q)", kind.name, kind.sharing)
	}
	before := from.seen.Before[container]
	if before == nil {
		return "", "", fmt.Errorf("nothing was recorded of container %s of a pod %s", container, kind.name)
	}
	s := *before
	s.Kernel = KernelOf(pod.Spec.NodeName)
	stdout, stderr, err = observed(&s, boundary, paths)
	if err != nil {
		return "", "", err
	}
	now := from.replaced(pod)
	return now.Replace(stdout), now.Replace(stderr), nil
}

// replaced replaces what was the recorded pod's by what is this pod's.
func (r recording) replaced(pod *corev1.Pod) *strings.Replacer {
	old := []string{r.seen.Pod.Name, pod.Name, r.seen.Pod.Node, pod.Spec.NodeName}
	was, is := markersOf(r.pod), markersOf(pod)
	for i := range min(len(was), len(is)) {
		old = append(old, was[i], is[i])
	}
	return strings.NewReplacer(old...)
}

var marker = regexp.MustCompile(`marker[0-9a-f]{20}`)

// markersOf are the random texts in a pod's commands and variables, in the manifest's order.
func markersOf(pod *corev1.Pod) []string {
	var found []string
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		texts := slices.Concat(c.Command, c.Args)
		for _, v := range c.Env {
			texts = append(texts, v.Value)
		}
		found = append(found, marker.FindAllString(strings.Join(texts, "\n"), -1)...)
	}
	return found
}

// asked reads the boundary and the paths out of the command of an observation. It is false where the
// command is another one.
func asked(command []string) (boundary string, paths []string, ok bool) {
	begin := probe.ObserveCommand("", nil)
	fixed := len(begin) - 1
	if len(command) <= fixed || !slices.Equal(command[:fixed], begin[:fixed]) {
		return "", nil, false
	}
	return command[fixed], command[fixed+1:], true
}
