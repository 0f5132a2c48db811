package suite

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/difference"
	"procns/e2e/internal/probe"
)

// A process of the node's, or of a container that the cluster added, holds this.
const othersSecret = "hunter2-of-somebody-else"

// overseen is a bench on which every container sees another's process beside its own.
type overseen struct{ *bench }

func (c overseen) Observe(_ context.Context, _ time.Duration, _, container string, _ []string) (*probe.Snapshot, string, error) {
	if container != "app" {
		return nil, "", fmt.Errorf("container %s is not the suite's to look into", container)
	}
	secret := probe.Access{Text: othersSecret}
	raw := "\nprocns-b self pid\n9\n\nprocns-b = 0\n" +
		"\nprocns-b 7 cmdline\nproxy\x00--token=" + othersSecret + "\nprocns-b = 0\n" +
		"\nprocns-b 7 environ\nTOKEN=" + othersSecret + "\nprocns-b = 0\n"
	return &probe.Snapshot{Container: container, Self: 9, Processes: []probe.Process{
		{PID: 1, Comm: "pause", Argv: []string{"/pause"}},
		{PID: 6, Comm: "sh", Argv: []string{"sh"}},
		{
			PID: 7, Comm: "proxy", Argv: []string{"proxy", "--token=" + othersSecret}, Environ: secret, Root: secret, Cwd: secret,
			Exe: secret, FD: secret, Files: map[string]probe.Access{"/etc/token": secret},
		},
	}}, raw, nil
}

func (c overseen) Exec(context.Context, time.Duration, string, string, ...string) (probe.CommandResult, error) {
	return probe.CommandResult{Stdout: "PID   USER     COMMAND\n    1 65535    /pause\n    6 root     sh\n    7 root     proxy --token=" + othersSecret + "\n"}, nil
}

func (c overseen) Logs(_ context.Context, _, container string, _ bool) (string, error) {
	if container != "app" {
		return othersSecret, nil
	}
	return "app's log", nil
}

// TestEvidenceHoldsNothingOfOthers: of a process that is not the suite's own, and of
// a container that the cluster added, no argument, environment, file or log is kept
// anywhere: in no file of the evidence, and in no text of the results.
func TestEvidenceHoldsNothingOfOthers(t *testing.T) {
	b, kept := overseen{newBench()}, &shelf{saved: map[string]any{}}
	b.create = func(_ string, stored *corev1.Pod) error {
		stored.Spec.Containers = append(stored.Spec.Containers, corev1.Container{
			Name: "proxy", Command: []string{"proxy"}, Args: []string{"--token=" + othersSecret},
			Env: []corev1.EnvVar{{Name: "TOKEN", Value: othersSecret}},
		})
		stored.Spec.Containers[0].Env = append(stored.Spec.Containers[0].Env, corev1.EnvVar{Name: "INJECTED", Value: othersSecret})
		for _, name := range []string{"app", "proxy"} {
			stored.Status.ContainerStatuses = append(stored.Status.ContainerStatuses, corev1.ContainerStatus{
				Name: name, ContainerID: "c-" + name, Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
			})
		}
		return nil
	}
	c := sampleCase()
	c.Act = &Act{Name: "look", Within: time.Second, Do: func(ctx context.Context, pod PodClient) error {
		result, err := pod.Exec(ctx, "ps", "app", "ps", "ax")
		pod.Note(func(saw *Saw) { saw.Page.Screen = result.Stdout })
		s, errSeen := pod.Observe(ctx, "app")
		if errSeen == nil {
			pod.Note(func(saw *Saw) { saw.Disrupted.Table = s.Table() })
		}
		return err
	}}
	c.Turns.NotOn = []difference.Class{difference.ContainerAdded, difference.EnvironmentAdded}
	c.Judge = func(o Observation) error {
		p, ok := o.Container("app").Process(7)
		require.True(t, ok && p.Foreign && p.Environ.OK(), "that it was seen is kept: %+v", p)
		return Violation("nobody else's process", o.Saw.Page.Screen+o.Ran["ps"].Stdout+p.Command(), o.Container("app"), o.AfterIn("app"))
	}
	runner := runnerOn(t, b, c)
	runner.Evidence = kept
	var logged strings.Builder
	runner.Log = func(format string, arguments ...any) { fmt.Fprintf(&logged, format+"\n", arguments...) }
	results := runner.Run(t.Context())
	require.Len(t, results, 1)
	require.Equal(t, NonConformant, results[0].Outcome, results[0].Reason)

	kept.mu.Lock()
	defer kept.mu.Unlock()
	require.Contains(t, kept.saved, "a/fixture.look/observation.json")
	require.Contains(t, kept.saved, "a/fixture.look/app.before.txt.gz")
	for name, document := range kept.saved {
		text, err := json.Marshal(document)
		require.NoError(t, err)
		assert.NotContains(t, string(text), othersSecret, name)
	}
	assert.NotContains(t, kept.saved, "a/fixture.look/proxy.log")
	text, err := json.Marshal(results[0].Observed + results[0].Evidence + results[0].Reason + logged.String())
	require.NoError(t, err)
	assert.NotContains(t, string(text), othersSecret)
	assert.Contains(t, results[0].Evidence, probe.NotKept)
}
