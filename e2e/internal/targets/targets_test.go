package targets

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
)

// node is a Ready worker, changed.
func node(name string, changes ...func(*corev1.Node)) corev1.Node {
	n := corev1.Node{}
	n.Name = name
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	n.Status.NodeInfo = corev1.NodeSystemInfo{
		OSImage: "Debian 12", KernelVersion: "6.18", ContainerRuntimeVersion: "containerd://2.4.2", Architecture: "amd64",
	}
	for _, change := range changes {
		change(&n)
	}
	return n
}

func taint(key, value string, effect corev1.TaintEffect) func(*corev1.Node) {
	return func(n *corev1.Node) {
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: key, Value: value, Effect: effect})
	}
}

func label(key, value string) func(*corev1.Node) {
	return func(n *corev1.Node) {
		if n.Labels == nil {
			n.Labels = map[string]string{}
		}
		n.Labels[key] = value
	}
}

func cordoned(n *corev1.Node) { n.Spec.Unschedulable = true }

func notReady(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown }

func kubelet(version string) func(*corev1.Node) {
	return func(n *corev1.Node) { n.Status.NodeInfo.KubeletVersion = version }
}

func kernel(version string) func(*corev1.Node) {
	return func(n *corev1.Node) { n.Status.NodeInfo.KernelVersion = version }
}

func architecture(name string) func(*corev1.Node) {
	return func(n *corev1.Node) { n.Status.NodeInfo.Architecture = name }
}

func handlers(names ...string) func(*corev1.Node) {
	return func(n *corev1.Node) {
		for _, name := range names {
			yes := name == "crun"
			n.Status.RuntimeHandlers = append(n.Status.RuntimeHandlers, corev1.NodeRuntimeHandler{
				Name: name, Features: &corev1.NodeRuntimeHandlerFeatures{UserNamespaces: &yes},
			})
		}
	}
}

func tolerating(t *testing.T, texts ...string) Tolerate {
	t.Helper()
	var all Tolerate
	for _, text := range texts {
		toleration, err := ParseToleration(text)
		require.NoError(t, err)
		all.List = append(all.List, toleration)
	}
	return all
}

func TestSelect(t *testing.T) {
	const controlPlane = "node-role.kubernetes.io/control-plane"
	classes := map[string]nodev1.RuntimeClass{
		"gvisor": {Handler: "runsc"},
		"kata": {Handler: "kata", Scheduling: &nodev1.Scheduling{
			NodeSelector: map[string]string{"kata": "yes"},
			Tolerations:  []corev1.Toleration{{Key: "kata", Operator: corev1.TolerationOpExists}},
		}},
		"crun": {Handler: "crun"},
	}
	for name, row := range map[string]struct {
		nodes   []corev1.Node
		choice  Choice
		targets []string
		leftOut []LeftOut
	}{
		"one of two of a kind": {
			nodes: []corev1.Node{node("b"), node("a")}, targets: []string{"a"},
			leftOut: []LeftOut{{"b", "of the same kind as a (OS image, kernel, runtime, architecture, kubelet): -nodes all covers it"}},
		},
		"all of a kind": {
			nodes: []corev1.Node{node("b"), node("a")}, choice: Choice{Nodes: All}, targets: []string{"a", "b"},
		},
		"one of each kind": {
			nodes:   []corev1.Node{node("a"), node("b", kernel("5.14")), node("c", architecture("arm64")), node("d", kernel("5.14"))},
			choice:  Choice{Nodes: Sample},
			targets: []string{"a", "b", "c"},
			leftOut: []LeftOut{{"d", "of the same kind as b (OS image, kernel, runtime, architecture, kubelet): -nodes all covers it"}},
		},
		"one of each kubelet": {
			nodes:   []corev1.Node{node("a"), node("b", kubelet("v1.36.3")), node("c")},
			targets: []string{"a", "b"},
			leftOut: []LeftOut{{"c", "of the same kind as a (OS image, kernel, runtime, architecture, kubelet): -nodes all covers it"}},
		},
		"an unusable node is no sample": {
			nodes: []corev1.Node{node("a", notReady), node("b")}, targets: []string{"b"}, leftOut: []LeftOut{{"a", "not Ready"}},
		},
		"by selector": {
			nodes:   []corev1.Node{node("a", label("pool", "blue")), node("b", label("pool", "blue")), node("c")},
			choice:  Choice{Nodes: "pool in (blue, green)"},
			targets: []string{"a", "b"}, leftOut: []LeftOut{{"c", "not selected by -nodes pool in (blue, green)"}},
		},
		"tainted": {
			nodes:   []corev1.Node{node("a", taint(controlPlane, "", corev1.TaintEffectNoSchedule)), node("b", taint("busy", "", corev1.TaintEffectPreferNoSchedule))},
			targets: []string{"b"},
			leftOut: []LeftOut{{"a", "tainted node-role.kubernetes.io/control-plane:NoSchedule, which -tolerate does not name"}},
		},
		"tolerated": {
			nodes:   []corev1.Node{node("a", taint(controlPlane, "", corev1.TaintEffectNoSchedule))},
			choice:  Choice{Tolerate: tolerating(t, controlPlane+":NoSchedule")},
			targets: []string{"a"},
		},
		"tolerated in part": {
			nodes:   []corev1.Node{node("a", taint("dedicated", "db", corev1.TaintEffectNoSchedule), taint("dedicated", "db", corev1.TaintEffectNoExecute)), node("b")},
			choice:  Choice{Tolerate: tolerating(t, "dedicated=db:NoSchedule")},
			targets: []string{"b"},
			leftOut: []LeftOut{{"a", "tainted dedicated=db:NoExecute, which -tolerate does not name"}},
		},
		"of another value": {
			nodes:   []corev1.Node{node("a", taint("dedicated", "web", corev1.TaintEffectNoSchedule)), node("b")},
			choice:  Choice{Tolerate: tolerating(t, "dedicated=db:NoSchedule")},
			targets: []string{"b"},
			leftOut: []LeftOut{{"a", "tainted dedicated=web:NoSchedule, which -tolerate does not name"}},
		},
		"every taint tolerated": {
			nodes:   []corev1.Node{node("a", taint("dedicated", "db", corev1.TaintEffectNoSchedule), taint("gpu", "", corev1.TaintEffectNoExecute))},
			choice:  Choice{Tolerate: Tolerate{All: true}},
			targets: []string{"a"},
		},
		"every taint but a node's conditions": {
			nodes:   []corev1.Node{node("a", taint("node.kubernetes.io/disk-pressure", "", corev1.TaintEffectNoSchedule)), node("b", cordoned), node("c")},
			choice:  Choice{Tolerate: Tolerate{All: true}},
			targets: []string{"c"},
			leftOut: []LeftOut{{"a", "tainted node.kubernetes.io/disk-pressure:NoSchedule, which -tolerate does not name"}, {"b", "cordoned"}},
		},
		"cordoned, and tolerated by name": {
			nodes:   []corev1.Node{node("a", cordoned)},
			choice:  Choice{Tolerate: tolerating(t, "node.kubernetes.io/unschedulable:NoSchedule")},
			targets: []string{"a"},
		},
		"windows": {
			nodes: []corev1.Node{node("a", label(corev1.LabelOSStable, "windows")), node("b")}, targets: []string{"b"},
			leftOut: []LeftOut{{"a", "Windows has no PID namespaces: the field is refused there"}},
		},
		"runtime classes": {
			nodes: []corev1.Node{node("a")}, choice: Choice{RuntimeClasses: []string{"gvisor", Default}}, targets: []string{"a/gvisor", "a"},
		},
		"a sample of each class": {
			nodes:   []corev1.Node{node("a", handlers("", "crun")), node("b", handlers("", "runsc")), node("c", handlers("", "runsc"))},
			choice:  Choice{RuntimeClasses: []string{"gvisor"}},
			targets: []string{"b/gvisor"},
			leftOut: []LeftOut{
				{"a", `runtime class gvisor: the node's runtime has no handler "runsc"`},
				{"c", "runtime class gvisor: of the same kind as b (OS image, kernel, runtime, architecture, kubelet): -nodes all covers it"},
			},
		},
		"a class with nodes of its own": {
			nodes:   []corev1.Node{node("a", label("kata", "yes"), taint("kata", "", corev1.TaintEffectNoSchedule)), node("b")},
			choice:  Choice{Nodes: All, RuntimeClasses: []string{"kata", Default}},
			targets: []string{"a/kata", "b"},
			leftOut: []LeftOut{
				{"a", "tainted kata:NoSchedule, which -tolerate does not name"},
				{"b", "runtime class kata: the class is for nodes with kata=yes only"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Select(row.nodes, classes, row.choice)
			require.NoError(t, err)
			var names []string
			for _, target := range got.Targets {
				names = append(names, target.Name())
			}
			assert.Equal(t, row.targets, names)
			assert.Equal(t, row.leftOut, got.LeftOut)
		})
	}
}

func TestSelectNone(t *testing.T) {
	for name, row := range map[string]struct {
		nodes []corev1.Node
		says  string
	}{
		"no nodes":        {nil, "the cluster has none"},
		"none usable":     {[]corev1.Node{node("a", notReady)}, "a: not Ready"},
		"a long list":     {[]corev1.Node{node("a", notReady), node("b", notReady), node("c", cordoned), node("d", cordoned)}, "c: cordoned; and 1 more"},
		"nothing matches": {[]corev1.Node{node("a", label("pool", "red"))}, "a: not selected by -nodes pool=blue"},
	} {
		t.Run(name, func(t *testing.T) {
			choice := Choice{}
			if name == "nothing matches" {
				choice.Nodes = "pool=blue"
			}
			got, err := Select(row.nodes, nil, choice)
			require.ErrorIs(t, err, ErrNone)
			assert.Contains(t, err.Error(), row.says)
			assert.Empty(t, got.Targets)
			assert.Len(t, got.LeftOut, len(row.nodes))
		})
	}
}

func TestSelectedTargets(t *testing.T) {
	nodes := []corev1.Node{node("a", handlers("", "crun"), taint("dedicated", "db", corev1.TaintEffectNoSchedule))}
	got, err := Select(nodes, map[string]nodev1.RuntimeClass{"crun": {Handler: "crun"}},
		Choice{RuntimeClasses: []string{Default, "crun"}, Tolerate: Tolerate{All: true}})
	require.NoError(t, err)
	assert.Equal(t, "no", got.Targets[0].UserNamespaces)
	assert.Equal(t, "yes", got.Targets[1].UserNamespaces)
	assert.Equal(t, "Debian 12 6.18 containerd://2.4.2 amd64",
		got.Targets[0].OSImage+" "+got.Targets[0].Kernel+" "+got.Targets[0].Runtime+" "+got.Targets[0].Architecture)
	assert.Equal(t, map[string][]corev1.Toleration{
		"a": {{Key: "dedicated", Operator: corev1.TolerationOpEqual, Value: "db", Effect: corev1.TaintEffectNoSchedule}},
	}, got.Tolerations)
}

// TestSimulatedTargets: a node that KWOK plays is known by KWOK's own mark.
func TestSimulatedTargets(t *testing.T) {
	played := func(n *corev1.Node) { n.Annotations = map[string]string{"kwok.x-k8s.io/node": "fake"} }
	got, err := Select([]corev1.Node{node("a"), node("b", played)}, nil, Choice{Nodes: All})
	require.NoError(t, err)
	assert.False(t, got.Targets[0].Simulated)
	assert.True(t, got.Targets[1].Simulated)
}

func TestParseToleration(t *testing.T) {
	for text, want := range map[string]corev1.Toleration{
		"gpu:NoSchedule":          {Key: "gpu", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule},
		"example.com/a:NoExecute": {Key: "example.com/a", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute},
		"gpu=big:NoSchedule":      {Key: "gpu", Operator: corev1.TolerationOpEqual, Value: "big", Effect: corev1.TaintEffectNoSchedule},
		"gpu=:NoSchedule":         {Key: "gpu", Operator: corev1.TolerationOpEqual, Effect: corev1.TaintEffectNoSchedule},
	} {
		got, err := ParseToleration(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "gpu", ":NoSchedule", "=a:NoSchedule", "gpu:Never", "gpu:noschedule", "gpu=a", "gpu:"} {
		_, err := ParseToleration(text)
		assert.Error(t, err, text)
	}
}

func TestCheckNodes(t *testing.T) {
	for _, choice := range []string{"", "sample", "all", "pool=blue", "pool", "!pool", "a=1,b!=2", "zone in (a,b)"} {
		assert.NoError(t, CheckNodes(choice), choice)
	}
	for _, choice := range []string{"pool==,", "pool=blue red", "a in b", "-x"} {
		assert.Error(t, CheckNodes(choice), choice)
	}
}

func TestMissing(t *testing.T) {
	have := map[string]nodev1.RuntimeClass{"gvisor": {}, "kata": {}}
	assert.NoError(t, Missing([]string{"gvisor", Default}, have))
	assert.EqualError(t, Missing([]string{"gvizor", "kata"}, have), "-runtime-classes: the cluster has no RuntimeClass gvizor; it has gvisor, kata")
	assert.EqualError(t, Missing([]string{"gvisor"}, nil), "-runtime-classes: the cluster has no RuntimeClass gvisor; it has none")
	assert.False(t, errors.Is(Missing([]string{"x"}, nil), ErrNone))
}
