package report

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"procns/e2e/internal/suite"
)

// Ranges are places in the list of targets, from 0: pairs of a first and a last one, in
// ascending order.
type Ranges [][2]int

// add appends a place, which is behind all others.
func (r *Ranges) add(place int) {
	if n := len(*r); n > 0 && (*r)[n-1][1] == place-1 {
		(*r)[n-1][1] = place
		return
	}
	*r = append(*r, [2]int{place, place})
}

// places are all of them; an error where they are not ascending, or not below limit.
func (r Ranges) places(limit int) ([]int, error) {
	var all []int
	next := 0
	for _, one := range r {
		if one[0] < next || one[1] < one[0] || one[1] >= limit {
			return nil, fmt.Errorf("%v are no places among %d targets", one, limit)
		}
		for place := one[0]; place <= one[1]; place++ {
			all = append(all, place)
		}
		next = one[1] + 1
	}
	return all, nil
}

// Alike is, in a compact report.json, a result that is the same on several targets and needs
// nobody's attention: it conforms, does not apply, or was only planned. It names no evidence,
// and its time is the average.
type Alike struct {
	Result
	// Target is not used.
	Target *string `json:"target,omitempty"`
	On     Ranges  `json:"on"`
}

// KindCounts is what became of all targets of one kind, with its versions.
type KindCounts struct {
	suite.Model
	Targets int `json:"targets"`
	// First is the name of the first of them, of which all results are given in full.
	First string `json:"first"`
	// Images and Labels are those of the first one. In a compact report.json the others
	// have none of their own where they are the same.
	Images map[string]string `json:"images,omitempty"`
	Labels []string          `json:"securityLabels,omitempty"`
	Levels []KindLevel       `json:"levels"`
}

// KindLevel is how many results of a level ended in each way.
type KindLevel struct {
	Level suite.Level `json:"level"`
	Tally
}

// mostKindsInFull is of how many kinds of nodes the results on the first node are given in full.
const mostKindsInFull = 20

// kindCounts counts the results by kind of node.
func (r Run) kindCounts() []KindCounts {
	var all []KindCounts
	results := map[suite.Model][]suite.Result{}
	for _, result := range r.Results {
		m := result.Target.Model()
		results[m] = append(results[m], result)
	}
	for _, m := range r.models() {
		first := m.targets[0]
		one := KindCounts{Model: m.Model, Targets: len(m.targets), First: first.Name(), Images: first.Images, Labels: first.Labels, Levels: []KindLevel{}}
		part := r
		part.Targets, part.Results = m.targets, results[m.Model]
		for _, level := range allLevels {
			if t := part.tally(level); t.Results > 0 {
				one.Levels = append(one.Levels, KindLevel{level, t})
			}
		}
		all = append(all, one)
	}
	return all
}

// compactDocument is a document without the lists that are written in lines.
type compactDocument struct {
	Document
	Targets  *struct{} `json:"targets,omitempty"`
	Results  *struct{} `json:"results,omitempty"`
	Observed *struct{} `json:"observations,omitempty"`
	Kinds    *struct{} `json:"kinds,omitempty"`
}

// writeCompact writes a document of many targets: results that are the same on several of them,
// and need nobody's attention, are written once.
func (d Document) writeCompact(w io.Writer) error {
	places := map[string]int{}
	for i, t := range d.Targets {
		places[t.Name] = i
	}
	full, alike := d.parted(places)
	observed, kinds, targets := d.Observed, d.Kinds, d.targetsWithoutKinds()
	d.Verdict = d.Verdict.compact(places)
	text, err := newLines(compactDocument{Document: d})
	if err != nil {
		return err
	}
	return errors.Join(
		appendLines(text, "kinds", kinds, false), appendLines(text, "targets", targets, true),
		appendLines(text, "results", full, true), appendLines(text, "alike", alike, false),
		appendLines(text, "observations", observed, false), text.end(w),
	)
}

// parted tells the results that are written in full from those that are written once for several.
func (d Document) parted(places map[string]int) (full []Result, alike []Alike) {
	shown := map[string]bool{}
	for i, k := range d.Kinds {
		if i < mostKindsInFull {
			shown[k.First] = true
		}
	}
	if len(d.Targets) > 0 {
		shown[d.Targets[0].Name] = true
	}
	type group struct {
		first Result
		on    []int
		took  float64
	}
	var order []*group
	groups := map[string]*group{}
	for _, r := range d.Results {
		place, known := places[r.Target]
		if !known || shown[r.Target] || !r.plain() {
			full = append(full, r)
			continue
		}
		key := r.same()
		g := groups[key]
		if g == nil {
			g = &group{first: r}
			groups[key] = g
			order = append(order, g)
		}
		g.on = append(g.on, place)
		g.took += r.DurationSeconds
	}
	for _, g := range order {
		if len(g.on) == 1 {
			full = append(full, g.first)
			continue
		}
		one := Alike{Result: g.first}
		one.Evidence, one.ControlEvidence, one.Seen = "", "", ""
		one.DurationSeconds = milli(g.took / float64(len(g.on)))
		slices.Sort(g.on)
		for _, place := range slices.Compact(g.on) {
			one.On.add(place)
		}
		alike = append(alike, one)
	}
	return orEmpty(full), alike
}

// plain tells whether a result may be told together with others: nobody looks for its evidence.
func (r Result) plain() bool {
	switch r.Outcome {
	case suite.Conformant, suite.Skipped, suite.Planned:
		return r.Exemption == nil
	}
	return false
}

// same is what results have in common that are told together.
func (r Result) same() string {
	return fmt.Sprintf("%q %q %q %q %q %q %q %q %q %q", r.ID, r.Fixture, r.Control, r.Outcome, r.Reason, r.Expected, r.Observed, r.Recorded, r.Remark, r.Images)
}

// targetsWithoutKinds are the targets without the images and labels that are those of the
// first of their kind.
func (d Document) targetsWithoutKinds() []Target {
	kinds := map[suite.Model]KindCounts{}
	for _, k := range d.Kinds {
		kinds[k.Model] = k
	}
	all := slices.Clone(d.Targets)
	for i := range all {
		t := &all[i]
		k, known := kinds[t.Model()]
		switch {
		case known && maps.Equal(t.Images, k.Images) && slices.Equal(t.Labels, k.Labels):
			t.Images, t.Labels = nil, nil
		case known && len(t.Images)+len(t.Labels) == 0: // none of its pods started
			t.Images = map[string]string{}
		}
	}
	return all
}

// compact is the verdict without the names of the targets on which a level conforms.
func (v Verdict) compact(places map[string]int) Verdict {
	v.Levels = slices.Clone(v.Levels)
	for i := range v.Levels {
		level := &v.Levels[i]
		others := []TargetVerdict{}
		var conformant []int
		for _, t := range level.Targets {
			if place, known := places[t.Target]; known && t.Outcome == suite.Conformant {
				conformant = append(conformant, place)
			} else {
				others = append(others, t)
			}
		}
		slices.Sort(conformant)
		level.Targets, level.ConformantOn = others, nil
		for _, place := range conformant {
			level.ConformantOn.add(place)
		}
	}
	return v
}

// mostExpanded is how many results a report is read with at most: a file of a few bytes may
// claim any number.
const mostExpanded = 8 << 20

// expand gives each target of a compact document what is said of several.
func (d *Document) expand(alike []Alike) error {
	places := map[string]int{}
	for i, t := range d.Targets {
		places[t.Name] = i
	}
	if err := d.expandLevels(places); err != nil {
		return err
	}
	d.expandTargets()
	if len(alike)+len(d.Kinds) == 0 {
		return nil
	}
	expanded := len(d.Results)
	for _, one := range alike {
		on, err := one.On.places(len(d.Targets))
		if err != nil {
			return err
		}
		if expanded += len(on); expanded > mostExpanded {
			return fmt.Errorf("it has more than %d results", mostExpanded)
		}
		for _, place := range on {
			r := one.Result
			r.Target = d.Targets[place].Name
			d.Results = append(d.Results, r)
		}
	}
	// In the order of the targets, and of the cases: the first target has all of them in full.
	order := map[string]int{}
	for _, r := range d.Results {
		if _, known := order[r.ID]; !known {
			order[r.ID] = len(order)
		}
	}
	at := func(r Result) int {
		if place, known := places[r.Target]; known {
			return place
		}
		return len(places)
	}
	slices.SortStableFunc(d.Results, func(a, b Result) int {
		return cmp.Or(cmp.Compare(at(a), at(b)), cmp.Compare(order[a.ID], order[b.ID]))
	})
	return nil
}

// expandLevels names the targets on which a level conforms.
func (d *Document) expandLevels(places map[string]int) error {
	for i := range d.Verdict.Levels {
		level := &d.Verdict.Levels[i]
		if len(level.ConformantOn) == 0 {
			continue
		}
		on, err := level.ConformantOn.places(len(d.Targets))
		if err != nil {
			return err
		}
		for _, place := range on {
			level.Targets = append(level.Targets, TargetVerdict{d.Targets[place].Name, suite.Conformant})
		}
		level.ConformantOn = nil
		slices.SortStableFunc(level.Targets, func(a, b TargetVerdict) int { return cmp.Compare(places[a.Target], places[b.Target]) })
	}
	return nil
}

// expandTargets gives targets the images and labels of their kind.
func (d *Document) expandTargets() {
	kinds := map[suite.Model]KindCounts{}
	for _, k := range d.Kinds {
		kinds[k.Model] = k
	}
	for i := range d.Targets {
		t := &d.Targets[i]
		switch k, known := kinds[t.Model()]; {
		case !known:
		case t.Images == nil && t.Labels == nil:
			t.Images, t.Labels = k.Images, k.Labels
		case len(t.Images)+len(t.Labels) == 0:
			t.Images = nil
		}
	}
}
