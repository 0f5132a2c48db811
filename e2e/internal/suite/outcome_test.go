package suite

import (
	"errors"
	"fmt"
	"testing"

	"gotest.tools/v3/assert"
	"gotest.tools/v3/assert/cmp"
)

// TestDecide goes through every pair of answers of a judge.
func TestDecide(t *testing.T) {
	violation := Violation("the sandbox as PID 1", "nginx as PID 1")
	cannotTell := CannotTell("a process table", "no exec")
	foreign := errors.New("index out of range")
	elsewhere := Inapplicable("the node's processes", "a kernel of the sandbox's own")
	controlViolation := Violation("another", "one")
	controlCannotTell := CannotTell("the control's table", "nothing")

	fixtures := map[string]error{"nil": nil, "violation": violation, "cannot tell": cannotTell, "foreign": foreign, "elsewhere": elsewhere}
	controls := map[string]judged{
		"none":        {},
		"nil":         {hasControl: true},
		"violation":   {hasControl: true, control: controlViolation},
		"cannot tell": {hasControl: true, control: controlCannotTell},
		"foreign":     {hasControl: true, control: foreign},
		"elsewhere":   {hasControl: true, control: elsewhere},
	}
	type want struct {
		outcome            Outcome
		reason             string // a part of it
		expected, observed string
	}
	wrong := want{NonConformant, "expected the sandbox as PID 1; observed nginx as PID 1", "the sandbox as PID 1", "nginx as PID 1"}
	blind := want{Inconclusive, "cannot tell: expected a process table; observed no exec", "a process table", "no exec"}
	inapplicable := want{Skipped, "it does not apply: expected the node's processes; observed a kernel of the sandbox's own", "the node's processes", "a kernel of the sandbox's own"}
	broken := want{Inconclusive, "cannot tell: index out of range", "", ""}
	table := map[string]map[string]want{
		"nil": {
			"none":        {Conformant, "", "", ""},
			"nil":         {Inconclusive, "the check also passes on the control pod, isolated.yaml", "", ""},
			"violation":   {Conformant, "", "", ""},
			"cannot tell": {Inconclusive, "the control could not be judged: expected the control's table; observed nothing", "the control's table", "nothing"},
			"foreign":     {Inconclusive, "the control could not be judged: index out of range", "", ""},
			"elsewhere":   {Skipped, "its control does not apply: expected the node's processes; observed a kernel of the sandbox's own", "", ""},
		},
		"violation":   {"none": wrong, "nil": wrong, "violation": wrong, "cannot tell": wrong, "foreign": wrong, "elsewhere": wrong},
		"cannot tell": {"none": blind, "nil": blind, "violation": blind, "cannot tell": blind, "foreign": blind, "elsewhere": blind},
		"foreign":     {"none": broken, "nil": broken, "violation": broken, "cannot tell": broken, "foreign": broken, "elsewhere": broken},
		"elsewhere":   {"none": inapplicable, "nil": inapplicable, "violation": inapplicable, "cannot tell": inapplicable, "foreign": inapplicable, "elsewhere": inapplicable},
	}
	for fixture, answer := range fixtures {
		for control, j := range controls {
			t.Run(fixture+", control "+control, func(t *testing.T) {
				want, ok := table[fixture][control]
				assert.Assert(t, ok, "the table has no such row")
				for _, wrap := range []func(error) error{
					func(err error) error { return err },
					func(err error) error { return fmt.Errorf("while judging: %w", err) },
				} {
					j.fixture = answer
					if answer != nil {
						j.fixture = wrap(answer)
					}
					r := Result{Case: Case{Control: "isolated.yaml"}}
					j.decide(&r)
					assert.Equal(t, r.Outcome, want.outcome)
					assert.Equal(t, r.Expected, want.expected)
					assert.Equal(t, r.Observed, want.observed)
					assert.Equal(t, r.Reason == "", want.reason == "", r.Reason)
					if j.fixture == answer {
						assert.Check(t, cmp.Contains(r.Reason, want.reason))
					}
				}
			})
		}
	}
}

// TestFindingKeepsEvidence: what a judge saw goes into the result.
func TestFindingKeepsEvidence(t *testing.T) {
	o := Observation{}
	r := Result{}
	judged{fixture: Violation("a", "b", o.Container("nginx"), o.AfterIn("shell"))}.decide(&r)
	assert.Equal(t, r.Evidence, "(could not be observed: no snapshot was taken)\n(could not be observed: no snapshot was taken)\n")
}

// TestForbidden: what a security module refused is skipped, with the proof; a control
// that was refused proves nothing either, and a violation is one whatever the control says.
func TestForbidden(t *testing.T) {
	forbidden := Forbidden("the signal is sent", `EACCES; security label "x (enforce)"`)
	for name, row := range map[string]struct {
		j      judged
		want   Outcome
		reason string
	}{
		"the fixture":                  {judged{fixture: forbidden, control: Violation("a", "b"), hasControl: true}, Skipped, `security label "x (enforce)"`},
		"without a control":            {judged{fixture: forbidden}, Skipped, "expected the signal is sent"},
		"the control":                  {judged{control: forbidden, hasControl: true}, Skipped, "on the control"},
		"both":                         {judged{fixture: forbidden, control: forbidden, hasControl: true}, Skipped, "forbids it: "},
		"a violation beside":           {judged{fixture: Violation("a", "b"), control: forbidden, hasControl: true}, NonConformant, "expected a"},
		"what cannot be told beside":   {judged{fixture: CannotTell("a", "b"), control: forbidden, hasControl: true}, Inconclusive, "cannot tell"},
		"first of several that joined": {judged{fixture: errors.Join(nil, forbidden)}, Skipped, "EACCES"},
	} {
		t.Run(name, func(t *testing.T) {
			r := Result{Case: Case{Control: "isolated.yaml"}}
			row.j.decide(&r)
			assert.Equal(t, r.Outcome, row.want)
			assert.Check(t, cmp.Contains(r.Reason, row.reason))
		})
	}
	assert.Assert(t, IsForbidden(forbidden) && isFinal(forbidden) && !IsViolation(forbidden))
	assert.Assert(t, !IsForbidden(CannotTell("a", "b")) && !isFinal(CannotTell("a", "b")) && !IsForbidden(nil))
	assert.Assert(t, isFinal(Final(Violation("a", "b"))) && IsViolation(Final(Violation("a", "b"))))
	assert.NilError(t, Final(nil))
}

func TestIsViolation(t *testing.T) {
	assert.Assert(t, IsViolation(Violation("a", "b")))
	assert.Assert(t, IsViolation(fmt.Errorf("wrapped: %w", Violation("a", "b"))))
	assert.Assert(t, !IsViolation(CannotTell("a", "b")))
	assert.Assert(t, !IsViolation(errors.New("a")))
	assert.Assert(t, !IsViolation(nil))
}

func TestTargetName(t *testing.T) {
	assert.Equal(t, Target{Node: "a"}.Name(), "a")
	assert.Equal(t, Target{Node: "a", RuntimeClass: "gvisor"}.Name(), "a/gvisor")
}

func TestLookByHand(t *testing.T) {
	result := Result{Pod: "nginx-1", From: "shell", Folder: "node-a/nginx"}
	for name, row := range map[string]struct {
		change func(*Result)
		want   string
	}{
		"no pod": {func(r *Result) { r.Pod = "" }, ""},
		"a pod": {func(*Result) {}, "kubectl create -f run/node-a/nginx/manifest.yaml; " +
			"kubectl wait --for='jsonpath={.status.phase}=Running' pod/nginx-1; kubectl exec nginx-1 -c shell -- ps ax"},
		"with ephemeral containers": {func(r *Result) { r.Ephemeral, r.From = true, "debugger" },
			"kubectl -n default create -f run/node-a/nginx/manifest.yaml; " +
				"kubectl -n default wait --for='jsonpath={.status.phase}=Running' pod/nginx-1; " +
				"kubectl -n default replace --raw /api/v1/namespaces/default/pods/nginx-1/ephemeralcontainers -f run/node-a/nginx/ephemeral.json; " +
				"kubectl -n default wait --for='jsonpath={.status.ephemeralContainerStatuses[0].state.running.startedAt}' pod/nginx-1; " +
				"kubectl -n default exec nginx-1 -c debugger -- ps ax"},
		"only submitted": {func(r *Result) { r.Case.Submit = DryRunBaseline },
			"kubectl create --dry-run=server -f run/node-a/nginx/manifest.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := result
			row.change(&changed)
			assert.Equal(t, row.want, changed.LookByHand("kubectl", "run"))
		})
	}
}
