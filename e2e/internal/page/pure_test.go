package page

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/assert"

	"procns/e2e/internal/permission"
	"procns/e2e/internal/probe"
	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

// luminance is WCAG's relative luminance of a colour.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(colour, 16, 32)
	assert.NilError(t, err)
	part := func(shift int) float64 {
		c := float64(n>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*part(16) + 0.7152*part(8) + 0.0722*part(0)
}

func TestCell(t *testing.T) {
	r := func(outcome suite.Outcome, level suite.Level) report.Result {
		return report.Result{Outcome: outcome, Level: level}
	}
	core := func(outcomes ...suite.Outcome) (all []report.Result) {
		for _, o := range outcomes {
			all = append(all, r(o, suite.Core))
		}
		return all
	}
	for name, row := range map[string]struct {
		results          []report.Result
		cases            int
		class, text, say string
	}{
		"all conformant": {core(suite.Conformant, suite.Conformant), 2, "yes", "2", "2 conformant"},
		"one wrong":      {core(suite.Conformant, suite.NonConformant, suite.Inconclusive), 3, "no", "1 of 3", "1 conformant, 1 non-conformant, 1 inconclusive"},
		"one unclear":    {core(suite.Conformant, suite.Inconclusive, suite.Skipped), 3, "unsure", "1 of 3", "1 conformant, 1 inconclusive, 1 skipped"},
		"one not run":    {core(suite.Conformant), 2, "unsure", "1 of 2", "1 conformant, 1 not run"},
		"none run":       {nil, 2, "unsure", "", "none of 2 run"},
		"some skipped":   {core(suite.Conformant, suite.Skipped), 2, "yes", "1 of 2", "1 conformant, 1 skipped"},
		"all skipped":    {core(suite.Skipped, suite.Skipped), 2, "skip", "2", "2 skipped"},
		"exempted":       {core(suite.Exempted), 1, "skip", "1", "1 exempted"},
		"planned":        {core(suite.Planned), 1, "skip", "1", "1 planned"},
		"of later days":  {core("strange"), 1, "unsure", "1", "1 inconclusive"},
		"records alone":  {[]report.Result{r(suite.NonConformant, suite.Informational)}, 1, "info", "1", "1 recorded differs"},
		"a record, and one wrong": {append(core(suite.NonConformant), r(suite.Conformant, suite.Informational)), 2,
			"no", "1", "1 non-conformant, 1 recorded as described"},
	} {
		t.Run(name, func(t *testing.T) {
			var sum tally
			for _, r := range row.results {
				sum.add(r)
			}
			got := sum.cell(row.cases)
			assert.DeepEqual(t, []string{got.Mark.Class, got.Text, got.Said}, []string{row.class, row.text, row.say})
		})
	}
}

// TestMatrixRows: few targets have a row each; of many, those alike share one. In the report, every
// tenth target fails, each in one of 30 cases, which are in three areas.
func TestMatrixRows(t *testing.T) {
	for name, row := range map[string]struct{ targets, rows, most int }{
		"few":              {mostRows, mostRows, 1},
		"many":             {100, 4, 90},
		"too many to name": {1000, 4, 900},
	} {
		t.Run(name, func(t *testing.T) {
			d := large(row.targets, 30)
			names := namesOf(d)
			m := matrixOf(d, areasOf(d, names), names)
			assert.Equal(t, len(m.Rows), row.rows)
			assert.Equal(t, m.More, 0)
			total, most := 0, 0
			for _, r := range m.Rows {
				alike := len(r.Names.Some) + r.Names.More
				assert.Assert(t, len(r.Names.Some) <= mostTargets)
				total, most = total+alike, max(most, alike)
			}
			assert.Equal(t, total, row.targets)
			assert.Equal(t, most, row.most)
		})
	}
}

// TestMatrixIsBounded: of many targets of which something different is to be said of each, some have a row.
func TestMatrixIsBounded(t *testing.T) {
	d := report.Document{}
	for i := range mostTargets + 20 {
		for n := range i + 1 {
			d.Results = append(d.Results, report.Result{ID: fmt.Sprint("a/", n), Level: suite.Core, Target: fmt.Sprint(i), Outcome: suite.Conformant})
		}
	}
	names := namesOf(d)
	m := matrixOf(d, areasOf(d, names), names)
	assert.Equal(t, len(m.Rows), mostTargets)
	assert.Equal(t, m.More, 20)
}

// TestGroups: what is found the same on several targets is told once, the worst first.
func TestGroups(t *testing.T) {
	d := report.Document{}
	add := func(target string, outcome suite.Outcome, reason string) {
		d.Targets = append(d.Targets, report.Target{Name: target})
		d.Results = append(d.Results, report.Result{ID: "a/b", Level: suite.Core, Target: target, Outcome: outcome, Reason: reason})
	}
	for i := range 20 {
		add(fmt.Sprint("ok-", i), suite.Conformant, "")
	}
	add("skipped", suite.Skipped, "too old")
	add("bad-1", suite.NonConformant, "wrong")
	add("odd", suite.Inconclusive, "who knows")
	add("bad-2", suite.NonConformant, "wrong")
	d.Targets = append(d.Targets, report.Target{Name: "absent"})
	areas := areasOf(d, namesOf(d))
	c := areas[0].Cases[0]
	assert.Assert(t, c.Open)
	assert.Equal(t, c.Mark.Word, "non-conformant")
	var got []string
	for _, g := range c.Groups {
		got = append(got, fmt.Sprintf("%s %v +%d", g.Mark.Word, len(g.Targets.Some), g.Targets.More))
	}
	assert.DeepEqual(t, got, []string{"non-conformant 2 +0", "inconclusive 1 +0", "skipped 1 +0", "conformant 12 +8"})
	assert.DeepEqual(t, c.Groups[0].Targets.Some, []string{"bad-1", "bad-2"})
	assert.Equal(t, c.Groups[0].Filter, "|21|23|")
	assert.Equal(t, c.Counts[len(c.Counts)-1], count{1, notRun})
}

// TestGroupsAreBounded: of many different things a few are told, and the others counted.
func TestGroupsAreBounded(t *testing.T) {
	d := report.Document{}
	for i := range 100 {
		for id, outcome := range map[string]suite.Outcome{"a/passes": suite.Conformant, "a/fails": suite.NonConformant} {
			d.Results = append(d.Results, report.Result{ID: id, Level: suite.Core, Target: fmt.Sprint(i), Outcome: outcome, Recorded: fmt.Sprint("record ", i)})
		}
	}
	for _, c := range areasOf(d, namesOf(d))[0].Cases {
		want := map[string]int{"a/passes": mostPasses, "a/fails": mostFound}[c.ID]
		assert.Equal(t, len(c.Groups), want, c.ID)
		assert.DeepEqual(t, c.More, []count{{100 - want, c.Mark}})
	}
}

// TestRoomForRows: where there is no room for the tables of all, those of what did not pass are shown.
func TestRoomForRows(t *testing.T) {
	d := report.Document{}
	rows := make([]report.Process, 1000)
	for i := range 100 {
		outcome := suite.Conformant
		if i >= 90 {
			outcome = suite.NonConformant
		}
		folder := fmt.Sprint("a/", i)
		d.Results = append(d.Results, report.Result{ID: fmt.Sprint("a/", i), Level: suite.Core, Target: "a", Outcome: outcome, Evidence: folder})
		d.Observed = append(d.Observed, report.Observed{Folder: folder, Tables: []report.Table{{Processes: rows}}})
	}
	shown, left := 0, 0
	for i, c := range areasOf(d, namesOf(d))[0].Cases {
		g := c.Groups[0]
		shown += len(g.Pods)
		if g.LeftOut != "" {
			left++
			assert.Assert(t, i < 90)
		}
	}
	assert.Equal(t, shown, roomForRows/1000)
	assert.Equal(t, left, 100-shown)
}

// TestNotes: what is new after the act, and what ends with it, is told by PID and start time.
func TestNotes(t *testing.T) {
	process := func(pid int, start uint64) report.Process {
		return report.Process{PID: pid, Start: start, Observer: pid == 99}
	}
	look := func(when string, more int, processes ...report.Process) report.Table {
		return report.Table{Container: "c", When: when, Processes: processes, More: more}
	}
	for name, row := range map[string]struct {
		tables []report.Table
		want   string
	}{
		"one look":          {[]report.Table{look("before", 0, process(1, 1))}, "1: "},
		"the same":          {[]report.Table{look("before", 0, process(1, 1)), look("after", 0, process(1, 1))}, "1: 1: "},
		"ended, and new":    {[]report.Table{look("before", 0, process(1, 1), process(2, 2)), look("after", 0, process(1, 1), process(3, 3))}, "1: 2:ends 1: 3:new "},
		"its PID again":     {[]report.Table{look("before", 0, process(2, 2)), look("after", 0, process(2, 3))}, "2:ends 2:new "},
		"the observer":      {[]report.Table{look("before", 0, process(99, 2)), look("after", 0, process(99, 3))}, "99: 99: "},
		"not all is there":  {[]report.Table{look("before", 1, process(1, 1)), look("after", 0, process(2, 2))}, "1:ends 2: "},
		"could not look":    {[]report.Table{{Container: "c", When: "before", Failure: "no"}, look("after", 0, process(2, 2))}, "2: "},
		"another container": {[]report.Table{look("before", 0, process(1, 1)), {Container: "d", When: "after", Processes: []report.Process{process(2, 2)}}}, "1: 2: "},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			for _, table := range podOf("fixture", "a.yaml", report.Observed{Tables: row.tables}).Tables {
				for _, p := range table.Rows {
					got += fmt.Sprintf("%d:%s ", p.PID, p.Note)
				}
			}
			assert.Equal(t, got, row.want)
		})
	}
}

func TestAnchors(t *testing.T) {
	used := anchors{}
	for _, row := range [][2]string{
		{"pid1/is-it", "case-pid1-is-it"}, {"pid1-is-it", "case-pid1-is-it-2"}, {"PID1 is<it", "case-pid1-is-it-3"},
		{"pid1-is-it-2", "case-pid1-is-it-2-2"}, {"", "case-"}, {"", "case--2"}, {"é\"", "case---"},
	} {
		assert.Equal(t, used.of("case-", row[0]), row[1], row[0])
	}
}

func TestAgain(t *testing.T) {
	for want, c := range map[string]report.Cluster{
		"procns.test -run pid1/a":                    {Provisioned: "existing"},
		"procns.test -context 'a b' -run pid1/a":     {Provisioned: "existing", Context: "a b"},
		`make e2e ARGS="-run pid1/a"`:                {Provisioned: "kind v0.33.0", Context: "kind-procns"},
		"procns.test -context kind-mine -run pid1/a": {Context: "kind-mine"},
	} {
		assert.Equal(t, again(c, "pid1/a"), want)
	}
	assert.Equal(t, again(report.Cluster{}, "a; rm"), "procns.test -run 'a; rm'")
}

func TestText(t *testing.T) {
	assert.Equal(t, seconds(0), "")
	assert.Equal(t, seconds(42.25), "42.2 s")
	assert.Equal(t, seconds(401.6), "6 min 42 s")
	assert.Equal(t, moment(time.Time{}), "")
	assert.Equal(t, moment(time.Date(2026, 3, 1, 13, 0, 0, 0, time.FixedZone("", 3600))), "2026-03-01 12:00:00 UTC")
	assert.Equal(t, named([]string{"a", "b"}), "a, b")
	assert.Equal(t, named(strings.Split(strings.Repeat("a ", 14)+"a", " ")), strings.Repeat("a, ", 11)+"a and 3 more")
	assert.Equal(t, percent(1, 3), "33.33%")
	assert.Equal(t, percent(1, 0), "0%")
	assert.Equal(t, short("é"), "é")
	assert.Equal(t, short("x"+strings.Repeat("é", longestText)), "x"+strings.Repeat("é", longestText/2-1)+fmt.Sprintf("… (%d bytes more)", longestText+1))
	assert.DeepEqual(t, unique([]string{"a", "b", "a"}), []string{"a", "b"})
}

func TestDraw(t *testing.T) {
	p := draw([]permission.Row{
		{Caller: "root", Target: "a", Cells: map[permission.Operation]permission.Cell{
			permission.Signal0: {}, permission.Environ: {Observed: permission.Answer{Errno: probe.EACCES}, Computed: permission.Decision{Errno: probe.EACCES}},
			permission.Hangup: {Observed: permission.Answer{Errno: probe.EPERM}, Computed: permission.Decision{Errno: probe.EPERM}},
			permission.Attach: {Observed: permission.Answer{Errno: probe.EACCES}},
		}},
		{Caller: "root", Target: "b"}, {Caller: "other", Target: "a"},
	}, "rest\n")
	assert.Equal(t, p.Rest, "rest")
	assert.Equal(t, len(p.Callers), 2)
	assert.Equal(t, len(p.Callers[0].Rows), 2)
	got := map[permission.Operation]pictureCell{}
	for i, c := range p.Callers[0].Rows[0].Cells {
		got[p.Operations[i]] = c
	}
	assert.DeepEqual(t, []pictureCell{got[permission.Signal0], got[permission.Environ], got[permission.Hangup], got[permission.Attach], got[permission.Cwd]},
		[]pictureCell{{"may", "ok"}, {"eacces", "EACCES"}, {"eperm", "EPERM"}, {"odd", "EACCES!ok"}, {"untried", "–"}})
}

func TestChangesOf(t *testing.T) {
	for text, says := range map[string]string{
		`{"schema":`:                        "cannot be read",
		`[]`:                                "cannot be read",
		`{"schema":"procns.comparison/v9"}`: "which this suite does not read",
		`{"schema":"procns.comparison/v1","verdict":{"exitCode":-7}}`:                                 "",
		`{"schema":"procns.comparison/v1","verdict":{"exitCode":99},"changes":[{"word":"vanished"}]}`: "",
	} {
		c := changesOf(report.Document{Changes: []byte(text)})
		assert.Assert(t, c != nil && strings.Contains(c.Unread, says) && (says != "") == (c.Unread != ""), text)
	}
	assert.Assert(t, changesOf(report.Document{}) == nil)
	assert.Assert(t, changesOf(report.Document{Changes: []byte("null")}) == nil)
}
