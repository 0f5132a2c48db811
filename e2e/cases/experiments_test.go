package cases

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// experimentsOf are the experiments of each act that has several.
func experimentsOf() map[*suite.Act][]string {
	var callers, requests []string
	for _, caller := range everyCaller {
		callers = append(callers, caller, caller+hangUpRound)
	}
	for _, form := range []string{"merge", "strategic", "apply", "replace", "status", "ephemeral", "resize"} {
		for _, value := range []string{"absent", "false", "true"} {
			requests = append(requests, form+"-"+value)
		}
	}
	requests = append(requests, "label", "protobuf", "node-selector")
	walk := []string{byHangingUp, byHead, byAsking}
	return map[*suite.Act][]string{
		walkByAttach: walk, walkByExec: walk, walkByShell: walk,
		signalSiblings:       {byExec, byMainProcess, byStopping},
		terminateBare:        {byLogs, byTerminating},
		reachThrough:         {byToken, byWritingInto("app"), byWritingInto("sealed")},
		misspell:             {"text", "number", "null", "strict", "warn", "ignore"},
		changeField:          requests,
		changeGatedField:     requests,
		rollOutTwice:         {"changed", "restored"},
		evict:                {byEvicting},
		finishJob:            {byFinishing},
		tryEverything:        callers,
		killFromSibling:      {bySession, byWriting, byKilling, bySecondSession, byLogs, byLookingAgain},
		endEach:              {byLookingAgain},
		terminatePID1:        {byEvents},
		stopPod:              {byWaiting, byLogs, byDeleting},
		deleteStubborn:       {bySession, byStopping, byAttaching, byDeleting},
		leaveOrphans:         {byOrphan, bySession, byBursts},
		deleteBesideSidecar:  {byDeleting},
		hangUpFromDebugger:   {byHangingUp},
		targetTheExited:      {byUnknownTarget, byLateContainer},
		attachAgain:          {byAnswering, byResizing, byExiting},
		signalEachOther:      {byCounting, byKilling},
		reachInUserNamespace: {byKilling, byWriting},
		storm:                {byExecs, bySession, byKilling},
		restartKubelet:       {byLooking, byKilling},
		restartRuntime:       {byLooking, byKilling},
	}
}

// TestActsAreToldApart: evidence and recordings tell acts apart by their names, beside the manifest's.
func TestActsAreToldApart(t *testing.T) {
	by := map[string]*suite.Act{}
	for _, c := range every() {
		if c.Act == nil {
			continue
		}
		for _, file := range []string{c.Fixture, c.Control} {
			name := recording(file, c.Act, c.Submit)
			if known := by[name]; known != nil && file != "" {
				require.Same(t, known, c.Act, "%s: another act is recorded as %s", c.ID, name)
			}
			by[name] = c.Act
		}
	}
}

// TestExperimentsFailApart: where an experiment could not be carried out, the cases that turn on it
// cannot tell, and all others of the same pod say what they say.
func TestExperimentsFailApart(t *testing.T) {
	known := experimentsOf()
	for _, c := range every() {
		for _, name := range c.Experiments {
			require.Contains(t, known[c.Act], name, "%s: its act has no such experiment", c.ID)
		}
		for _, name := range known[c.Act] {
			t.Run(c.ID+"/"+name, func(t *testing.T) {
				o := recorded(t, c, c.Fixture)
				if c.Judge(o) != nil {
					t.Skip("what was recorded is no verdict")
				}
				keep(&o.Saw.Undone, name, "the connection was cut")
				err := c.Judge(o)
				if c.Area() == "permissions" {
					assert.False(t, suite.IsViolation(err), "%v", err) // it is for the judges to ask for their callers
					return
				}
				if c.Experiments != nil && !slices.Contains(c.Experiments, name) {
					assert.NoError(t, err)
					return
				}
				require.ErrorContains(t, err, "the connection was cut")
				assert.False(t, suite.IsViolation(err), "%v", err)
			})
		}
	}
}

// TestKillBlursNoOther: each experiment of the pod whose container is killed is missed by its own cases.
func TestKillBlursNoOther(t *testing.T) {
	for undone, want := range map[string][]string{
		bySession:       {"exec-joins", "exec-killed-by-a-sibling"},
		byWriting:       {"log-written-by-a-sibling"},
		byLogs:          {"log-written-by-a-sibling", "logs-stay-apart"},
		byLookingAgain:  {"leftovers-die"},
		bySecondSession: {"exec-ends-with-its-container"},
		byKilling: {
			"exec-ends-with-its-container", "exec-killed-by-a-sibling", "kill-restarts-the-container", "kill-spares-the-siblings", "leftovers-die",
			"logs-stay-apart", "restarted-container-shares",
		},
	} {
		var blurred []string
		for _, c := range every() {
			if c.Act != killFromSibling {
				continue
			}
			o := recorded(t, c, c.Fixture)
			keep(&o.Saw.Undone, undone, "the connection was cut")
			if c.Judge(o) != nil {
				blurred = append(blurred, strings.TrimPrefix(c.ID, "lifecycle/"))
			}
		}
		slices.Sort(blurred)
		assert.Equal(t, want, blurred, undone)
	}
}

// cutHands are those of a pod to which each connection is cut.
type cutHands struct {
	suite.PodClient
	seen   suite.Observation
	undone map[string]error
}

var errCut = errors.New("the connection was cut")

func (h *cutHands) Before() suite.Observation { return h.seen }

func (h *cutHands) Manifest() map[string]any {
	return map[string]any{"metadata": map[string]any{"name": "x"}, "spec": map[string]any{"containers": []any{map[string]any{"image": "busybox"}}}}
}

func (h *cutHands) Stored() map[string]any { return h.Manifest() }

func (h *cutHands) Note(what func(*suite.Saw)) { what(&h.seen.Saw) }

func (h *cutHands) Apart(ctx context.Context, experiment string, do func(context.Context) error) error {
	if err := do(ctx); err != nil {
		h.undone[experiment] = err
		keep(&h.seen.Saw.Undone, experiment, err.Error())
	}
	return nil
}

func (h *cutHands) Exec(context.Context, string, string, ...string) (probe.CommandResult, error) {
	return probe.CommandResult{Failure: errCut.Error(), Cut: true}, errCut
}

func (h *cutHands) Observe(context.Context, string) (*probe.Snapshot, error) { return nil, errCut }

func (h *cutHands) Attach(context.Context, string, func(*probe.Terminal) error) error { return errCut }

func (h *cutHands) Logs(context.Context, string, string, bool) error { return suite.ErrLogGone }

func (h *cutHands) Follow(context.Context, string, string) error { return errCut }

func (h *cutHands) Delete(context.Context, int64, time.Duration) error { return errCut }

func (h *cutHands) Await(context.Context, time.Duration, string, func(suite.PodState) bool) (bool, error) {
	return false, nil
}

func (h *cutHands) Request(context.Context, string, suite.Request) (suite.Answer, error) {
	return suite.Answer{}, errCut
}

// TestActsGoOnAfterAnExperiment: an act of several experiments tries each, whatever became of the
// one before, and gives up as a whole for none.
func TestActsGoOnAfterAnExperiment(t *testing.T) {
	for id, row := range map[string]struct {
		do    func(context.Context, suite.PodClient) error
		tries []string
	}{
		"signals/from-exec":                       {signalSiblings.Do, []string{byExec, byMainProcess, byStopping}},
		"signals/image-without-shell":             {terminateBare.Do, []string{byTerminating}},
		"filesystem/write-through":                {reachThrough.Do, []string{byToken, byWritingInto("app"), byWritingInto("sealed")}},
		"admission/typo-strict":                   {misspell.Do, []string{"text", "number", "null", "strict", "warn", "ignore"}},
		"admission/immutable-when-gated":          {changeGatedField.Do, []string{"merge-absent", "merge-false", "merge-true", "replace-absent", "replace-true", "node-selector"}},
		"permissions/matrix":                      {tryEverything.Do, everyCaller},
		"lifecycle/kill-restarts-the-container":   {killFromSibling.Do, []string{bySession, byWriting, byKilling}},
		"lifecycle/grace-period":                  {stopPod.Do, []string{byLogs, byDeleting}},
		"lifecycle/sessions-end-with-the-pod":     {deleteStubborn.Do, []string{bySession, byStopping, byAttaching, byDeleting}},
		"reaping/orphan":                          {leaveOrphans.Do, []string{byOrphan, bySession, byBursts}},
		"sidecar/sees-the-others-end":             {deleteBesideSidecar.Do, []string{byDeleting}},
		"ephemeral/hangup-replaces-workers":       {hangUpFromDebugger.Do, []string{byHangingUp}},
		"ephemeral/exited-target":                 {targetTheExited.Do, []string{byUnknownTarget, byLateContainer}},
		"debug/attach-again":                      {attachAgain.Do, []string{byAnswering, byResizing, byExiting}},
		"security/same-user-signals":              {signalEachOther.Do, []string{byCounting, byKilling}},
		"security/user-namespace":                 {reachInUserNamespace.Do, []string{byKilling, byWriting}},
		"stress/rapid-restarts":                   {storm.Do, []string{byExecs, bySession, byKilling}},
		"controllers/evicted-pod-returns-sharing": {evict.Do, []string{byEvicting}},
		"controllers/job-completes":               {finishJob.Do, []string{byFinishing}},
		"controllers/rollout-isolates":            {rollOutTwice.Do, []string{"changed"}},
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			c := named(t, id)
			h := &cutHands{seen: recorded(t, c, c.Fixture), undone: map[string]error{}}
			require.NoError(t, row.do(t.Context(), h))
			for _, name := range row.tries {
				assert.ErrorIs(t, h.undone[name], errCut, name)
			}
		})
	}
}
