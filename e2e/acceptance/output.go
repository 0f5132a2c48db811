// Package acceptance runs the suite's test binary on real clusters as users do, disturbs and interrupts
// it, and holds each run to what it must come to. That takes a container engine and hours, so that these
// tests have the build tag acceptance: make acceptance runs them. What they read of a run, and what they
// make of the cluster's manifests, is in the files without the tag, and has tests of its own.
package acceptance

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

var (
	preflightLine = regexp.MustCompile(`(?m)^==> preflight: ([0-9]+(?:\.[0-9]+)?)s$`)
	judgedLine    = regexp.MustCompile(`(?m): (?:conformant|non-conformant|inconclusive)(?: .*)?$`)
	runID         = regexp.MustCompile(`-[0-9a-f]{8}\b`)
)

// preflightSeconds is how long a run says that its preflight took.
func preflightSeconds(output string) (float64, error) {
	found := preflightLine.FindStringSubmatch(output)
	if found == nil {
		return 0, errors.New("no line says how long the preflight took")
	}
	return strconv.ParseFloat(found[1], 64)
}

// ownLines are the lines that the suite's binary says in its own name.
func ownLines(output string) []string {
	return linesWith(output, func(line string) bool { return strings.HasPrefix(line, "procns: ") })
}

// linesHolding are the lines that hold a text.
func linesHolding(output, text string) []string {
	return linesWith(output, func(line string) bool { return strings.Contains(line, text) })
}

func linesWith(output string, wanted func(string) bool) []string {
	var all []string
	for line := range strings.Lines(output) {
		if line = strings.TrimRight(line, "\r\n"); wanted(line) {
			all = append(all, line)
		}
	}
	return all
}

// lastLine is the last line that is not empty.
func lastLine(output string) string {
	output = strings.TrimSpace(output)
	return output[strings.LastIndex(output, "\n")+1:]
}

// restricts tells whether an API server's answer is that Pod Security refuses a pod at the level restricted.
func restricts(said string) bool { return strings.Contains(said, `violates PodSecurity "restricted`) }

// countJudged counts the results in a run's log that were judged.
func countJudged(log string) int { return len(judgedLine.FindAllString(log, -1)) }

// valuesOf are what a list of flags gives a flag, which may be there several times.
func valuesOf(flags []string, name string) []string {
	var all []string
	for i := 1; i < len(flags); i++ {
		if flags[i-1] == "-"+name {
			all = append(all, flags[i])
		}
	}
	return all
}

// referenceOf is the reference of an image among values of -image, NAME=REFERENCE.
func referenceOf(images []string, name string) string {
	for _, image := range images {
		if reference, ok := strings.CutPrefix(image, name+"="); ok {
			return reference
		}
	}
	return ""
}

// count counts the results with an outcome: on a target, or on all of them if that is empty.
func count(results []report.Result, outcome suite.Outcome, target string) int {
	n := 0
	for _, r := range results {
		if r.Outcome == outcome && (target == "" || r.Target == target) {
			n++
		}
	}
	return n
}

// frequentReasons says why results have an outcome, the most frequent reasons first. Reasons that differ
// only in the run's random names are one.
func frequentReasons(results []report.Result, outcome suite.Outcome, most int) []string {
	counts := map[string]int{}
	for _, r := range results {
		if r.Outcome == outcome {
			reason := []rune(strings.Join(strings.Fields(r.Reason), " "))
			counts[runID.ReplaceAllString(r.Target+": "+string(reason[:min(len(reason), 300)]), "-…")]++
		}
	}
	reasons := slices.Sorted(maps.Keys(counts))
	slices.SortStableFunc(reasons, func(a, b string) int { return counts[b] - counts[a] })
	reasons = reasons[:min(len(reasons), most)]
	for i, reason := range reasons {
		reasons[i] = fmt.Sprintf("%d × %s", counts[reason], reason)
	}
	return reasons
}
