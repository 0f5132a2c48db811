package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gotest.tools/v3/golden"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"procns/e2e/internal/suite"
)

func TestSpreadOf(t *testing.T) {
	for name, c := range map[string]struct {
		values []float64
		want   Spread
		cell   string
	}{
		"none":          {nil, Spread{}, "–"},
		"one":           {[]float64{3}, Spread{3, 3, 3, 1}, "3.0"},
		"odd":           {[]float64{9, 1, 4}, Spread{4, 1, 9, 3}, "4.0 (1.0–9.0)"},
		"even":          {[]float64{4, 1, 9, 2}, Spread{3, 1, 9, 4}, "3.0 (1.0–9.0)"},
		"alike":         {[]float64{2, 2, 2}, Spread{2, 2, 2, 3}, "2.0"},
		"alike as told": {[]float64{2.01, 2.02}, Spread{2.015, 2.01, 2.02, 2}, "2.0"},
	} {
		t.Run(name, func(t *testing.T) {
			got := SpreadOf(c.values)
			require.InDelta(t, c.want.Median, got.Median, 1e-9)
			got.Median = c.want.Median
			require.Equal(t, c.want, got)
			require.Equal(t, c.cell, cell(got, 1))
		})
	}
	values := []float64{3, 1, 2}
	SpreadOf(values)
	require.Equal(t, []float64{3, 1, 2}, values, "the values stay in their order")
}

func TestPlan(t *testing.T) {
	names := func(all []Subject) string {
		var each []string
		for _, s := range all {
			each = append(each, s.String())
		}
		return strings.Join(each, " ")
	}
	require.Equal(t, "limit-core-1 suite-core-1 limit-all-1 suite-all-1 suite-10-1 suite-50-1 by-hand-core-1 framework-walkthrough-1 limit-walkthrough-1 suite-walkthrough-1 "+
		"limit-core-2 suite-core-2 limit-all-2 suite-all-2 suite-10-2 suite-50-2 limit-walkthrough-2 suite-walkthrough-2", names(Plan([]int{1, 2}, nil)))
	require.Equal(t, "limit-all-8 suite-all-8", names(Plan([]int{1, 8}, regexp.MustCompile("all-8"))))
}

func TestSelection(t *testing.T) {
	some := make([]suite.Case, 100)
	for i := range some {
		some[i].ID = fmt.Sprintf("a/%d", i)
	}
	require.Nil(t, Subject{Cases: AllCases}.Selection(some))
	require.Equal(t, []string{"-level", "core"}, Subject{Cases: CoreCases}.Selection(some))
	require.Equal(t, []string{"-run", "walkthrough"}, Subject{Cases: Walkthrough}.Selection(some))
	require.Equal(t, []string{"-run", "a/0", "-run", "a/25", "-run", "a/50", "-run", "a/75"}, Subject{Cases: "4"}.Selection(some))
	require.Len(t, Subject{Cases: "50"}.Selection(some[:3]), 6, "no more than there are, and none twice")
}

func TestCommand(t *testing.T) {
	on := Cluster{
		Name: "c", Kubeconfig: "k", Workers: []string{"w1", "w2"}, KindConfig: "kind.yaml",
		KindFlags: []string{"-engine", "podman", "-node-image", "node:1", "-image", "nginx=n:1", "-load", "n.tar", "-image", "busybox=b:1", "-load", "b.tar"},
	}
	programs := Programs{Bench: "bench", Suite: "procns.test", ByHand: "by-hand.sh", Framework: "walkthrough"}
	for name, c := range map[string]struct {
		subject                        Subject
		command, environment, problems string
	}{
		"limit":      {Subject{Limit, CoreCases, 1}, "bench limit -kubeconfig k -image nginx=n:1 -image busybox=b:1 -nodes kubernetes.io/hostname in (w1) -level core", "", ""},
		"suite":      {Subject{Suite, AllCases, 2}, "procns.test -engine podman -node-image node:1 -image nginx=n:1 -image busybox=b:1 -keep -kind-name c -kind-config kind.yaml -report-dir r -quiet -nodes kubernetes.io/hostname in (w1,w2)", "", ""},
		"by hand":    {Subject{ByHand, CoreCases, 1}, "by-hand.sh", "KUBECONFIG=k NODE=w1 NGINX_IMAGE=n:1 BUSYBOX_IMAGE=b:1 BUSYBOX_1_28_IMAGE=b:1", ""},
		"framework":  {Subject{Framework, Walkthrough, 1}, "walkthrough", "KUBECONFIG=k NODE=w1 NGINX_IMAGE=n:1 BUSYBOX_IMAGE=b:1 BUSYBOX_1_28_IMAGE=b:1", ""},
		"too many":   {Subject{Suite, AllCases, 4}, "", "", "make it with WORKERS=4"},
		"of no kind": {Subject{"other", AllCases, 1}, "", "", "nobody knows"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := on.Command(c.subject, programs, nil, "r")
			if c.problems != "" {
				require.ErrorContains(t, err, c.problems)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.command, strings.Join(slices.Concat([]string{got.Path}, got.Arguments), " "))
			require.Equal(t, c.environment, strings.Join(got.Environment, " "))
		})
	}
}

func TestRaw(t *testing.T) {
	file := filepath.Join(t.TempDir(), "raw.json")
	core := Subject{Suite, CoreCases, 2}
	raw := Raw{Schema: Schema, Samples: []Sample{{Subject: core, Round: 1, Seconds: 2}, {Subject: core, Round: 2, ExitCode: 1}}}
	require.NoError(t, raw.Write(file))
	got, err := ReadRaw(file)
	require.NoError(t, err)
	require.Equal(t, raw, got)
	require.True(t, got.Has(core, 1))
	require.False(t, got.Has(core, 2), "what failed is measured again")
	require.False(t, got.Has(Subject{Suite, AllCases, 2}, 1))
	require.Len(t, got.Of(core), 1)
	require.Equal(t, 2, got.Rounds())
	left, err := filepath.Glob(filepath.Join(filepath.Dir(file), ".*"))
	require.NoError(t, err)
	require.Empty(t, left)
	for name, text := range map[string]string{"no JSON": "x", "another schema": `{"schema":"procns.report/v1"}`} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		_, err := ReadRaw(file)
		require.ErrorContains(t, err, file, name)
	}
}

// sample is one whose figures follow from its place.
func sample(what, cases string, targets, round int, seconds float64) Sample {
	busy := seconds * 2
	s := Sample{
		Subject: Subject{what, cases, targets}, Round: round, Began: time.Date(2026, 11, 29, 12, round, 0, 0, time.UTC), Seconds: seconds,
		Client: Process{CPUSeconds: seconds / 10, PeakBytes: 40 << 20}, Pods: 100 * targets, Containers: 250 * targets,
		Requests: map[string]int{"GET": 1000 + round, "POST": 300, Execs: 500 * targets, Attachments: 2}, Bytes: &Bytes{Received: 3 << 20, Sent: 5 << 20},
		Nodes: map[string]float64{"containerd": seconds / 2, "kubelet": seconds / 4, "kube-apiserver": seconds / 8}, MachineCPU: &busy,
	}
	return s
}

func TestFigures(t *testing.T) {
	raw := Raw{Schema: Schema, Machine: Machine{
		Processor: "A Processor", Processors: 2, MemoryGB: 24, System: "Debian GNU/Linux 12 (bookworm)", Kernel: "6.1.0",
		Engine: "podman", Kubernetes: "v1.37.2", Runtime: "containerd://2.4.2", Suite: "v1", Go: "go1.26.8",
	}}
	for round := 1; round <= 3; round++ {
		r := float64(round)
		raw.Samples = append(raw.Samples,
			sample(Suite, AllCases, 2, round, 400+10*r), sample(Limit, AllCases, 2, round, 200), sample(Suite, AllCases, 1, round, 300+r),
			sample(Suite, CoreCases, 1, round, 100), sample(Limit, CoreCases, 1, round, 80), sample(ByHand, CoreCases, 1, round, 500+r),
			sample(Suite, Walkthrough, 1, round, 20), sample(Framework, Walkthrough, 1, round, 60), sample(Suite, "10", 1, round, 15), sample(Suite, "10", 2, round, 16))
	}
	failed := sample(Suite, CoreCases, 2, 3, 9)
	failed.ExitCode = 2
	unseen := sample(Suite, CoreCases, 2, 1, 120)
	unseen.Nodes, unseen.Bytes, unseen.MachineCPU, unseen.Requests = nil, nil, nil, nil
	raw.Samples = append(raw.Samples, failed, unseen)
	golden.Assert(t, Figures(raw), "figures.golden.md")
	require.Equal(t, "Not measured yet: `make bench` writes this section.", Figures(Raw{}))
}

func TestPodCounter(t *testing.T) {
	pod := func(uid string, restarts ...int32) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: types.UID(uid)}}
		for _, n := range restarts {
			s := corev1.ContainerStatus{RestartCount: n, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
			if n < 0 {
				s = corev1.ContainerStatus{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{}}}
			}
			p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, s)
		}
		return p
	}
	c := &PodCounter{before: map[types.UID]bool{}, started: map[types.UID]int{}}
	c.see(pod("old", 0), true)
	c.see(pod("old", 5), false)
	c.see(pod("a", -1, -1), false)
	c.see(pod("a", 0, 2), false)
	c.see(pod("a", -1, -1), false) // its sandbox is made anew
	crashed := pod("b", 3)
	crashed.Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
	crashed.Status.ContainerStatuses[0].LastTerminationState = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}
	crashed.Status.InitContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}}}
	c.see(crashed, false)
	c.see("no pod", false)
	pods, containers := c.Made()
	require.Equal(t, 2, pods)
	require.Equal(t, (1+3)+(4+1), containers)
}
