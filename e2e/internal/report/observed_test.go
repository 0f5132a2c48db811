package report

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gotest.tools/v3/assert"
	"gotest.tools/v3/golden"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// looked is an observation with all that a report tells of one.
func looked() suite.Observation {
	code := 137
	seen := func(container string, pids ...int) *probe.Snapshot {
		s := &probe.Snapshot{Container: container, Namespaces: map[string]uint64{"pid": 4026532865}, ProcMount: "rw,hidepid=2"}
		for _, pid := range pids {
			s.Processes = append(s.Processes, probe.Process{PID: pid, State: "S", StartTime: uint64(1000 + pid), Argv: []string{"sleep", fmt.Sprint(pid)}})
		}
		return s
	}
	before := seen("shell", 1, 7)
	before.Processes[0].Foreign, before.Processes[0].Argv, before.Processes[0].Comm = true, nil, "pause"
	before.Processes[0].Environ = probe.Access{Errno: probe.EACCES}
	before.Processes[1].Observer = true
	return suite.Observation{
		Pod: suite.PodState{Name: "nginx-1a2b", Phase: "Running", Ready: true, Containers: map[string]suite.ContainerState{"shell": {Running: true}}},
		AfterPod: &suite.PodState{Name: "nginx-1a2b", Phase: "Failed", Reason: "Evicted", Containers: map[string]suite.ContainerState{
			"shell": {Running: true, Restarts: 1, ExitCode: &code}, "nginx": {Waiting: "CrashLoopBackOff", Restarts: 2, ExitCode: &code},
			"helper": {ExitCode: &code}, "late": {},
		}},
		Before:   map[string]*probe.Snapshot{"shell": before, "nginx": {Failure: "exec was refused"}, "none": nil},
		After:    map[string]*probe.Snapshot{"shell": seen("shell", 1, 9)},
		Answers:  map[string]suite.Answer{"create": {Code: 201, Sharing: "true"}},
		Ran:      map[string]probe.CommandResult{"kill": {Stdout: "done\n", Code: 0}},
		Saw:      suite.Saw{Other: map[string]string{"note": "a text"}},
		Deletion: &suite.Deletion{Gone: true, Seconds: 2.25, GraceSeconds: 30},
		Copies:   map[string]suite.Observation{"copy": {Pod: suite.PodState{Name: "copy-3c4d"}, Before: map[string]*probe.Snapshot{"debugger": seen("debugger", 1)}}},
	}
}

func TestObservedIn(t *testing.T) {
	got := observedIn("worker/pod", looked())
	assert.DeepEqual(t, got, Observed{
		Folder: "worker/pod", Pod: "nginx-1a2b",
		State: "Running, Ready; shell runs",
		StateAfter: "Failed (Evicted); helper ended, exit code 137; late has not started; " +
			"nginx waits: CrashLoopBackOff, exit code 137 before, 2 restarts; shell runs, exit code 137 before, 1 restart",
		Tables: []Table{
			{Container: "nginx", When: "before", Failure: "exec was refused"},
			{Container: "shell", When: "before", PIDNamespace: 4026532865, About: "hidepid=2", Processes: []Process{
				{PID: 1, State: "S", Start: 1001, Environ: "EACCES", Root: "ok", Command: "[pause] (arguments not kept)"},
				{PID: 7, State: "S", Start: 1007, Environ: "ok", Root: "ok", Command: "(procns observing)", Observer: true},
			}},
			{Container: "shell", When: "after", PIDNamespace: 4026532865, About: "hidepid=2", Processes: []Process{
				{PID: 1, State: "S", Start: 1001, Environ: "ok", Root: "ok", Command: "sleep 1"},
				{PID: 9, State: "S", Start: 1009, Environ: "ok", Root: "ok", Command: "sleep 9"},
			}},
			{Pod: "copy-3c4d", Container: "debugger", When: "before", PIDNamespace: 4026532865, About: "hidepid=2", Processes: []Process{
				{PID: 1, State: "S", Start: 1001, Environ: "ok", Root: "ok", Command: "sleep 1"},
			}},
		},
		Answers: []Answers{
			{"API server, create", "HTTP 201, shareProcessNamespace true"}, {"command, kill", "exit code 0: done"},
			{"note", "a text"}, {"deletion", "gone after 2.2 s (grace period 30 s)"},
		},
	})
	assert.DeepEqual(t, observedIn("f", suite.Observation{}), Observed{Folder: "f"})
}

// TestObservedIsBounded: a pod with thousands of processes and answers takes no more room than
// there is for one.
func TestObservedIsBounded(t *testing.T) {
	o := suite.Observation{Before: map[string]*probe.Snapshot{}, Saw: suite.Saw{Undone: map[string]string{}}}
	for i := range 20 {
		s := &probe.Snapshot{Container: fmt.Sprint(i)}
		for pid := range 2000 {
			s.Processes = append(s.Processes, probe.Process{PID: pid + 1, Argv: []string{strings.Repeat("é", 500)}})
		}
		o.Before[s.Container] = s
	}
	for i := range 100 {
		o.Saw.Undone[fmt.Sprint(i)] = strings.Repeat("ü", 5000)
	}
	got := observedIn("f", o)
	assert.Equal(t, len(got.Tables), mostTables)
	assert.Equal(t, len(got.Answers), mostAnswers)
	assert.Equal(t, got.More, 20-mostTables+100-mostAnswers)
	assert.Equal(t, len(got.Tables[0].Processes), mostProcesses)
	assert.Equal(t, got.Tables[0].More, 2000-mostProcesses)
	assert.Equal(t, got.Tables[0].Processes[0].Command, strings.Repeat("é", longestLine)+"… (380 characters more)")
	assert.Assert(t, got.size() < 250_000, got.size())
}

func TestShortened(t *testing.T) {
	for text, want := range map[string]string{"": "", "abcd": "abcd", "éééé": "éééé", "abcde": "abcd… (1 characters more)", "ééééé!": "éééé… (2 characters more)"} {
		assert.Equal(t, shortened(text, 4), want)
	}
}

// TestWanted: which pods a reader is to see, what did not pass first.
func TestWanted(t *testing.T) {
	var many []suite.Target
	for i := range 10 {
		t := workerA
		t.Node = fmt.Sprintf("worker-%d", i)
		many = append(many, t)
	}
	controlled := func(r *suite.Result) { r.ControlFolder = r.Folder + ".control" }
	shared := func(r *suite.Result) { r.Folder = "evidence/shared" }
	on := func(targets []suite.Target, outcome suite.Outcome, mend ...func(*suite.Result)) []suite.Result {
		var all []suite.Result
		for _, target := range targets {
			all = append(all, result(pid1, target, outcome, mend...))
		}
		return all
	}
	folder := func(node string) string { return "evidence/" + node + "/pid1-is-the-sandbox" }
	for name, row := range map[string]struct {
		results []suite.Result
		want    []string
	}{
		"nothing":                  {nil, nil},
		"no evidence":              {on(many[:1], suite.Skipped, func(r *suite.Result) { r.Folder = "" }), nil},
		"a pass, with its control": {on(many[:1], suite.Conformant, controlled), []string{folder("worker-0"), folder("worker-0") + ".control"}},
		"passes on one kind":       {on(many, suite.Conformant), []string{folder("worker-0")}},
		"passes on two kinds":      {on([]suite.Target{many[0], workerB, many[1]}, suite.Conformant), []string{folder("worker-0"), folder("worker-b")}},
		"few of many failures":     {on(many, suite.NonConformant), []string{folder("worker-0"), folder("worker-1"), folder("worker-2"), folder("worker-3")}},
		"a failure behind a pass": {append(on(many[:2], suite.Conformant), on(many[2:3], suite.Inconclusive)...),
			[]string{folder("worker-2"), folder("worker-0")}},
		"each once": {append(on(many[:1], suite.Conformant, shared), result(hup, many[0], suite.Conformant, shared)), []string{"evidence/shared"}},
	} {
		t.Run(name, func(t *testing.T) {
			assert.DeepEqual(t, withResults(row.results...).Document().Wanted(), row.want)
		})
	}
}

// TestCollect: what is not there is left out, and so is what there is no room for.
func TestCollect(t *testing.T) {
	var results []suite.Result
	for i := range 5000 {
		results = append(results, result(suite.Case{ID: fmt.Sprintf("area/%d", i), Claim: "c", Source: "s"}, workerA, suite.Conformant))
	}
	run := withResults(results...)
	big := Observed{Answers: []Answers{{"a", strings.Repeat("x", 10_000)}}}
	read := 0
	got := run.Document().Collect(func(folder string) (Observed, error) {
		read++
		if read%2 == 0 {
			return Observed{}, errors.New("it was not kept")
		}
		return big, nil
	})
	size := 0
	for _, one := range got {
		size += one.size()
	}
	assert.Assert(t, len(got) > 0 && size <= mostObserved && read < 5000, "%d of %d read, %d bytes", len(got), read, size)
}

// TestObservationsInJSON: they follow the schema, a pod a line, and are read as they were written.
func TestObservationsInJSON(t *testing.T) {
	run := withResults(
		result(pid1, workerA, suite.Conformant, func(r *suite.Result) { r.ControlFolder = "evidence/worker-a/isolated" }),
		result(pid1, workerB, suite.NonConformant, found("the sandbox", "nginx", strings.Repeat(processTable, 200))),
	)
	run.Observed = []Observed{observedIn("evidence/worker-a/pid1-is-the-sandbox", looked()), {Folder: "evidence/worker-a/isolated"}}
	text := asJSON(t, run)
	golden.Assert(t, text, "observed.json")

	compiled, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "..", "..", "docs", "report.schema.json"))
	assert.NilError(t, err)
	data, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	assert.NilError(t, err)
	assert.NilError(t, compiled.Validate(data))
	first(data.(map[string]any), "observations")["surprise"] = true
	assert.Assert(t, compiled.Validate(data) != nil, "a schema that accepts anything proves nothing")

	d, err := ReadJSON(strings.NewReader(text))
	assert.NilError(t, err)
	assert.DeepEqual(t, d.Observed, run.Observed)
	assert.Equal(t, utf8.RuneCountInString(d.Results[1].Seen), longestSeen+utf8.RuneCountInString("… (26400 characters more)"))
}

// TestSeenIsOfSome: what findings were made of is told of the first results of each case.
func TestSeenIsOfSome(t *testing.T) {
	var results []suite.Result
	for i := range 2 * mostSeen {
		target := workerA
		target.Node = fmt.Sprint(i)
		results = append(results, result(pid1, target, suite.NonConformant, found("a", "b", "seen")), result(hup, target, suite.NonConformant, found("a", "b", "seen")))
	}
	shown := map[string]int{}
	for _, r := range withResults(results...).Document().Results {
		if r.Seen != "" {
			shown[r.ID]++
		}
	}
	assert.DeepEqual(t, shown, map[string]int{pid1.ID: mostSeen, hup.ID: mostSeen})
}

// FuzzReadObserved: whatever the evidence is, it is read or refused, and takes no more room than
// there is for one pod.
func FuzzReadObserved(f *testing.F) {
	f.Add(`{"pod":{"name":"a","phase":"Running","containers":{"shell":{"running":true}}},"before":{"shell":{"container":"shell","processes":[{"pid":1,"argv":["sh"]}]}}}`)
	f.Add(`{"copies":{"a":{"copies":{"b":{}}}},"answers":{"create":{"code":422,"message":"no"}},"ran":{"x":{"failure":"cut"}}}`)
	f.Add(`{"before":{"a":null},"after":{"a":{"failure":"` + evil[:2] + `"}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		o, err := ReadObserved("folder", strings.NewReader(text))
		if err == nil {
			assert.Equal(t, o.Folder, "folder")
			assert.Assert(t, len(o.Tables) <= mostTables && len(o.Answers) <= mostAnswers)
		}
	})
}
