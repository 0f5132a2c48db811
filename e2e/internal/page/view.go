package page

import (
	"cmp"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"
	"time"

	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
	"procns/e2e/internal/wording"
)

// view is what the page shows, in its order.
type view struct {
	Policy string
	Style  template.CSS
	Script template.JS

	Mark     mark
	Line     string
	ExitCode int
	Run      []field
	Troubles []string
	Levels   []levelRow
	Failed   failures
	Matrix   matrix
	Changes  *changes
	Pictures []picture
	// Notes are what the cluster does to pods, and what else must be known of it.
	Notes       []string
	Checks      []check
	Targets     listed[target]
	LeftOut     listed[report.LeftOut]
	HostChanges []string
	Images      []string
	Aside       []aside
	Areas       []area
	// Cases counts them, and Named are the targets that can be filtered by.
	Cases int
	Named []string
	// Observed says that the report holds what was seen in pods.
	Observed bool
	Suite    report.Suite
	Schema   string
}

// field is one labelled statement.
type field struct{ Name, Text string }

// mark is an outcome as it is shown: never by its colour alone.
type mark struct{ Class, Sign, Word string }

// marks are those of the outcomes that have a verdict.
var marks = map[suite.Outcome]mark{
	suite.Conformant:    {"yes", "✓", "conformant"},
	suite.NonConformant: {"no", "✗", "non-conformant"},
	suite.Inconclusive:  {"unsure", "?", "inconclusive"},
	suite.Skipped:       {"skip", "–", "skipped"},
	suite.Exempted:      {"skip", "○", "exempted"},
	suite.Planned:       {"skip", "…", "planned"},
}

// notRun is the mark of what was asked for and is not there.
var notRun = mark{"unsure", "∅", "not run"}

// markOf is the mark of an outcome of a case of a level.
func markOf(outcome suite.Outcome, level suite.Level) mark {
	m, known := marks[outcome]
	switch {
	case !known:
		return mark{"unsure", "?", string(outcome)} // of a later suite, or of nobody's
	case level == suite.Informational && m.Class != "skip":
		return mark{"info", map[suite.Outcome]string{suite.Conformant: "=", suite.NonConformant: "≠", suite.Inconclusive: "?"}[outcome], outcome.In(level)}
	}
	return m
}

// weight orders outcomes: what a reader has to look at comes first.
func weight(outcome suite.Outcome, level suite.Level) int {
	order := []suite.Outcome{suite.NonConformant, suite.Inconclusive, suite.Exempted, suite.Skipped, suite.Planned, suite.Conformant}
	at := slices.Index(order, outcome)
	if level == suite.Informational {
		at += len(order)
	}
	return at
}

// passed tells whether nobody has to look at a result.
func passed(r report.Result) bool {
	return r.Level == suite.Informational || !r.Outcome.Failed() && marks[r.Outcome] != mark{}
}

// listed is a list of which the page shows the beginning.
type listed[T any] struct {
	Some []T
	More int
}

func first[T any](all []T, most int) listed[T] {
	if len(all) <= most {
		return listed[T]{Some: all}
	}
	return listed[T]{Some: all[:most], More: len(all) - most}
}

// How much of long lists a page shows. The report holds the rest.
const (
	mostTargets  = 200
	mostFailures = 100
	mostNames    = 12 // of targets, or of cases, in a sentence
	mostChanges  = 300
	mostAside    = 100
)

// check is one line of the preflight.
type check struct {
	Name, Said string
	Mark       mark
}

var checkMarks = map[string]mark{
	"ok": {"yes", "✓", "ok"}, "note": {"info", "i", "note"}, "warn": {"unsure", "!", "warning"}, "FAIL": {"no", "✗", "failed"},
}

// target is a target with what its node says of itself.
type target struct {
	Name  string
	About []field
}

func viewOf(d report.Document) view {
	v := view{
		Mark: markOf(d.Verdict.Outcome, suite.Core), Line: because(d.Verdict), ExitCode: d.Verdict.ExitCode,
		Run: about(d), Troubles: troubles(d), Levels: levelRows(d.Verdict), Changes: changesOf(d),
		Notes: d.Notes, HostChanges: d.HostChanges, Images: images(d), Observed: len(d.Observed) > 0, Suite: d.Suite, Schema: d.Schema,
	}
	names := namesOf(d)
	v.Areas = areasOf(d, names)
	links := map[string]string{}
	for _, a := range v.Areas {
		v.Cases += len(a.Cases)
		for _, c := range a.Cases {
			links[c.ID] = c.Anchor
		}
	}
	if n := len(names.all); n > 1 && n <= mostFiltered {
		v.Named = names.all
	}
	v.Matrix = matrixOf(d, v.Areas, names)
	v.Failed = failuresOf(d, links)
	v.Pictures = picturesOf(d, links)
	v.Aside = asideOf(d, links)
	if v.Changes != nil {
		v.Changes.link(links)
	}
	for _, c := range d.Preflight {
		m, known := checkMarks[c.State]
		if !known {
			m = mark{"unsure", "?", c.State}
		}
		v.Checks = append(v.Checks, check{c.Name, c.Said, m})
	}
	var targets []target
	for _, t := range d.Targets {
		targets = append(targets, target{t.Name, aboutTarget(t)})
	}
	v.Targets, v.LeftOut = first(targets, mostTargets), first(d.LeftOut, mostTargets)
	return v
}

// because is the verdict's line without the verdict, which stands above it.
func because(v report.Verdict) string {
	return strings.TrimPrefix(strings.TrimPrefix(v.Line, "procns: "), string(v.Outcome)+": ")
}

func filled(fields ...field) []field {
	return slices.DeleteFunc(fields, func(f field) bool { return f.Text == "" })
}

// about is who judged whom, when, and what it took.
func about(d report.Document) []field {
	c := d.Cluster
	cluster := slices.DeleteFunc([]string{prefixed("Kubernetes ", c.ServerVersion), c.Platform, c.Provisioned, prefixed("context ", c.Context)},
		func(text string) bool { return text == "" })
	var cost []string
	count := func(n int, one, many string) {
		if n > 0 {
			cost = append(cost, wording.Count(n, one, many))
		}
	}
	count(d.Stats.Pods, "pod", "pods")
	count(d.Stats.APIRequests, "API request", "API requests")
	count(d.Stats.Execs, "exec", "execs")
	took := prefixed("the cases took ", seconds(d.Stats.CatalogueSeconds))
	if d.Stats.WallSeconds > 0 {
		took += prefixed(", the whole run ", seconds(d.Stats.WallSeconds))
	}
	return filled(
		field{"run", strings.TrimSpace(d.ID + " " + moment(d.Started))},
		field{"cluster", strings.Join(cluster, " · ")},
		field{"upgrade", upgrade(d.Upgrade)},
		field{"time", took},
		field{"cost", strings.Join(cost, " · ")},
		field{"kept", d.Kept},
	)
}

func upgrade(u *report.Upgrade) string {
	if u == nil {
		return ""
	}
	text := fmt.Sprintf("%s: %s of run %s, left %s under Kubernetes %s", u.Phase, wording.Count(u.Witnesses, "witness", "witnesses"), u.Run, moment(u.Left), u.Server)
	if len(u.Vanished) > 0 {
		text += "; no target any more, and not judged: " + named(u.Vanished)
	}
	return text
}

// troubles are what is wrong with the run as a whole.
func troubles(d report.Document) []string {
	var all []string
	if d.Problem != "" {
		all = append(all, d.Problem)
	}
	if d.Interrupted {
		all = append(all, "The run was stopped before its end: "+cmp.Or(d.InterruptedBy, "interrupted")+".")
	}
	if n := d.Verdict.NotRun; n > 0 {
		all = append(all, wording.Count(n, "result that was", "results that were")+" asked for, and not run.")
	}
	for _, left := range d.Leftovers {
		all = append(all, "Could not be removed: "+left)
	}
	for _, pending := range d.Pending {
		all = append(all, "Deleted, and still there: "+pending)
	}
	if len(d.Results) == 0 && d.Problem == "" {
		all = append(all, "Nothing ran.")
	}
	return all
}

// images are those that were used in place of the documented ones.
func images(d report.Document) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(d.Images)) {
		if used := d.Images[name]; used != name {
			all = append(all, name+" → "+used)
		}
	}
	if d.ImagePullPolicy != "" {
		all = append(all, "imagePullPolicy was set to "+d.ImagePullPolicy)
	}
	return all
}

func aboutTarget(t report.Target) []field {
	return filled(
		field{"node", t.Node}, field{"runtime class", t.RuntimeClass}, field{"system", t.OSImage},
		field{"kernel", strings.TrimSpace(t.Kernel + " " + t.Architecture)}, field{"runtime", t.Runtime},
		field{"kubelet", t.Kubelet}, field{"cgroup", t.CgroupMode}, field{"user namespaces", t.UserNamespaces},
		field{"security labels", strings.Join(t.Labels, ", ")},
	)
}

func prefixed(before, text string) string {
	if text == "" {
		return ""
	}
	return before + text
}

func seconds(s float64) string {
	switch {
	case s <= 0:
		return ""
	case s < 60:
		return fmt.Sprintf("%.1f s", s)
	}
	return fmt.Sprintf("%d min %02d s", int(s+0.5)/60, int(s+0.5)%60)
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05") + " UTC"
}

// named names a few, and counts the others.
func named(all []string) string { return wording.Names(all, mostNames) }

// names are the targets, in their order.
type names struct {
	all   []string
	place map[string]int
	// asks tells whether a case is asked on a target.
	asks func(id, target string) bool
}

// asked is on how many targets a case is asked.
func (n names) asked(id string) int {
	asked := 0
	for _, name := range n.all {
		if n.asks(id, name) {
			asked++
		}
	}
	return asked
}

// namesOf collects the targets, and those that only results know of.
func namesOf(d report.Document) names {
	n := names{place: map[string]int{}, asks: d.Sweep.Asks()}
	add := func(name string) {
		if _, known := n.place[name]; !known {
			n.place[name] = len(n.all)
			n.all = append(n.all, name)
		}
	}
	for _, t := range d.Targets {
		add(t.Name)
	}
	for _, r := range d.Results {
		add(r.Target)
	}
	return n
}
