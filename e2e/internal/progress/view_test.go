package progress

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gotest.tools/v3/golden"

	"procns/e2e/internal/locked"
	"procns/e2e/internal/suite"
)

// told has a view tell the whole story.
func told(t *testing.T, v *View) (people, programs string) {
	t.Helper()
	var out, events bytes.Buffer
	v.Out = &out
	if v.Events != nil {
		v.Events = &events
	}
	v.Open()
	for _, e := range story() {
		v.Tell(e)
	}
	v.Tell(after(112, Event{Kind: StepBegan, Step: "clean-up"}))
	v.Tell(after(113, Event{Kind: Said, Text: "procns: CLEAN-UP FAILED: delete it by hand"}))
	code := 1
	v.Tell(after(114, Event{Kind: RunEnded, ExitCode: &code, Outcome: suite.NonConformant, Seconds: 114, Line: "procns: non-conformant: 20 cases on 2 targets"}))
	v.Close()
	v.Close()
	people, programs = out.String(), events.String()
	v.Say("procns: terminated: no longer waiting")
	assert.Equal(t, people+"procns: terminated: no longer waiting\n", out.String(), "it is printed all the same")
	assert.Equal(t, programs, events.String(), "the end of the run is the last event")
	return people, programs
}

func TestLines(t *testing.T) {
	for name, v := range map[string]*View{
		"lines.txt":        {},
		"lines-colour.txt": {Colour: true},
		"verbose.txt":      {Verbose: true},
		"quiet.txt":        {Mode: Quiet, Verbose: true},
	} {
		said, _ := told(t, v)
		golden.Assert(t, strings.ReplaceAll(said, "\x1b", "␛"), name)
	}
}

// TestAlike: of a case that fails on thousands of nodes, the first ones are told as they come.
func TestAlike(t *testing.T) {
	for verbose, want := range map[bool]int{false: 2 * (mostAlike + 1), true: 2 * 100} {
		var out bytes.Buffer
		v := &View{Verbose: verbose, Out: &out}
		v.Open()
		for i := range 200 {
			outcome := []suite.Outcome{suite.NonConformant, suite.Inconclusive}[i%2]
			v.Tell(Event{Kind: CaseEnded, Case: "a/one", Target: fmt.Sprint("node-", i), Level: suite.Core, Outcome: outcome})
		}
		v.Close()
		assert.Equal(t, want, strings.Count(out.String(), "\n"), out.String())
		if !verbose {
			assert.Contains(t, out.String(), "    … further targets on which a/one is inconclusive are told of in the end\n")
		}
	}
}

// TestLive: what stays above the view is each result that did not pass, as in lines.
func TestLive(t *testing.T) {
	g := &glass{width: 100}
	v := &View{Mode: Live, Size: func() Size { return Size{g.width, 24} }}
	v.Out = g
	v.Open()
	for _, e := range story() {
		v.Tell(e)
	}
	v.Close()
	v.Say("==> the end")
	assert.Empty(t, g.unfit)
	text := strings.Join(g.lines(), "\n")
	assert.Contains(t, text, "    NON-CONFORMANT  walkthrough/claim-4 on worker2/gvisor (12s): expected both containers")
	assert.Contains(t, text, "==> preflight: 1.5s\n")
	assert.NotContains(t, text, "cases are running")
	assert.True(t, strings.HasSuffix(text, "==> the end\n"), text)
}

// TestTime: a live view shows time go by, and lines give a sign of life each minute.
func TestTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cases := someCases(1, 10)
		g, lines := &glass{width: 80}, &locked.Buffer{}
		views := []*View{{Mode: Live, Out: g, Size: func() Size { return Size{80, 24} }}, {Out: lines}}
		for _, v := range views {
			v.Open()
			v.Tell(Event{Kind: StepBegan, Step: "kind cluster"})
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		assert.Equal(t, []string{"    kind cluster … 1m01s"}, g.lines())
		assert.Equal(t, "    kind cluster … 1m00s\n", lines.String())
		for _, v := range views {
			v.Tell(Event{Kind: StepEnded, Step: "kind cluster"})
			v.Tell(Plan(cases, twoWorkers[:1], nil))
			v.Tell(Began(cases[0], twoWorkers[0]))
			v.Tell(Began(cases[1], twoWorkers[0]))
		}
		time.Sleep(20 * time.Second)
		for _, v := range views {
			v.Tell(Ended(suite.Result{Case: cases[0], Target: twoWorkers[0], Outcome: suite.Conformant}, true))
		}
		synctest.Wait()
		lines.Reset()
		time.Sleep(64 * time.Second)
		synctest.Wait()
		assert.Equal(t, "1 of 10 · 1m24s, about 13 minutes left · 1 conformant", g.lines()[0])
		assert.Equal(t, "    1 of 10 after 59s, about 9 minutes left; 1 case is running, the longest for 59s: walkthrough/claim-2 on worker\n", lines.String())
		for _, v := range views {
			v.Close()
		}
	})
}

// TestEvents: each event is a line of JSON that follows the schema.
func TestEvents(t *testing.T) {
	_, events := told(t, &View{Events: &bytes.Buffer{}})
	golden.Assert(t, events, "events.jsonl")
	compiled, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "..", "..", "docs", "progress.schema.json"))
	require.NoError(t, err)
	kinds := map[Kind]bool{}
	for line := range strings.Lines(events) {
		data, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		require.NoError(t, err)
		assert.NoError(t, compiled.Validate(data), line)
		var e Event
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		kinds[e.Kind] = true
	}
	assert.Len(t, kinds, 9, "each kind of event was told")
	for name, line := range map[string]string{
		"no time": `{"event":"said","text":"a"}`, "unknown event": `{"time":"2026-11-28T21:08:02Z","event":"sung"}`,
		"a result without its outcome": `{"time":"2026-11-28T21:08:02Z","event":"case-ended","case":"a/b","area":"a","target":"c","level":"Core","done":1,"results":2}`,
		"an unknown field":             `{"time":"2026-11-28T21:08:02Z","event":"said","text":"a","tune":"b"}`,
	} {
		data, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		require.NoError(t, err)
		assert.Error(t, compiled.Validate(data), name)
	}
}

// TestOthersAsk: what another program asks the user for stays readable, and is not drawn over.
func TestOthersAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &glass{width: 60}
		lines := &locked.Buffer{}
		for _, v := range []*View{{Mode: Live, Out: g, Size: func() Size { return Size{60, 24} }}, {Mode: Quiet, Out: lines}} {
			v.Open()
			v.Tell(Event{Kind: StepBegan, Step: "preflight"})
			time.Sleep(time.Second)
			_, err := v.Write([]byte("open https://login.example\nPassword: "))
			require.NoError(t, err)
			time.Sleep(5 * time.Second)
			synctest.Wait()
			if v.Mode == Live {
				assert.Equal(t, []string{"open https://login.example", "Password: "}, g.lines())
			}
			v.Say("==> waiting")
			time.Sleep(5 * time.Second)
			v.Tell(Event{Kind: StepEnded, Step: "preflight"})
			v.Tell(Event{Kind: StepBegan, Step: "next"})
			time.Sleep(time.Second)
			synctest.Wait()
			if v.Mode == Live {
				assert.Equal(t, []string{"open https://login.example", "Password: ", "==> waiting", "    next … 1.0s"}, g.lines())
			}
			v.Close()
		}
		assert.Equal(t, "open https://login.example\nPassword: ", lines.String())
	})
}

// stuck is a terminal that was stopped.
type stuck struct{ going chan struct{} }

func (s stuck) Write(text []byte) (int, error) {
	<-s.going
	return len(text), nil
}

// TestStopped: a terminal that takes nothing holds nobody up, and not the end either.
func TestStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := stuck{make(chan struct{})}
		v := &View{Mode: Live, Out: out, Size: func() Size { return Size{80, 24} }}
		v.Open()
		for _, e := range story() {
			v.Tell(e)
			synctest.Wait()
		}
		began := time.Now()
		v.Close()
		assert.Equal(t, patience, time.Since(began))
		close(out.going)
		<-v.ended
	})
}

// TestBusy: thousands of targets are shown as soon as two.
func TestBusy(t *testing.T) {
	var targets []suite.Target
	for n := range 500 {
		targets = append(targets, suite.Target{Node: fmt.Sprintf("node-%d", n)})
	}
	cases := someCases(12, 10)
	v := &View{Mode: Live, Out: &bytes.Buffer{}, Size: func() Size { return Size{80, 24} }}
	v.Open()
	v.Tell(Plan(cases, targets, nil))
	for _, target := range targets {
		for _, c := range cases {
			v.Tell(Began(c, target))
			v.Tell(Ended(suite.Result{Case: c, Target: target, Outcome: suite.Conformant}, true))
		}
	}
	assert.Equal(t, 60000, v.state.done)
	assert.Empty(t, v.state.running)
	v.Close()
}

// TestPage: what the page shows is what is shown here.
func TestPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "PROGRESS.md"))
	require.NoError(t, err)
	var shown strings.Builder
	for _, name := range []string{"frames.txt", "lines.txt", "events.jsonl"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(t, err)
		shown.Write(text)
	}
	blocks := strings.Split(string(page), "\n```")
	assert.Len(t, blocks, 7)
	for i := 1; i < len(blocks); i += 2 {
		_, block, _ := strings.Cut(blocks[i], "\n")
		for line := range strings.Lines(block + "\n") {
			assert.Contains(t, shown.String(), line)
		}
	}
	for _, kind := range []Kind{RunBegan, StepBegan, StepEnded, Said, Planned, CaseBegan, CaseEnded, AreaEnded, RunEnded} {
		assert.Contains(t, string(page), "`"+string(kind)+"`")
	}
}
