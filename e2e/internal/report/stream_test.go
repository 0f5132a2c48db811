package report

import (
	"bytes"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"procns/e2e/internal/suite"
)

func streamOf(t *testing.T, lines ...StreamLine) string {
	t.Helper()
	var b bytes.Buffer
	for _, l := range lines {
		assert.NilError(t, l.WriteLine(&b))
	}
	return b.String()
}

func headLine(run string) StreamLine {
	return StreamLine{Head: &StreamHead{Schema: StreamSchema, Run: run, Suite: base().Suite, Cluster: base().Cluster}}
}

func resultLine(c suite.Case, on suite.Target, outcome suite.Outcome) StreamLine {
	one := ResultOf(result(c, on, outcome))
	return StreamLine{Result: &one}
}

func answeredLine(on suite.Target) StreamLine {
	return StreamLine{Answered: &Target{on.Name(), on}}
}

// TestReadStream: what a run leaves that died at any moment is read, and of a target that has not
// answered as a whole, nothing.
func TestReadStream(t *testing.T) {
	text := streamOf(t, headLine("r1"), resultLine(pid1, workerA, suite.Conformant), resultLine(pid1, workerB, suite.Inconclusive),
		resultLine(hup, workerA, suite.NonConformant), answeredLine(workerA), resultLine(hup, workerB, suite.Conformant))
	s, err := ReadStream(strings.NewReader(text))
	assert.NilError(t, err)
	assert.Equal(t, s.Head.Run, "r1")
	assert.DeepEqual(t, s.Answered, []Target{{workerA.Name(), workerA}})
	assert.Equal(t, len(s.Results), 1)
	assert.Equal(t, len(s.Results[workerA.Name()]), 2)
	again := s.Results[workerA.Name()][1].Again(hup, workerA)
	assert.DeepEqual(t, ResultOf(again).Outcome, suite.NonConformant)
	assert.Assert(t, !s.Torn)

	for end := len(streamOf(t, headLine("r1"))); end < len(text); end++ {
		s, err := ReadStream(strings.NewReader(text[:end]))
		assert.NilError(t, err)
		assert.Equal(t, s.Torn, text[end-1] != '\n')
	}

	resumed := text + streamOf(t, headLine("r2"), resultLine(pid1, workerB, suite.Conformant), answeredLine(workerB),
		resultLine(pid1, workerA, suite.Conformant), answeredLine(workerA))
	s, err = ReadStream(strings.NewReader(resumed))
	assert.NilError(t, err)
	assert.Equal(t, s.Head.Run, "r2")
	assert.Equal(t, len(s.Answered), 2)
	assert.Equal(t, len(s.Results[workerB.Name()]), 1, "what was left unfinished is not taken with what came later")
	assert.Equal(t, len(s.Results[workerA.Name()]), 1, "the later results count")
}

func TestReadStreamRefuses(t *testing.T) {
	other := headLine("r2")
	other.Head.Cluster.UID = "another"
	for name, text := range map[string]string{
		"nothing":      "",
		"no head":      streamOf(t, resultLine(pid1, workerA, suite.Conformant)),
		"other schema": `{"head":{"schema":"procns.results/v0"}}` + "\n",
		"no JSON":      "results\n",
		"two clusters": streamOf(t, headLine("r1"), other),
		"a long line":  streamOf(t, headLine("r1")) + `{"result":{"reason":"` + strings.Repeat("x", longestStreamLine) + "\"}}\n",
	} {
		_, err := ReadStream(strings.NewReader(text))
		assert.Assert(t, err != nil, name)
	}
}

func TestStreamHeadDiffers(t *testing.T) {
	head := *headLine("r1").Head
	assert.NilError(t, head.Differs(*headLine("r2").Head))
	for name, change := range map[string]func(*StreamHead){
		"cluster":   func(h *StreamHead) { h.Cluster.UID = "x" },
		"catalogue": func(h *StreamHead) { h.Suite.CatalogueSHA256 = "x" },
		"version":   func(h *StreamHead) { h.Suite.Version = "x" },
		"server":    func(h *StreamHead) { h.Cluster.ServerVersion = "x" },
		"profile":   func(h *StreamHead) { h.Sweep = &suite.Scope{} },
	} {
		changed := head
		change(&changed)
		assert.Assert(t, head.Differs(changed) != nil, name)
	}
}

// FuzzReadStream: any text is read or refused, and what was read names targets that have answered.
func FuzzReadStream(f *testing.F) {
	f.Add(`{"head":{"schema":"procns.results/v1","run":"r"}}` + "\n" + `{"result":{"id":"a/b","target":"n","outcome":"conformant"}}` + "\n" + `{"answered":{"name":"n"}}` + "\n")
	f.Add("{}\n")
	f.Add(`{"head":{"schema":"procns.results/v1"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ReadStream(strings.NewReader(text))
		if err != nil {
			return
		}
		names := map[string]bool{}
		for _, target := range s.Answered {
			if names[target.Name] {
				t.Errorf("%q answered twice", target.Name)
			}
			names[target.Name] = true
		}
		for name := range s.Results {
			if !names[name] {
				t.Errorf("results of %q, which has not answered", name)
			}
		}
	})
}
