package witness

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"procns/e2e/internal/suite"
)

var worker = suite.Target{Node: "worker", Kubelet: "v1.36.3", Runtime: "containerd://2.4.2"}

func sample() State {
	return State{
		RunID: "20260301-120000-abcd", Left: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Suite: "v0.1.0", Server: "v1.36.3", Cluster: "uid",
		Witnesses: []suite.Witness{
			{File: "bare.yaml", Target: worker, BootID: "boot", Created: "bare-1", Pod: "bare-1", UID: "u1"},
			{File: "deployment.yaml", Target: worker, BootID: "boot", Created: "deployment-1", Pod: "deployment-1-x", UID: "u2"},
		},
	}
}

func encoded(t testing.TB, s State) []corev1.ConfigMap {
	t.Helper()
	maps, err := s.Encode()
	require.NoError(t, err)
	var all []corev1.ConfigMap
	for _, c := range maps {
		all = append(all, *c)
	}
	return all
}

func TestEncodeAndDecode(t *testing.T) {
	maps := encoded(t, sample())
	require.Len(t, maps, 3)
	assert.Equal(t, headName, maps[2].Name, "what makes the others count is written last")
	for _, cluster := range []string{"uid", "unknown"} {
		got, err := Decode(maps, cluster)
		require.NoError(t, err)
		assert.Equal(t, sample().Witnesses, got.Witnesses)
		assert.Equal(t, sample().Left, got.Left)
	}
	// What the cluster itself puts into every namespace is none of ours.
	_, err := Decode(append(maps, corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kube-root-ca.crt"}}), "uid")
	assert.NoError(t, err)
}

func TestDecodeRefuses(t *testing.T) {
	for name, row := range map[string]struct {
		spoil func(maps []corev1.ConfigMap) []corev1.ConfigMap
		says  string
	}{
		"nothing":           {func([]corev1.ConfigMap) []corev1.ConfigMap { return nil }, "are not complete"},
		"not finished":      {func(m []corev1.ConfigMap) []corev1.ConfigMap { return m[:2] }, "did not come to its end: delete them with -cleanup -witnesses"},
		"another cluster":   {spoilHead(`"cluster":"uid"`, `"cluster":"other"`), "are those of another cluster (other, this is uid)"},
		"another schema":    {spoilHead("witnesses/v1", "witnesses/v9"), `in the schema "procns.witnesses/v9", and this suite reads "procns.witnesses/v1": judge them with the suite that left them (v0.1.0)`},
		"no JSON":           {spoilHead("{", "["), "is damaged: ConfigMap witnesses is no JSON"},
		"a witness is gone": {func(m []corev1.ConfigMap) []corev1.ConfigMap { return m[1:] }, "is damaged: ConfigMap witness-0 is missing"},
		"a changed witness": {func(m []corev1.ConfigMap) []corev1.ConfigMap {
			m[0].Data[oneKey] = strings.Replace(m[0].Data[oneKey], "u1", "u9", 1)
			return m
		}, "ConfigMap witness-0 is not what was left"},
		"no witnesses": {func([]corev1.ConfigMap) []corev1.ConfigMap {
			empty := sample()
			empty.Witnesses = nil
			return encoded(t, empty)
		}, "it names no witness"},
		"two of one kind": {func([]corev1.ConfigMap) []corev1.ConfigMap {
			twice := sample()
			twice.Witnesses = append(twice.Witnesses, twice.Witnesses[0])
			return encoded(t, twice)
		}, "two witnesses of bare.yaml on worker"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Decode(row.spoil(encoded(t, sample())), "uid")
			require.Error(t, err)
			assert.Contains(t, err.Error(), row.says)
			assert.Contains(t, err.Error(), "-cleanup -witnesses")
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func spoilHead(old, new string) func([]corev1.ConfigMap) []corev1.ConfigMap {
	return func(m []corev1.ConfigMap) []corev1.ConfigMap {
		m[2].Data[headKey] = strings.Replace(m[2].Data[headKey], old, new, 1)
		return m
	}
}

func TestTaken(t *testing.T) {
	assert.ErrorContains(t, Taken(encoded(t, sample())), "the witnesses of run 20260301-120000-abcd, left at 2026-03-01 12:00:00 under Kubernetes v1.36.3, wait already: judge them with -phase after, or delete them with -cleanup -witnesses")
	assert.ErrorContains(t, Taken(encoded(t, sample())[:2]), "still goes on or did not come to its end")
}

func pod(name, uid string, change ...func(*corev1.Pod)) corev1.Pod {
	p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(uid)}, Status: corev1.PodStatus{Phase: corev1.PodRunning}}
	if strings.HasPrefix(name, "deployment-1") {
		p.Labels = map[string]string{suite.PodLabel: "deployment-1"}
	}
	for _, c := range change {
		c(&p)
	}
	return p
}

func node(boot string) []corev1.Node {
	return []corev1.Node{{ObjectMeta: metav1.ObjectMeta{Name: "worker"}, Status: corev1.NodeStatus{NodeInfo: corev1.NodeSystemInfo{
		BootID: boot, KubeletVersion: "v1.37.2", ContainerRuntimeVersion: "containerd://2.4.2",
	}}}}
}

func TestFates(t *testing.T) {
	bare, deployed := pod("bare-1", "u1"), pod("deployment-1-x", "u2")
	ended := func(p *corev1.Pod) { p.Status.Phase, p.Status.Reason = corev1.PodFailed, "Terminated" }
	leaving := func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{} }
	ready := func(p *corev1.Pod) {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	}
	for name, row := range map[string]struct {
		pods           []corev1.Pod
		nodes          []corev1.Node
		bare, deployed suite.Adopted // what is expected of the two, without witness and versions
	}{
		"in place": {[]corev1.Pod{bare, deployed}, node("boot"),
			suite.Adopted{Pod: "bare-1"}, suite.Adopted{Pod: "deployment-1-x"}},
		"rebooted": {[]corev1.Pod{bare, deployed}, node("other"),
			suite.Adopted{Pod: "bare-1", Fate: suite.Fate{Rebooted: true}}, suite.Adopted{Pod: "deployment-1-x", Fate: suite.Fate{Rebooted: true}}},
		"drained": {[]corev1.Pod{pod("deployment-1-w", "u7"), pod("deployment-1-y", "u8", ready), pod("deployment-1-z", "u9", leaving)}, node("boot"),
			suite.Adopted{Gone: "the node was drained: pod bare-1 is gone with it, and nobody makes a bare pod anew"},
			suite.Adopted{Pod: "deployment-1-y", Fate: suite.Fate{Replaced: true}}},
		"drained, waiting for its node": {[]corev1.Pod{pod("deployment-1-w", "u7")}, node("boot"),
			suite.Adopted{Gone: "the node was drained: pod bare-1 is gone with it, and nobody makes a bare pod anew"},
			suite.Adopted{Pod: "deployment-1-w", Fate: suite.Fate{Replaced: true}}},
		"evicted, still there": {[]corev1.Pod{pod("bare-1", "u1", ended), pod("deployment-1-y", "u8")}, node("boot"),
			suite.Adopted{Gone: "the node was drained: pod bare-1 is gone with it, and nobody makes a bare pod anew"},
			suite.Adopted{Pod: "deployment-1-y", Fate: suite.Fate{Replaced: true}}},
		"ended with its node": {[]corev1.Pod{pod("bare-1", "u1", ended), deployed}, node("other"),
			suite.Adopted{Gone: "the node was restarted, and pod bare-1 ended (Terminated): nobody makes a bare pod anew", Fate: suite.Fate{Rebooted: true}},
			suite.Adopted{Pod: "deployment-1-x", Fate: suite.Fate{Rebooted: true}}},
		"deleted by somebody": {[]corev1.Pod{deployed}, node("boot"),
			suite.Adopted{Lost: "pod bare-1 is gone, although its node was neither drained nor restarted"}, suite.Adopted{Pod: "deployment-1-x"}},
		"another pod of the same name": {[]corev1.Pod{pod("bare-1", "u5"), deployed}, node("boot"),
			suite.Adopted{Lost: "pod bare-1 is gone, although its node was neither drained nor restarted"}, suite.Adopted{Pod: "deployment-1-x"}},
		"the Deployment is gone": {[]corev1.Pod{bare}, node("boot"),
			suite.Adopted{Pod: "bare-1"}, suite.Adopted{Lost: "deployment-1 has no pod any more: deployment-1-x is gone, and none took its place"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := sample()
			fates := Fates(s, row.pods, row.nodes)
			require.Len(t, fates, 2)
			for i, want := range []suite.Adopted{row.bare, row.deployed} {
				want.Witness = s.Witnesses[i]
				want.Fate.KubeletWas, want.Fate.KubeletIs = "v1.36.3", "v1.37.2"
				want.Fate.RuntimeWas, want.Fate.RuntimeIs = "containerd://2.4.2", "containerd://2.4.2"
				assert.Equal(t, want, fates[s.Witnesses[i].Key()])
			}
		})
	}
}

func TestVanished(t *testing.T) {
	assert.Empty(t, Vanished(sample(), []suite.Target{worker}))
	assert.Equal(t, []string{"worker"}, Vanished(sample(), []suite.Target{{Node: "other"}}))
	assert.Equal(t, map[string]string{"worker": "boot"}, BootIDs(node("boot")))
}

// FuzzDecode: whatever is in the namespace, it is read whole or refused in one line.
func FuzzDecode(f *testing.F) {
	for _, c := range encoded(f, sample()) {
		f.Add(c.Data[headKey], c.Data[oneKey])
	}
	f.Add(`{"schema":"procns.witnesses/v1","digests":{"witness-0":""}}`, "")
	f.Fuzz(func(t *testing.T, head, one string) {
		maps := []corev1.ConfigMap{
			{ObjectMeta: metav1.ObjectMeta{Name: headName}, Data: map[string]string{headKey: head}},
			{ObjectMeta: metav1.ObjectMeta{Name: "witness-0"}, Data: map[string]string{oneKey: one}},
		}
		s, err := Decode(maps, "uid")
		if err == nil && (len(s.Witnesses) != len(s.Digests) || s.Schema != Schema) {
			t.Fatalf("accepted: %+v", s)
		}
		if Taken(maps) == nil {
			t.Fatal("what is there is taken")
		}
	})
}
