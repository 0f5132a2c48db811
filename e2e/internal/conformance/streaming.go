package conformance

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"

	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

// stream writes results to results.jsonl as they are known: a run that dies leaves what it knows.
type stream struct {
	mu   sync.Mutex
	file *os.File
	// left are, by target, the IDs of the cases whose results are still to come.
	left map[string]map[string]bool
	// failed are the targets that have a result that is no pass.
	failed map[string]bool
	why    error // the first line that could not be written
}

// openStream begins the run's results.jsonl, or goes on in one that is there. asked are the
// IDs of the cases that each of the targets will have results of, by its name.
func openStream(folder string, head report.StreamHead, asked map[string]map[string]bool) (*stream, error) {
	file, err := os.OpenFile(filepath.Join(folder, report.StreamFile), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	s := &stream{file: file, left: asked, failed: map[string]bool{}}
	if err := endLastLine(file); err != nil {
		_ = file.Close()
		return nil, err
	}
	s.write(report.StreamLine{Head: &head})
	return s, s.why
}

// endLastLine takes off a last line that has no end: the run that wrote it died.
func endLastLine(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	const step = 4096
	for end := info.Size(); end > 0; {
		from := max(0, end-step)
		part := make([]byte, end-from)
		if _, err := file.ReadAt(part, from); err != nil {
			return err
		}
		for i := len(part) - 1; i >= 0; i-- {
			if part[i] == '\n' {
				return file.Truncate(from + int64(i) + 1)
			}
		}
		end = from
	}
	return file.Truncate(0)
}

// add writes a result, and behind the last one of a target that it has answered; known adds
// what was found out of the target. It tells whether this was its last one, and all have passed.
func (s *stream) add(r suite.Result, known func(suite.Target) suite.Target) (passed bool) {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one := report.ResultOf(r)
	if r.Outcome.Failed() {
		one.Seen = r.Evidence
	}
	s.write(report.StreamLine{Result: &one})
	name := r.Target.Name()
	s.failed[name] = s.failed[name] || r.Outcome.Failed()
	left := s.left[name]
	if !left[r.Case.ID] {
		return false // it was left by a run before an upgrade
	}
	if delete(left, r.Case.ID); len(left) == 0 {
		target := report.Target{Name: name, Target: known(r.Target)}
		s.write(report.StreamLine{Answered: &target})
		return !s.failed[name]
	}
	return false
}

func (s *stream) write(line report.StreamLine) {
	if err := line.WriteLine(s.file); err != nil && s.why == nil {
		s.why = err
	}
}

// close ends the file, and says what could not be written, or "".
func (s *stream) close() string {
	if s == nil {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.file.Close(); err != nil && s.why == nil {
		s.why = err
	}
	if s.why == nil {
		return ""
	}
	return fmt.Sprintf("%s is not whole: %s", report.StreamFile, oneLine(s.why))
}

// expect has the file take results of more targets. head says who judges them by now: between two heads,
// each target has answered.
func (s *stream) expect(head report.StreamHead, asked map[string]map[string]bool) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write(report.StreamLine{Head: &head})
	maps.Copy(s.left, asked)
}

// openStream begins to write the results of the run's targets.
func (c *Run) openStream(targets []suite.Target) (err error) {
	c.stream, err = openStream(c.folder.Path, c.streamHead(), c.expectedOf(targets))
	return err
}

// expectedOf are the IDs of the cases that the targets will have results of, by their names.
func (c *Run) expectedOf(targets []suite.Target) map[string]map[string]bool {
	asked := map[string]map[string]bool{}
	for _, target := range targets {
		asked[target.Name()] = map[string]bool{}
		for _, one := range ordinary(c.CasesOn(target)) {
			asked[target.Name()][one.ID] = true
		}
	}
	return asked
}

func (c *Run) streamHead() report.StreamHead {
	return report.StreamHead{Schema: report.StreamSchema, Run: c.report.ID, Suite: c.report.Suite, Cluster: c.report.Cluster, Sweep: c.report.Sweep}
}
