package cluster

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/suite"
	"procns/e2e/internal/witness"
)

const (
	inWitnesses  = "/api/v1/namespaces/" + witness.Namespace
	oneNode      = `{"kind":"NodeList","apiVersion":"v1","items":[{"metadata":{"name":"worker"},"status":{"nodeInfo":{"bootID":"boot","kubeletVersion":"v1.37.2"}}}]}`
	nothing      = `{"kind":"List","apiVersion":"v1","items":[]}`
	theNamespace = `{"metadata":{"name":"procns-witnesses","labels":{"procns.witnesses":"r1"}},"status":{"phase":"Active"}}`
)

func leftState() witness.State {
	return witness.State{RunID: "r1", Server: "v1.36.3", Cluster: "uid", Witnesses: []suite.Witness{
		{File: "bare.yaml", Target: suite.Target{Node: "worker", Kubelet: "v1.36.3"}, Created: "bare-1", Pod: "bare-1", UID: "u1"},
	}}
}

// asList is a list of ConfigMaps as a server answers it.
func asList(t *testing.T, maps []*corev1.ConfigMap) string {
	t.Helper()
	list := corev1.ConfigMapList{}
	list.APIVersion, list.Kind = "v1", "ConfigMapList"
	for _, m := range maps {
		list.Items = append(list.Items, *m)
	}
	text, err := json.Marshal(list)
	require.NoError(t, err)
	return string(text)
}

// TestWitnessesAreSavedAndFound: what one run saves is what the next one reads.
func TestWitnessesAreSavedAndFound(t *testing.T) {
	s := &shelf{answers: map[string]string{"/api/v1/nodes": oneNode}}
	session := newSession(clientOf(t, s), nil, "r1", &Counts{}, witness.Namespace)
	require.NoError(t, session.SaveWitnesses(t.Context(), leftState()))
	require.Len(t, s.sent, 3)
	assert.Contains(t, s.sent[1], `"name":"witnesses"`, "what makes the others count comes after them")
	assert.Equal(t, "PATCH "+inWitnesses+` {"metadata":{"labels":{"procns.run":null}}}`, s.sent[2], "from now on they are no remains of a dead run")

	var maps []*corev1.ConfigMap
	for _, sent := range s.sent[:2] {
		_, body, _ := strings.Cut(sent, " /api/v1/namespaces/procns-witnesses/configmaps ")
		var m corev1.ConfigMap
		require.NoError(t, json.Unmarshal([]byte(body), &m), sent)
		assert.Equal(t, "r1", m.Labels[witness.Label])
		maps = append(maps, &m)
	}
	s.set(inWitnesses, theNamespace)
	s.set(inWitnesses+"/configmaps", asList(t, maps))
	s.set(inWitnesses+"/pods", `{"kind":"PodList","apiVersion":"v1","items":[{"metadata":{"name":"bare-1","uid":"u1"},"status":{"phase":"Running"}}]}`)
	state, found, err := FindWitnesses(t.Context(), session.Client, "uid")
	require.NoError(t, err)
	assert.Equal(t, "boot", state.Witnesses[0].BootID)
	a := found[state.Witnesses[0].Key()]
	assert.Equal(t, "bare-1", a.Pod)
	assert.Equal(t, "v1.37.2", a.Fate.KubeletIs)
	assert.False(t, a.Fate.Rebooted)
}

func TestWitnessesNotFound(t *testing.T) {
	head, err := leftState().Encode()
	require.NoError(t, err)
	foreign := asList(t, head)
	for name, row := range map[string]struct {
		answers map[string]string
		says    string
	}{
		"never left":      {nil, "no witnesses wait on this cluster"},
		"being deleted":   {map[string]string{inWitnesses: strings.Replace(theNamespace, `"labels"`, `"deletionTimestamp":"2026-03-01T12:00:00Z","labels"`, 1)}, "no witnesses wait on this cluster"},
		"not readable":    {map[string]string{inWitnesses: theNamespace}, "reading the state of the witnesses"},
		"not complete":    {map[string]string{inWitnesses: theNamespace, inWitnesses + "/configmaps": nothing}, "are not complete"},
		"another cluster": {map[string]string{inWitnesses: theNamespace, inWitnesses + "/configmaps": foreign}, "those of another cluster (uid, this is here)"},
	} {
		_, _, err := FindWitnesses(t.Context(), clientOf(t, &shelf{answers: row.answers}), "here")
		assert.ErrorContains(t, err, row.says, name)
	}
}

// TestWitnessesTwice: a second run before the upgrade is refused, and told why.
func TestWitnessesTwice(t *testing.T) {
	maps, err := leftState().Encode()
	require.NoError(t, err)
	for says, list := range map[string]string{
		"the witnesses of run r1, left at 0001-01-01 00:00:00 under Kubernetes v1.36.3, wait already": asList(t, maps),
		"of a run that still goes on or did not come to its end":                                      nothing,
	} {
		s := &shelf{answers: map[string]string{inWitnesses + "/configmaps": list}, taken: true}
		session, err := ClaimWitnesses(t.Context(), clientOf(t, s), nil, "r2", &Counts{}, nil)
		assert.Nil(t, session)
		assert.ErrorContains(t, err, says)
		assert.Empty(t, s.sent)
	}
	_, err = ClaimWitnesses(t.Context(), clientOf(t, &shelf{refuses: "namespaces"}), nil, "r2", &Counts{}, nil)
	assert.ErrorContains(t, err, "creating namespace procns-witnesses")
}

func TestWaitingWitnesses(t *testing.T) {
	waiting := func(items string) (string, error) {
		s := &shelf{answers: map[string]string{"/api/v1/namespaces": `{"kind":"NamespaceList","apiVersion":"v1","items":[` + items + `]}`}}
		return WaitingWitnesses(t.Context(), clientOf(t, s))
	}
	for items, want := range map[string]string{
		"": "", theNamespace: "r1", strings.Replace(theNamespace, "Active", "Terminating", 1): "", strings.Replace(theNamespace, "procns-w", "w", 1): "",
	} {
		run, err := waiting(items)
		require.NoError(t, err)
		assert.Equal(t, want, run)
	}
	_, err := WaitingWitnesses(t.Context(), clientOf(t, &shelf{}))
	assert.ErrorContains(t, err, "looking for witnesses")
}
