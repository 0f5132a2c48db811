package compare

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

// How says by what a target of the later report was taken for one of the earlier.
type How string

const (
	// ByName: the node has the same name, without that of the kind cluster that it
	// belongs to, and the runtime class is the same.
	ByName How = "name"
	// ByKind: no node has the name any more, but there is a new one of the same
	// kind, as where an upgrade replaces nodes.
	ByKind How = "kind"
)

// Pair is a target with what it was before. One of the two is missing where a
// target vanished, or is new.
type Pair struct {
	Before *suite.Target `json:"before,omitempty"`
	Now    *suite.Target `json:"now,omitempty"`
	How    How           `json:"how,omitempty"`
	// Covered names, for a target that vanished, one of the same kind that there
	// still is: what is asked of the kind is answered there.
	Covered string `json:"covered,omitempty"`
}

// Name is how the pair is told of: the name that the target has now.
func (p Pair) Name() string {
	if p.Now != nil {
		return p.Now.Name()
	}
	return p.Before.Name()
}

// match pairs the targets of two reports. Versions do not count: they are what an
// upgrade changes.
func match(before, now report.Document) []Pair {
	type name struct{ short, class string }
	later := targetsOf(now)
	byName, byKind := map[name][]int{}, map[suite.Kind][]int{} // places in later
	for i, is := range later {
		at := name{shortName(is, now), is.RuntimeClass}
		byName[at] = append(byName[at], i)
		byKind[is.Kind()] = append(byKind[is.Kind()], i)
	}
	taken := make([]bool, len(later))
	take := func(among []int) (found *suite.Target, rest []int) {
		for n, i := range among {
			if !taken[i] {
				taken[i] = true
				return &later[i], among[n+1:]
			}
		}
		return nil, nil
	}
	var pairs []Pair
	var lost []suite.Target
	for _, was := range targetsOf(before) {
		at := name{shortName(was, before), was.RuntimeClass}
		is, rest := take(byName[at])
		byName[at] = rest
		if is != nil {
			pairs = append(pairs, Pair{Before: &was, Now: is, How: ByName})
		} else {
			lost = append(lost, was)
		}
	}
	first := map[suite.Kind]string{}
	for kind, places := range byKind {
		first[kind] = later[places[0]].Name()
	}
	for _, was := range lost {
		kind := was.Kind()
		is, rest := take(byKind[kind])
		byKind[kind] = rest
		pair := Pair{Before: &was, Now: is}
		if is != nil {
			pair.How = ByKind
		} else {
			pair.Covered = first[kind]
		}
		pairs = append(pairs, pair)
	}
	for i := range later {
		if !taken[i] {
			pairs = append(pairs, Pair{Now: &later[i]})
		}
	}
	return pairs
}

// targetsOf are a report's targets, by name.
func targetsOf(d report.Document) []suite.Target {
	var all []suite.Target
	for _, t := range d.Targets {
		all = append(all, t.Target)
	}
	slices.SortFunc(all, func(a, b suite.Target) int { return strings.Compare(a.Name(), b.Name()) })
	return all
}

// shortName is a node's name without that of its kind cluster, which kind puts
// before it, and which is another in each run that makes a cluster of its own.
func shortName(t suite.Target, of report.Document) string {
	if cluster, ok := strings.CutPrefix(of.Cluster.Context, "kind-"); ok {
		return strings.TrimPrefix(t.Node, cluster+"-")
	}
	return t.Node
}

// changed tells what of a pair's target is another than before, as "kubelet v1.36.3 → v1.37.2".
func (p Pair) changed() string {
	if p.Before == nil || p.Now == nil {
		return ""
	}
	was, is := p.Before, p.Now
	var all []string
	for _, property := range []struct{ name, was, is string }{
		{"kubelet", was.Kubelet, is.Kubelet},
		{"runtime", was.Runtime, is.Runtime},
		{"kernel", was.Kernel, is.Kernel},
		{"OS image", was.OSImage, is.OSImage},
		{"architecture", was.Architecture, is.Architecture},
		{"cgroup", was.CgroupMode, is.CgroupMode},
		{"user namespaces", was.UserNamespaces, is.UserNamespaces},
	} {
		if property.was != property.is {
			all = append(all, fmt.Sprintf("%s %s → %s", property.name, cmp.Or(property.was, "unknown"), cmp.Or(property.is, "unknown")))
		}
	}
	all = append(all, p.changedFacts()...)
	if len(all) == 0 {
		return strings.Join([]string{"kubelet " + is.Kubelet, is.Runtime, "as before"}, ", ")
	}
	return strings.Join(all, ", ")
}

// changedFacts tells of the images and the security module's labels that are others
// than before. Where one of the reports does not know them, nothing is told.
func (p Pair) changedFacts() []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(p.Now.Images)) {
		was, is := digests(p.Before.Images[name]), digests(p.Now.Images[name])
		if was != "" && was != is {
			all = append(all, fmt.Sprintf("image %s %s → %s", name, was, is))
		}
	}
	was, is := strings.Join(p.Before.Labels, ", "), strings.Join(p.Now.Labels, ", ")
	if was != "" && is != "" && was != is {
		all = append(all, fmt.Sprintf("security label %s → %s", was, is))
	}
	return all
}

// digests are those of image IDs, without the names before them: what was loaded into
// a node has a name that its runtime made up.
func digests(ids string) string {
	var all []string
	for id := range strings.SplitSeq(ids, ", ") {
		if _, digest, ok := strings.Cut(id, "@"); ok {
			id = digest
		}
		all = append(all, id)
	}
	return strings.Join(all, ", ")
}
