package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"procns/e2e/internal/suite"
)

// StreamSchema names the version of the format of results.jsonl: a JSON object a line, first a
// StreamHead, then in any order results and, behind those of each target, that it has answered.
const StreamSchema = "procns.results/v1"

// StreamFile is the name of the file that results are written to as they are known.
const StreamFile = "results.jsonl"

// StreamHead says whose results follow.
type StreamHead struct {
	Schema  string  `json:"schema"`
	Run     string  `json:"run"`
	Suite   Suite   `json:"suite"`
	Cluster Cluster `json:"cluster"`
	// Sweep is Run.Sweep.
	Sweep *suite.Scope `json:"sweep,omitempty"`
}

// StreamLine is any line: of Head, Result and Answered one is set.
type StreamLine struct {
	Head *StreamHead `json:"head,omitempty"`
	// Result is as in report.json. What its case took is not known as yet.
	Result *Result `json:"result,omitempty"`
	// Answered is a target of which all results are there, with what was found out of it.
	Answered *Target `json:"answered,omitempty"`
}

// Stream is what was read of a results.jsonl: by target, in the order in which they were done.
type Stream struct {
	Head     StreamHead
	Answered []Target
	// Results are those of the targets that have answered, by the target's name.
	Results map[string][]Result
	// Torn says that the last line has no end: the run died.
	Torn bool
}

// longestStreamLine is more than any result has.
const longestStreamLine = 4 << 20

// WriteLine writes one line of results.jsonl.
func (l StreamLine) WriteLine(w io.Writer) error {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(l); err != nil {
		return err
	}
	_, err := line.WriteTo(w) // at once: a run may die at any moment
	return err
}

// ReadStream reads a results.jsonl. A run that was resumed has more heads, which must be of the
// same judge and cluster. Of a target that was asked again, the later results count. A last line
// without an end is left out.
func ReadStream(from io.Reader) (Stream, error) {
	s := Stream{Results: map[string][]Result{}}
	so := map[string][]Result{} // of targets that have not answered as yet
	places := map[string]int{}
	lines := bufio.NewReaderSize(from, 64<<10)
	for number := 1; ; number++ {
		text, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			s.Torn = len(text) > 0
			break
		}
		if err != nil {
			return s, err
		}
		if len(text) > longestStreamLine {
			return s, fmt.Errorf("line %d is too long: %d bytes", number, len(text))
		}
		var line StreamLine
		if err := json.Unmarshal(text, &line); err != nil {
			return s, fmt.Errorf("line %d: %w", number, err)
		}
		switch {
		case line.Head != nil:
			if err := s.take(*line.Head); err != nil {
				return s, fmt.Errorf("line %d: %w", number, err)
			}
			clear(so) // what the run before left unfinished is asked again
		case s.Head.Schema == "":
			return s, fmt.Errorf("line %d: it does not begin with a head", number)
		case line.Result != nil:
			so[line.Result.Target] = append(so[line.Result.Target], *line.Result)
		case line.Answered != nil:
			name := line.Answered.Name
			s.Results[name] = so[name]
			delete(so, name)
			if i, known := places[name]; known {
				s.Answered[i] = *line.Answered
				continue
			}
			places[name] = len(s.Answered)
			s.Answered = append(s.Answered, *line.Answered)
		}
	}
	if s.Head.Schema == "" {
		return s, errors.New("it holds no results")
	}
	return s, nil
}

func (s *Stream) take(head StreamHead) error {
	if head.Schema != StreamSchema {
		return fmt.Errorf("the schema is %q, this suite reads %q", head.Schema, StreamSchema)
	}
	if s.Head.Schema != "" {
		if err := s.Head.Differs(head); err != nil {
			return err
		}
	}
	s.Head = head
	return nil
}

// Differs says why results of the one cannot be told together with those of the other.
func (h StreamHead) Differs(other StreamHead) error {
	switch {
	case h.Cluster.UID != other.Cluster.UID:
		return fmt.Errorf("the results are of another cluster (%s, not %s)", h.Cluster.UID, other.Cluster.UID)
	case h.Suite.CatalogueSHA256 != other.Suite.CatalogueSHA256:
		return errors.New("the results are of another catalogue, or of other cases of it: give the same -profile, -run, -skip and -level, or begin anew")
	case h.Suite.Version != other.Suite.Version:
		return fmt.Errorf("the results are of another version of the suite (%s, not %s)", h.Suite.Version, other.Suite.Version)
	case h.Cluster.ServerVersion != other.Cluster.ServerVersion:
		return fmt.Errorf("the results are of Kubernetes %s, and the API server is %s by now: begin anew", h.Cluster.ServerVersion, other.Cluster.ServerVersion)
	case (h.Sweep == nil) != (other.Sweep == nil):
		return errors.New("the results are of another profile: give the same -profile, or begin anew")
	}
	return nil
}

// ResultOf is a result as report.json holds it.
func ResultOf(result suite.Result) Result {
	c := result.Case
	one := Result{
		ID: c.ID, Level: c.Level, Claim: c.Claim, Source: c.Source, Fixture: c.Fixture, Control: c.Control, NoControl: c.NoControl,
		Target: result.Target.Name(), Outcome: result.Outcome, Reason: result.Reason,
		Expected: result.Expected, Observed: result.Observed, Recorded: result.Recorded, Remark: result.Remark,
		Evidence: result.Folder, ControlEvidence: result.ControlFolder,
		Exemption: result.Exemption, Images: result.Images, DurationSeconds: milli(result.Duration.Seconds()),
	}
	if c.Control != "" {
		one.Differs = c.Property()
	}
	return one
}

// Again is a result as it was before it was written, of a case on a target.
func (r Result) Again(c suite.Case, on suite.Target) suite.Result {
	return suite.Result{
		Case: c, Target: on, Outcome: r.Outcome, Reason: r.Reason, Expected: r.Expected, Observed: r.Observed,
		Evidence: r.Seen, Recorded: r.Recorded, Remark: r.Remark, Folder: r.Evidence, ControlFolder: r.ControlEvidence, Images: r.Images,
	}
}
