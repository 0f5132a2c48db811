package page

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"al.essio.dev/pkg/shellescape"

	"procns/e2e/internal/permission"
	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

// area is a part of the catalogue, with those of its cases that have a result.
type area struct {
	Name, Anchor string
	Cases        []*caseView
}

// caseView is one case, with what became of it.
type caseView struct {
	ID, Anchor, Area string
	Level            suite.Level
	Claim            string
	About            []field
	Mark             mark
	Counts           []count
	// Open says that it is to be read.
	Open   bool
	Groups []*group
	// More are the results that no group shows.
	More []count

	results int
}

// group is what was found the same on some targets.
type group struct {
	Mark    mark
	Outcome suite.Outcome
	Targets listed[string]
	Fields  []field
	// Seen is what a finding was made of, as text.
	Seen     string
	Recorded string
	// Picture is where Recorded is shown as a table.
	Picture   string
	Exemption *exemption
	// On names the target of the pods below, and Pods are what was seen in them.
	On       string
	Pods     []pod
	Evidence string
	Control  string
	// LeftOut says why the pods are not shown.
	LeftOut string
	// Passed and Filter are what the page's filters go by.
	Passed bool
	Filter string

	level   suite.Level
	targets []string
	places  []int
	shown   report.Result // whose pods are shown
}

// exemption is why a result does not count. Link is a link only where it is one of the web.
type exemption struct {
	Found, Reason, Link string
	IsLink              bool
}

// How many different things that were found of a case are told: altogether, and in each way to pass.
const (
	mostFound    = 12
	mostPasses   = 3
	mostFiltered = 60 // targets to filter by
	longestText  = 20_000
)

func areaOf(id string) string {
	name, _, _ := strings.Cut(id, "/")
	return name
}

// anchors gives each text a name of its own to be linked to.
type anchors map[string]int

func (a anchors) of(prefix, text string) string {
	name := prefix + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(text))
	a[name]++
	if n := a[name]; n > 1 {
		return a.of(prefix, text+"-"+strconv.Itoa(n))
	}
	return name
}

// areasOf groups what was found by case and area, in the results' order.
func areasOf(d report.Document, names names) []area {
	var areas []area
	place, cases := map[string]int{}, map[string]*caseView{}
	groups := map[[2]string]*group{}
	used := anchors{}
	observed := map[string]report.Observed{}
	for _, o := range d.Observed {
		observed[o.Folder] = o
	}
	for _, r := range d.Results {
		c := cases[r.ID]
		if c == nil {
			c = &caseView{ID: r.ID, Area: areaOf(r.ID), Level: r.Level, Claim: r.Claim, About: aboutCase(d, r)}
			cases[r.ID] = c
			at, known := place[c.Area]
			if !known {
				at = len(areas)
				place[c.Area] = at
				areas = append(areas, area{Name: c.Area, Anchor: used.of("area-", c.Area)})
			}
			c.Anchor = used.of("case-", r.ID)
			areas[at].Cases = append(areas[at].Cases, c)
		}
		c.results++
		key := [2]string{r.ID, saidOf(r)}
		g := groups[key]
		if g == nil {
			g = &group{Mark: markOf(r.Outcome, r.Level), Outcome: r.Outcome, level: r.Level, Passed: passed(r), shown: r}
			groups[key] = g
			c.Groups = append(c.Groups, g)
		}
		g.targets, g.places = append(g.targets, r.Target), append(g.places, names.place[r.Target])
		if _, seen := observed[g.shown.Evidence]; !seen {
			if _, seen := observed[r.Evidence]; seen {
				g.shown = r
			}
		}
		if g.Seen == "" {
			g.Seen = short(r.Seen)
		}
	}
	room := roomForRows
	for _, failed := range []bool{true, false} { // these first, where there is no room for all
		for _, a := range areas {
			for _, c := range a.Cases {
				if failed {
					c.finish(names.asked(c.ID))
				}
				if c.Open == failed {
					for _, g := range c.Groups {
						g.pods(observed, &room)
					}
				}
			}
		}
	}
	return areas
}

// saidOf is what is said of a result: results of which the same is said are told together.
func saidOf(r report.Result) string {
	texts := []string{string(r.Outcome), r.Reason, r.Expected, r.Observed, r.Recorded, r.Remark}
	if e := r.Exemption; e != nil {
		texts = append(texts, string(e.Found), e.Reason, e.Link)
	}
	return strings.Join(texts, "\x00")
}

// aboutCase is what is the same on every target.
func aboutCase(d report.Document, r report.Result) []field {
	control := r.Control
	switch {
	case control != "" && r.Differs != "":
		control += ", which differs in " + r.Differs
	case control == "" && r.NoControl != "":
		control = "none: " + r.NoControl
	}
	return filled(
		field{"source", r.Source}, field{"fixture", r.Fixture}, field{"control", control}, field{"again", again(d.Cluster, r.ID)},
	)
}

// again is the command that runs a case once more.
func again(c report.Cluster, id string) string {
	if strings.HasPrefix(c.Provisioned, "kind") {
		return `make e2e ARGS="-run ` + shellescape.Quote(id) + `"`
	}
	command := "procns.test"
	if c.Context != "" {
		command += " -context " + shellescape.Quote(c.Context)
	}
	return command + " -run " + shellescape.Quote(id)
}

// finish orders the groups and sums them up, once all results are in them.
func (c *caseView) finish(targets int) {
	slices.SortStableFunc(c.Groups, func(a, b *group) int {
		return cmp.Or(cmp.Compare(weight(a.Outcome, a.level), weight(b.Outcome, b.level)), cmp.Compare(len(b.targets), len(a.targets)))
	})
	sums := map[mark]int{}
	var order []mark
	var kept []*group
	passes, left := map[mark]int{}, map[mark]int{}
	for _, g := range c.Groups {
		if sums[g.Mark] == 0 {
			order = append(order, g.Mark)
		}
		sums[g.Mark] += len(g.targets)
		c.Open = c.Open || !g.Passed
		passes[g.Mark]++
		if g.Passed && passes[g.Mark] > mostPasses || len(kept) >= mostFound {
			left[g.Mark] += len(g.targets)
			continue
		}
		g.finish()
		kept = append(kept, g)
	}
	c.Groups = kept
	if missing := targets - c.results; missing > 0 {
		order, sums[notRun] = append(order, notRun), missing
		c.Open = c.Open || c.Level != suite.Informational
	}
	for _, m := range order {
		c.Counts = append(c.Counts, count{sums[m], m})
		if left[m] > 0 {
			c.More = append(c.More, count{left[m], m})
		}
	}
	c.Mark = order[0]
	if c.Open && len(kept) > 0 && kept[0].Passed {
		c.Mark = notRun
	}
}

func (g *group) finish() {
	r := g.shown
	g.Targets = first(g.targets, mostNames)
	if len(g.places) <= mostFiltered {
		g.Filter = "|"
		for _, place := range g.places {
			g.Filter += strconv.Itoa(place) + "|"
		}
	}
	reason := r.Reason
	if reason == fmt.Sprintf("expected %s; observed %s", r.Expected, r.Observed) {
		reason = "" // which is said below
	}
	g.Fields = filled(field{"reason", short(reason)}, field{"expected", short(r.Expected)}, field{"observed", short(r.Observed)}, field{"to be known", short(r.Remark)})
	if _, _, isTable := permission.ReadTable(r.Recorded); isTable {
		g.Picture = "permissions"
	} else {
		g.Recorded = short(r.Recorded)
	}
	if e := r.Exemption; e != nil {
		g.Exemption = &exemption{string(e.Found), short(e.Reason), e.Link, strings.HasPrefix(e.Link, "https://") || strings.HasPrefix(e.Link, "http://")}
	}
	g.On, g.Evidence, g.Control = r.Target, r.Evidence, r.ControlEvidence
}

// short cuts what nobody would read on a page.
func short(text string) string {
	if len(text) <= longestText {
		return text
	}
	return strings.ToValidUTF8(text[:longestText], "") + fmt.Sprintf("… (%d bytes more)", len(text)-longestText)
}

// failures are the cases that did not pass somewhere.
type failures listed[failure]

type failure struct {
	ID, Anchor string
	Level      suite.Level
	Mark       mark
	Targets    string
	Reason     string
}

// failuresOf lists what did not pass, the worst first.
func failuresOf(d report.Document, links map[string]string) failures {
	var all []*failure
	type key struct {
		id      string
		outcome suite.Outcome
	}
	known := map[key]*failure{}
	targets := map[key][]string{}
	weights := map[*failure]int{}
	for _, r := range d.Results {
		if passed(r) {
			continue
		}
		k := key{r.ID, r.Outcome}
		if known[k] == nil {
			known[k] = &failure{ID: r.ID, Anchor: links[r.ID], Level: r.Level, Mark: markOf(r.Outcome, r.Level), Reason: short(r.Reason)}
			all = append(all, known[k])
			weights[known[k]] = weight(r.Outcome, r.Level)
		}
		targets[k] = append(targets[k], r.Target)
	}
	for k, f := range known {
		f.Targets = named(targets[k])
	}
	slices.SortStableFunc(all, func(a, b *failure) int { return cmp.Compare(weights[a], weights[b]) })
	some := first(all, mostFailures)
	list := failures{More: some.More}
	for _, f := range some.Some {
		list.Some = append(list.Some, *f)
	}
	return list
}

// aside is something that is said of several results that are neither failures nor plain passes.
type aside struct {
	Mark    mark
	Text    string
	Cases   listed[reference]
	Targets string
}

// reference is a case that is linked to.
type reference struct{ ID, Anchor string }

// asideOf collects what is skipped and exempted, with the proof or the reason, and what must be
// known of passes besides.
func asideOf(d report.Document, links map[string]string) []aside {
	type key struct {
		m    mark
		text string
	}
	type found struct{ cases, targets []string }
	var order []key
	all := map[key]*found{}
	for _, r := range d.Results {
		k := key{markOf(r.Outcome, r.Level), r.Reason}
		switch {
		case r.Outcome == suite.Exempted && r.Exemption != nil:
			k.text = fmt.Sprintf("%s (%s); found %s: %s", r.Exemption.Reason, r.Exemption.Link, r.Exemption.Found, r.Reason)
		case r.Outcome == suite.Skipped, r.Outcome == suite.Exempted:
			k.text = cmp.Or(r.Reason, "no reason given")
		case r.Remark != "":
			k.text = r.Remark
		default:
			continue
		}
		f := all[k]
		if f == nil {
			f = &found{}
			all[k] = f
			order = append(order, k)
		}
		if !slices.Contains(tail(f.cases), r.ID) {
			f.cases = append(f.cases, r.ID)
		}
		if !slices.Contains(tail(f.targets), r.Target) {
			f.targets = append(f.targets, r.Target)
		}
	}
	var list []aside
	for _, k := range first(order, mostAside).Some {
		f := all[k]
		one := aside{Mark: k.m, Text: short(k.text), Targets: named(unique(f.targets))}
		cases := first(unique(f.cases), mostNames)
		one.Cases.More = cases.More
		for _, id := range cases.Some {
			one.Cases.Some = append(one.Cases.Some, reference{id, links[id]})
		}
		list = append(list, one)
	}
	return list
}

// tail is the end of a list: what repeats comes soon.
func tail(all []string) []string { return all[max(0, len(all)-2):] }

// unique drops what repeats.
func unique(all []string) []string {
	known := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(all), func(text string) bool {
		again := known[text]
		known[text] = true
		return again
	})
}
