package preflight

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
	"procns/e2e/internal/targets"
	"procns/e2e/internal/wording"
)

// State is what a check came to.
type State string

const (
	// OK: as a run wants it.
	OK State = "ok"
	// Note: good to know; nothing is wrong.
	Note State = "note"
	// Warn: some cases will end inconclusive.
	Warn State = "warn"
	// Fail: there can be no run.
	Fail State = "FAIL"
)

// Check is one line of the table.
type Check struct {
	Name  string
	State State
	Said  string
}

// WriteTable prints the checks.
func WriteTable(w io.Writer, checks []Check) error {
	out := bufio.NewWriter(w)
	width := 0
	for _, c := range checks {
		width = max(width, utf8.RuneCountInString(c.Name))
	}
	previous := ""
	for _, c := range checks {
		name := c.Name
		if name == previous {
			name = "" // one check with several lines
		}
		previous = c.Name
		fmt.Fprintf(out, "    %-*s  %-4s  %s\n", width, name, c.State, probe.Visible(c.Said, false))
	}
	return out.Flush()
}

// OfVersion judges the server's version.
func OfVersion(version, platform string, gate suite.Gate) Check {
	c := Check{Name: "server", State: OK, Said: strings.TrimSpace(version + " " + platform)}
	switch {
	case gate.Refused != "":
		c.State, c.Said = Fail, gate.Refused
	case gate.ReadBack:
		c.State, c.Said = Note, c.Said+", where the feature gate PodShareProcessNamespace may be off: a pod will tell"
	default:
		c.Said += ", where the feature is always on"
	}
	return c
}

// OfPermissions judges the authorizer's answers.
func OfPermissions(questions []Question, denied func(Question) bool) []Check {
	const name = "permissions"
	required, some := Denied(questions, denied)
	var checks []Check
	if required != "" {
		checks = append(checks, Check{name, Fail, "not allowed to " + required})
	}
	if some != "" {
		checks = append(checks, Check{name, Warn, "not allowed to " + some + ". Cases that need it end inconclusive"})
	}
	if len(checks) == 0 {
		checks = append(checks, Check{name, OK, fmt.Sprintf("all %d that a run needs", len(questions))})
	}
	return checks
}

// OfTargets lists the nodes by their kind, and those left out.
func OfTargets(selection targets.Selection) []Check {
	const name = "nodes"
	var checks []Check
	if len(selection.Targets)+len(selection.LeftOut) > mostLines {
		return ofManyTargets(name, selection)
	}
	for _, t := range selection.Targets {
		said := fmt.Sprintf("%s: %s, kernel %s %s, %s, kubelet %s", t.Name(), t.OSImage, t.Kernel, t.Architecture, t.Runtime, t.Kubelet)
		if tolerated := len(selection.Tolerations[t.Node]); tolerated > 0 {
			said += ", tainted and tolerated"
		}
		checks = append(checks, Check{name, OK, said})
	}
	for _, l := range selection.LeftOut {
		checks = append(checks, Check{name, Note, l.Node + " is left out: " + l.Reason})
	}
	return checks
}

// OfImages compares the images with those that nodes report to have. A node
// reports its 50 largest, so one that is not listed may be there all the same.
func OfImages(images []string, on map[string][]string) []Check {
	const name = "images"
	var checks []Check
	var lacking []line
	for _, node := range slices.Sorted(maps.Keys(on)) {
		have := map[string]bool{}
		for _, image := range on[node] {
			have[normal(image)] = true
		}
		var absent []string
		for _, image := range images {
			if !have[normal(image)] {
				absent = append(absent, image)
			}
		}
		if len(absent) > 0 {
			lacking = append(lacking, line{node, strings.Join(absent, ", ")})
		}
	}
	verb := " does not report "
	if len(lacking) > mostLines {
		verb = " do not report "
	}
	for _, l := range together(lacking) {
		checks = append(checks, Check{name, Note, l.names + verb + l.text + ": to be pulled; where that fails, cases end inconclusive"})
	}
	if len(checks) == 0 {
		checks = append(checks, Check{name, OK, strings.Join(images, ", ") + ": on every target"})
	}
	return checks
}

// normal is a reference with the host, path and tag that docker, and kubelet with it, would
// add, so that two that name one image are equal.
func normal(reference string) string {
	name, digest, byDigest := strings.Cut(reference, "@")
	tag := ""
	if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
		name, tag = name[:colon], name[colon+1:]
	}
	host, rest, ok := strings.Cut(name, "/")
	if !ok || !strings.ContainsAny(host, ".:") && host != "localhost" {
		host, rest = "docker.io", name
	}
	if host == "docker.io" && !strings.Contains(rest, "/") {
		rest = "library/" + rest
	}
	switch {
	case byDigest:
		return host + "/" + rest + "@" + digest
	case tag == "":
		tag = "latest"
	}
	return host + "/" + rest + ":" + tag
}

// OfNamespace says whether the labels that a namespace was sent with came back:
// without them the cluster's own level of Pod Security would be enforced.
func OfNamespace(sent, stored map[string]string) Check {
	const key = "pod-security.kubernetes.io/enforce"
	if stored[key] != sent[key] {
		return Check{"pod security", Warn, fmt.Sprintf("the server changed the label %s from %q to %q: an admission webhook? Pods above that level end inconclusive", key, sent[key], stored[key])}
	}
	if stored[suite.RunLabel] != sent[suite.RunLabel] {
		return Check{"namespace", Warn, fmt.Sprintf("the server changed the label %s from %q to %q: an admission webhook? Nothing is exempt by it, and -cleanup would not find what this run may leave",
			suite.RunLabel, sent[suite.RunLabel], stored[suite.RunLabel])}
	}
	return Check{"pod security", OK, "the run's namespace enforces " + sent[key]}
}

// OfAPIs says which APIs of the cluster do not answer, and what that means.
func OfAPIs(down map[string]error) Check {
	const name = "APIs"
	if len(down) == 0 {
		return Check{name, OK, "all answer"}
	}
	var each []string
	for _, api := range slices.Sorted(maps.Keys(down)) {
		each = append(each, fmt.Sprintf("%s (%s)", api, strings.Join(strings.Fields(down[api].Error()), " ")))
	}
	return Check{name, Warn, strings.Join(each, ", ") + ": not answering, and no namespace of the cluster can go meanwhile: the run's own will be left until it does (kubectl get apiservices)"}
}

// OfPods says whether the pods of the manifests would be admitted into the run's
// namespace, and what the cluster would make of them.
func OfPods(refused map[string]string, changes []suite.TallyRow) []Check {
	const name = "admission"
	var checks []Check
	manifests := map[string][]string{} // by why they are refused
	admitted := 0
	for _, manifest := range slices.Sorted(maps.Keys(refused)) {
		if why := refused[manifest]; why != "" {
			manifests[why] = append(manifests[why], manifest)
		} else {
			admitted++
		}
	}
	for _, why := range slices.Sorted(maps.Keys(manifests)) {
		checks = append(checks, Check{name, Warn, wording.Names(manifests[why], wording.Few) + " refused: " + why})
	}
	if admitted > 0 {
		checks = append(checks, Check{name, OK, fmt.Sprintf("%d of %d manifests would be admitted", admitted, len(refused))})
	}
	for _, row := range changes {
		state := Note
		if len(row.Without) > 0 {
			state = Warn
		}
		checks = append(checks, Check{name, state, row.String()})
	}
	return checks
}

// OfLimits tells of quotas and limits in the run's namespace. wanted is how many
// pods the run has at one time.
func OfLimits(quotas []corev1.ResourceQuota, ranges []corev1.LimitRange, wanted int) []Check {
	var checks []Check
	for _, q := range quotas {
		for _, name := range []corev1.ResourceName{corev1.ResourcePods, "count/pods"} {
			hard, ok := q.Spec.Hard[name]
			if ok && hard.CmpInt64(int64(wanted)) < 0 {
				checks = append(checks, Check{"quota", Note, fmt.Sprintf("%s allows %s pods; the run would have up to %d at one time, and has fewer", q.Name, hard.String(), wanted)})
			}
		}
		var demanded []string
		for name := range q.Spec.Hard {
			of := strings.TrimPrefix(strings.TrimPrefix(string(name), "limits."), "requests.")
			if of == string(corev1.ResourceCPU) || of == string(corev1.ResourceMemory) {
				demanded = append(demanded, string(name))
			}
		}
		if len(demanded) > 0 && len(ranges) == 0 {
			slices.Sort(demanded)
			checks = append(checks, Check{"quota", Warn, fmt.Sprintf("%s demands that every pod sets %s, which the manifests do not, and no LimitRange adds it: pods are refused", q.Name, strings.Join(demanded, ", "))})
		}
	}
	for _, r := range ranges {
		checks = append(checks, Check{"limits", Note, "the LimitRange " + r.Name + " adds its limits to every pod"})
	}
	if len(checks) == 0 {
		checks = append(checks, Check{"quota", OK, "nothing in the way"})
	}
	return checks
}

// Failed is the first reason, in one line, why there can be no run.
func Failed(checks []Check) string {
	for _, c := range checks {
		if c.State == Fail {
			return c.Said
		}
	}
	return ""
}
