package cases

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// confinedClient act in a pod as it was recorded, whose containers may signal nobody.
// Nothing that is waited for comes.
type confinedClient struct {
	suite.PodClient
	mu       sync.Mutex
	seen     suite.Observation
	sessions []probe.Process
	awaited  []string
	refused  int
	open     atomic.Int32 // sessions that nobody has given up
}

func (h *confinedClient) Apart(ctx context.Context, _ string, do func(context.Context) error) error {
	return do(ctx)
}

func (h *confinedClient) Before() suite.Observation {
	h.mu.Lock()
	defer h.mu.Unlock()
	o := h.seen
	o.Ran, o.Logs = maps.Clone(o.Ran), maps.Clone(o.Logs)
	return o
}

func (h *confinedClient) Exec(ctx context.Context, name, container string, command ...string) (probe.CommandResult, error) {
	line := strings.Join(command, " ")
	h.mu.Lock()
	result := h.seen.Ran[name]
	switch {
	case strings.Contains(line, "exec tail -f"): // a session, which runs until it is given up
		h.start(command)
		h.mu.Unlock()
		h.open.Add(1)
		<-ctx.Done()
		h.open.Add(-1)
		return probe.CommandResult{Failure: "given up"}, nil
	case strings.Contains(line, "setsid"): // what an exec leaves behind
		h.start(command)
	case len(command) > 1 && command[0] == "cat" && strings.HasSuffix(command[1], "/stat"): // a look at one of these, which stands still
		var pid int
		_, _ = fmt.Sscanf(command[1], "/proc/%d/stat", &pid)
		result = probe.CommandResult{Stdout: fmt.Sprintf("%d (sh) S 0%s 1 0 0\n", pid, strings.Repeat(" 0", 17))}
	case strings.Contains(line, "kill "):
		h.refused++
		result = probe.CommandResult{Code: 1, Stderr: "sh: can't kill pid 7: Permission denied\n"}
	}
	h.seen.Ran[name] = result
	h.mu.Unlock()
	return result, nil
}

// start has everybody see a process from now on.
func (h *confinedClient) start(command []string) {
	h.sessions = append(h.sessions, probe.Process{PID: 9000 + len(h.sessions), StartTime: 1, Argv: command[len(command)-1:]})
}

func (h *confinedClient) ExecUnread(ctx context.Context, _ string, command ...string) error {
	h.mu.Lock()
	h.start(command)
	h.mu.Unlock()
	h.open.Add(1)
	<-ctx.Done()
	h.open.Add(-1)
	return nil
}

func (h *confinedClient) Observe(_ context.Context, container string) (*probe.Snapshot, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := *h.seen.Container(container)
	s.Processes = append(slices.Clone(s.Processes), h.sessions...)
	return &s, nil
}

func (h *confinedClient) Note(what func(*suite.Saw)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	what(&h.seen.Saw)
}

// Logs has every text that may be waited for in each log.
func (h *confinedClient) Logs(_ context.Context, name, _ string, _ bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var texts []string
	for _, some := range []map[string]string{h.seen.Markers, h.seen.Saw.Notes()} {
		texts = slices.AppendSeq(texts, maps.Values(some))
	}
	h.seen.Logs[name] = strings.Join(texts, "\n")
	return nil
}

func (h *confinedClient) Await(_ context.Context, _ time.Duration, what string, _ func(suite.PodState) bool) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.awaited = append(h.awaited, what)
	return false, nil
}

func (h *confinedClient) Events(context.Context) error { return nil }

// TestActsDoNotWaitForWhatWasRefused: each act that signals and then waits for what comes
// of it ends at once where no signal was sent.
func TestActsDoNotWaitForWhatWasRefused(t *testing.T) {
	for id, do := range map[string]func(context.Context, suite.PodClient) error{
		"lifecycle/sandbox-end-restarts-the-pod":                  terminatePID1.Do,
		"lifecycle/kill-restarts-the-container":                   killFromSibling.Do,
		"lifecycle/restart-always":                                endEach.Do,
		"lifecycle/restart-all-keeps-the-sandbox":                 endLeader.Do,
		"stress/rapid-restarts":                                   storm.Do,
		"signals/stop-and-continue":                               signalSiblings.Do,
		"walkthrough/exec-hangup":                                 walkByExec.Do,
		"walkthrough/english-hangup":                              walkByShell.Do,
		"disruption/kubelet-restart-keeps-new-containers-joining": killContainerTwo,
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			c := caseOf(t, id)
			waitsForNothingRefused(t, do, recorded(t, c, c.Fixture))
		})
	}
}

// waitsForNothingRefused carries an act out in a pod whose containers may signal nobody.
func waitsForNothingRefused(t *testing.T, do func(context.Context, suite.PodClient) error, seen suite.Observation) {
	t.Helper()
	pod := &confinedClient{seen: seen}
	pod.seen.Saw, pod.seen.Logs = suite.Saw{}, map[string]string{}
	if pod.seen.Ran == nil {
		pod.seen.Ran = map[string]probe.CommandResult{}
	}
	delete(pod.seen.Ran, "ps-after")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // all waits are longer
	defer cancel()
	require.NoError(t, do(ctx, pod))
	require.NoError(t, ctx.Err())
	assert.Positive(t, pod.refused, "the act signals nobody")
	assert.Zero(t, pod.open.Load(), "sessions are left open")
	assert.Empty(t, pod.awaited, "it waits for the effect of a signal that was refused")
}
