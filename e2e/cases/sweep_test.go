package cases

import (
	"slices"
	"testing"

	"gotest.tools/v3/assert"
	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
	"procns/fixtures"
)

// TestEverywhere: on every node a sweep asks these claims, of these two pods. A case that joins
// them makes no pod more.
func TestEverywhere(t *testing.T) {
	var ids, pods []string
	for _, c := range All() {
		if !Everywhere(c) {
			continue
		}
		assert.Equal(t, c.Level, suite.Core, c.ID)
		reads := c.Act == nil && c.Submit == suite.Runs && c.Await == nil && c.Neighbour == "" && !c.OwnNode
		assert.Assert(t, reads, "%s: a sweep only reads", c.ID)
		ids = append(ids, c.ID)
		pods = append(pods, c.Swept().Manifests()...)
	}
	slices.Sort(ids)
	slices.Sort(pods)
	assert.DeepEqual(t, ids, []string{"pid1/no-container-is", "visibility/every-ordered-pair", "visibility/one-namespace"})
	assert.DeepEqual(t, slices.Compact(pods), []string{"markers-pair-isolated.yaml", "markers-pair.yaml"})
	cost, err := suite.CostOf(sweptAlone(), fixtures.Read)
	assert.NilError(t, err)
	assert.DeepEqual(t, cost, suite.Cost{Pods: 2, Execs: 3, Requests: 7})
}

// sweptAlone are the cases as a sweep asks them on every node.
func sweptAlone() []suite.Case { return suite.WithSwept(All())[len(All()):] }

// TestThePairIsTheCases: the pods of every node are those of the samples, without a container.
func TestThePairIsTheCases(t *testing.T) {
	for _, c := range All() {
		if c.Pair == nil {
			continue
		}
		for more, few := range map[string]string{c.Fixture: c.Pair.Fixture, c.Control: c.Pair.Control} {
			whole, part := plantedSpec(t, more), plantedSpec(t, few)
			fewer := whole.Containers[:len(part.Containers)]
			assert.Assert(t, len(fewer) > 1 && len(fewer) < len(whole.Containers), few)
			whole.Containers = fewer
			assert.DeepEqual(t, part, whole)
		}
	}
}

// pairOf is what would have been seen in a pod of three containers if it had had two.
func pairOf(o suite.Observation) suite.Observation {
	third := o.Markers["three"]
	delete(o.Markers, "three")
	delete(o.Before, "three")
	delete(o.Pod.Containers, "three")
	for _, s := range o.Before {
		shell, _ := s.Find(func(p probe.Process) bool { return p.Has(third) })
		s.Processes = slices.DeleteFunc(s.Processes, func(p probe.Process) bool { return shell.PID != 0 && (p.PID == shell.PID || p.PPID == shell.PID) })
	}
	return o
}

// TestJudgesOfAPair: of a control that was looked into from one container, that one's view is enough for a
// no; where it sees the other container's process, nobody can tell, and it is said what it sees.
func TestJudgesOfAPair(t *testing.T) {
	const pass, violation, cannotTell = "pass", "violation", "cannot tell"
	fromOne := func(o *suite.Observation) { delete(o.Before, "two") }
	for _, c := range sweptAlone() {
		full := caseOf(t, c.ID)
		for name, row := range map[string]struct {
			file   string
			change func(*suite.Observation)
			want   string
			says   string
		}{
			"shared, from both":        {full.Fixture, func(*suite.Observation) {}, pass, ""},
			"isolated, from both":      {full.Control, func(*suite.Observation) {}, violation, ""},
			"isolated, from one":       {full.Control, fromOne, violation, ""},
			"shared, from one":         {full.Fixture, fromOne, cannotTell, "it was not looked into; container one sees its process, PID "},
			"shared, from none":        {full.Fixture, func(o *suite.Observation) { o.Before = nil }, cannotTell, ""},
			"isolated, the exec fails": {full.Control, func(o *suite.Observation) { fromOne(o); o.Before["one"] = &probe.Snapshot{Failure: "exec was refused"} }, cannotTell, ""},
			"the other's exec fails":   {full.Fixture, func(o *suite.Observation) { o.Before["two"] = &probe.Snapshot{Failure: "exec was refused"} }, cannotTell, ""},
			"one marker":               {full.Control, func(o *suite.Observation) { fromOne(o); delete(o.Markers, "two") }, cannotTell, ""},
		} {
			t.Run(c.ID+"/"+name, func(t *testing.T) {
				o := pairOf(recorded(t, full, row.file))
				row.change(&o)
				err := c.Judge(o)
				got := cannotTell
				switch {
				case err == nil:
					got = pass
				case suite.IsViolation(err):
					got = violation
				}
				assert.Equal(t, got, row.want, "%v", err)
				if row.says != "" {
					assert.ErrorContains(t, err, row.says)
				}
			})
		}
	}
}

// TestAContainerThatDoesNotRunIsNotMissed: who is not there need not be seen. The claim about PID 1 needs
// nobody else.
func TestAContainerThatDoesNotRunIsNotMissed(t *testing.T) {
	for _, id := range []string{"visibility/every-ordered-pair", "visibility/one-namespace"} {
		c := caseOf(t, id)
		o := pairOf(recorded(t, c, c.Control))
		delete(o.Before, "two")
		ended := o.Pod.Containers["two"]
		ended.Running = false
		o.Pod.Containers["two"] = ended
		err := c.Judge(o)
		assert.ErrorContains(t, err, "does not run by its status")
		assert.Assert(t, !suite.IsViolation(err))
	}
}

// plantedSpec is the pod of a manifest, with the same text in the place of each marker.
func plantedSpec(t *testing.T, file string) corev1.PodSpec {
	t.Helper()
	raw, err := fixtures.Read(file)
	assert.NilError(t, err)
	m, err := suite.DecodePlanted(file, raw, map[string]string{"one": "1", "two": "2", "three": "3"})
	assert.NilError(t, err)
	return m.Pod.Spec
}
