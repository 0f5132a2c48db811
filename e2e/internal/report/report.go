// Package report turns what a run found into documents: JSON for programs,
// JUnit for CI systems, Markdown and terminal text for people. It is pure: it
// is handed data and a writer, and knows of no cluster, client or clock.
//
// One rule holds in every format: a run in which nothing was judged, or that
// did not come to its end, never looks like a pass.
package report

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"procns/e2e/internal/suite"
	"procns/e2e/internal/wording"
)

// Schema names the version of report.json's format. docs/report.schema.json
// describes it.
const Schema = "procns.report/v1"

// Run is one run of the suite: who judged what, and what came of it.
type Run struct {
	ID       string    `json:"id"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`

	Suite   Suite          `json:"suite"`
	Cluster Cluster        `json:"cluster"`
	Targets []suite.Target `json:"-"`
	// Sweep says which cases were asked on which targets; nil: all on each.
	Sweep *suite.Scope `json:"sweep,omitempty"`
	// Require says which levels decide the exit code; empty: Core and Extended.
	Require suite.Requirement `json:"-"`
	// LeftOut are the nodes on which nothing was run, and why.
	LeftOut []LeftOut `json:"leftOut"`
	// Preflight is what was found before anything ran.
	Preflight []Check `json:"preflight,omitempty"`
	// HostChanges are the changes made to the host, or to kind, so that the cluster
	// could run at all: a reader must know that the cluster was not stock.
	HostChanges []string `json:"mends"`
	// Notes are what a reader must know of the cluster before believing the rest,
	// each in one line: what it does to pods, say.
	Notes []string `json:"notes,omitempty"`
	// Images maps each image that the manifests name to the one that was used
	// in its place. ImagePullPolicy is what the pods' pull policy was set to, if
	// it was set.
	Images          map[string]string `json:"images"`
	ImagePullPolicy string            `json:"imagePullPolicy,omitempty"`

	// Results are shown in this order: that of the catalogue, please.
	Results []suite.Result `json:"-"`
	Stats   Stats          `json:"-"`
	// Observed is what was seen in the pods of some of the results: those that Wanted names.
	Observed []Observed `json:"-"`

	// Leftovers are the objects that could not be removed.
	Leftovers []string `json:"leftovers"`
	// Pending are the objects that are deleted and still there: they go once the
	// cluster lets them. They do not change the exit code.
	Pending []string `json:"pending,omitempty"`
	// Kept says what was left on purpose, and how to delete it.
	Kept string `json:"kept,omitempty"`
	// Interrupted says that the run was stopped before its end, InterruptedBy by
	// what.
	Interrupted   bool   `json:"interrupted"`
	InterruptedBy string `json:"interruptedBy,omitempty"`
	// Problem is why the run could not be set up, or could not go on, in one line.
	Problem string `json:"problem,omitempty"`
	// CannotTell marks a problem that says nothing about the set-up: there was
	// nothing to judge. Its exit code is that of an inconclusive run.
	CannotTell bool `json:"-"`

	// Upgrade is the run's part in an upgrade of the cluster, if it has one.
	Upgrade *Upgrade `json:"upgrade,omitempty"`

	// Comparison is what changed since an earlier report; nil where none was named.
	Comparison Comparison `json:"-"`

	// Folder is where report and evidence lie, as the reader can find it.
	Folder string `json:"-"`
	// Rerun and ByHand return the command that runs this one case again, and the
	// one that shows the same to a reader by hand. Without them a plain guess
	// from the cluster's context is printed.
	Rerun  func(suite.Result) string `json:"-"`
	ByHand func(suite.Result) string `json:"-"`
}

// Comparison is what changed since an earlier report. Package compare makes it
// from two documents, so that it is only shown here.
type Comparison interface {
	// ExitCode is that of a run in which nothing else was wrong.
	ExitCode() int
	// Line says it all in one line.
	Line() string
	WriteText(io.Writer) error
	WriteMarkdown(io.Writer) error
}

// Upgrade is what a run before an upgrade has left, or a run after it has found.
type Upgrade struct {
	Phase string `json:"phase"` // "before" or "after"
	// Run is the one that left the witnesses, Left when, and Server the version of
	// the API server then.
	Run    string    `json:"run"`
	Left   time.Time `json:"left"`
	Server string    `json:"server"`
	// Witnesses is how many there are, and Vanished names the targets that have
	// some and are no targets any more.
	Witnesses int      `json:"witnesses"`
	Vanished  []string `json:"vanished,omitempty"`
}

func (u *Upgrade) describe() string {
	if u == nil {
		return ""
	}
	text := fmt.Sprintf("%s: %s of run %s, left at %s UTC under Kubernetes %s", u.Phase, wording.Count(u.Witnesses, "witness", "witnesses"),
		u.Run, u.Left.UTC().Format(time.DateTime), u.Server)
	if len(u.Vanished) > 0 {
		text += "; no target any more, and not judged: " + strings.Join(u.Vanished, ", ")
	}
	return text
}

// Suite identifies the judge.
type Suite struct {
	Version string `json:"version"`
	Go      string `json:"go"` // the toolchain's version
	// CaseCount is the number of cases in the catalogue, and Selected how many
	// of them this run was asked for. With 0, those that have a result count.
	CaseCount int `json:"caseCount"`
	Selected  int `json:"selected"`
	// SelectedByLevel is how many of each level were selected.
	SelectedByLevel map[suite.Level]int `json:"selectedByLevel,omitempty"`
	CatalogueSHA256 string              `json:"catalogueSHA256"`
}

// Cluster identifies the judged.
type Cluster struct {
	ServerVersion string `json:"serverVersion"`
	Platform      string `json:"platform"`
	UID           string `json:"uid"` // of the namespace kube-system
	Context       string `json:"context"`
	Provisioned   string `json:"provisioned"` // "existing", or "kind" with its version
}

// LeftOut is a node that did not become a target.
type LeftOut struct {
	Node   string `json:"node"`
	Reason string `json:"reason"`
}

// Check is one line of the preflight's table.
type Check struct {
	Name  string `json:"name"`
	State string `json:"state"` // "ok", "note", "warn" or "FAIL"
	Said  string `json:"said"`
}

// Stats is what the run took.
type Stats struct {
	// ReadySeconds is T, by target: from apply to Ready of the documented pod.
	ReadySeconds map[string]float64 `json:"readySeconds"`
	// WallSeconds is the whole run, with making and deleting a cluster;
	// CatalogueSeconds the cases alone, on all targets.
	WallSeconds      float64 `json:"wallSeconds"`
	CatalogueSeconds float64 `json:"catalogueSeconds"`
	Pods             int     `json:"pods"`
	APIRequests      int     `json:"apiRequests"` // as the client's transport counted them
	Execs            int     `json:"execs"`
	// ExecsFor is how many of the execs there were for each purpose.
	ExecsFor map[string]int `json:"execsFor,omitempty"`
}

// T is the longest time from apply to Ready among the targets.
func (s Stats) T() float64 {
	var longest float64
	for _, seconds := range s.ReadySeconds {
		longest = max(longest, seconds)
	}
	return longest
}

// requestsPerCaseAndTarget is the average cost of one result.
func (r Run) requestsPerCaseAndTarget() float64 {
	if len(r.Results) == 0 {
		return 0
	}
	return float64(r.Stats.APIRequests) / float64(len(r.Results))
}

// CatalogueSHA256 is a digest of what the cases claim and on what they are
// tried. Reports with equal digests judged by the same catalogue.
func CatalogueSHA256(cases []suite.Case) string {
	digest := sha256.New()
	lines := json.NewEncoder(digest)
	for _, c := range cases {
		one := []string{c.ID, string(c.Level), c.Claim, c.Source, c.MinVersion, c.Fixture, c.Control, c.Property()}
		if p := c.Pair; p != nil {
			one = append(one, append([]string{p.Fixture, p.Control}, p.ControlSees...)...)
		}
		// Strings only: encoding them cannot fail, and a digest's Write never does.
		_ = lines.Encode(one)
	}
	return hex.EncodeToString(digest.Sum(nil))
}

// targets are the run's targets, and those that only results know of.
func (r Run) targets() []suite.Target {
	var all []suite.Target
	seen := map[string]bool{}
	add := func(t suite.Target) {
		if !seen[t.Name()] {
			seen[t.Name()] = true
			all = append(all, t)
		}
	}
	for _, t := range r.Targets {
		add(t)
	}
	for _, result := range r.Results {
		add(result.Target)
	}
	return all
}

// cases are the cases that have a result, in the results' order.
func (r Run) cases() []suite.Case {
	var all []suite.Case
	seen := map[string]bool{}
	for _, result := range r.Results {
		if !seen[result.Case.ID] {
			seen[result.Case.ID] = true
			all = append(all, result.Case)
		}
	}
	return all
}

// pair is a case on a target, by their names.
type pair struct{ id, target string }

// cells finds the results by case and target; of several, the first.
func (r Run) cells() map[pair]*suite.Result {
	all := make(map[pair]*suite.Result, len(r.Results))
	for i := range r.Results {
		at := pair{r.Results[i].Case.ID, r.Results[i].Target.Name()}
		if all[at] == nil {
			all[at] = &r.Results[i]
		}
	}
	return all
}

// counts tells whether a result changes the exit code: what is Informational does
// not, nor what the run does not require.
func (r Run) counts(result suite.Result) (nonConformant, inconclusive bool) {
	if !r.Require.Decides(levelOf(result.Case)) {
		return false, false
	}
	return result.Outcome == suite.NonConformant, result.Outcome == suite.Inconclusive
}

// informational tells whether a result is one that has no verdict.
func informational(r suite.Result) bool { return r.Case.Level == suite.Informational }

// isRecord tells whether a result is of an Informational case that was run, or that
// was to be: it is told with the records, and is no failure.
func isRecord(r suite.Result) bool {
	switch r.Outcome {
	case suite.Conformant, suite.NonConformant, suite.Inconclusive:
		return informational(r)
	}
	return false
}
