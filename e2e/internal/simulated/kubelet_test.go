package simulated

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"gotest.tools/v3/assert"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"procns/e2e/internal/cluster"
	"procns/e2e/internal/probe"
)

// behind is an API server as far as an exec goes: it asks the kubelet what it is asked, in kubelet's words.
func behind(t *testing.T, k *Kubelet) *rest.Config {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1/namespaces/{namespace}/pods/{pod}/exec", func(w http.ResponseWriter, r *http.Request) {
		asked := r.URL.Query()
		for from, to := range map[string]string{"stdout": "output", "stderr": "error"} {
			if asked.Get(from) == "true" {
				asked.Set(to, "1")
			}
		}
		r.URL.Path = "/exec/" + r.PathValue("namespace") + "/" + r.PathValue("pod") + "/" + asked.Get("container")
		r.URL.RawQuery = asked.Encode()
		k.ServeHTTP(w, r)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return &rest.Config{Host: server.URL}
}

func podOn(t *testing.T, config *rest.Config, pod *corev1.Pod) *cluster.Session {
	t.Helper()
	client, err := kubernetes.NewForConfig(config)
	assert.NilError(t, err)
	return &cluster.Session{Client: client, Config: config, Namespace: pod.Namespace, Counts: &cluster.Counts{}}
}

// TestKubeletIsObserved: what the suite itself observes through it is the pod, as it is on a sound node
// and as it is on one that isolates.
func TestKubeletIsObserved(t *testing.T) {
	k := &Kubelet{Pods: NewPods(), Recordings: load(t), Faults: map[string]Fault{"simulated-00007": Isolated}}
	config := behind(t, k)
	for node, sees := range map[string]int{"simulated-00003": 3, "simulated-00007": 1} {
		pod, markers := planted(t, "markers.yaml", node)
		k.Pods.set(pod)
		s, _, err := podOn(t, config, pod).Observe(t.Context(), time.Minute, pod.Name, "two", nil)
		assert.NilError(t, err)
		assert.Equal(t, s.Failure, "")
		got := 0
		for _, text := range markers {
			if _, ok := s.Find(func(p probe.Process) bool { return p.Has(text) }); ok {
				got++
			}
		}
		assert.Equal(t, got, sees, node)
		assert.Equal(t, s.Kernel, KernelOf(node))
	}
}

func TestKubeletRefuses(t *testing.T) {
	k := &Kubelet{Pods: NewPods(), Recordings: load(t)}
	config := behind(t, k)
	pod, _ := planted(t, "markers.yaml", "simulated-00003")
	k.Pods.set(pod)
	result, err := podOn(t, config, pod).Exec(t.Context(), time.Minute, pod.Name, "one", "ls")
	assert.NilError(t, err)
	assert.Equal(t, result.Code, 126)
	assert.Equal(t, result.Stderr, "a simulated node runs the observation script and nothing else\n")
	s, _, err := podOn(t, config, pod).Observe(t.Context(), time.Minute, pod.Name, "one", []string{"/etc/hostname"})
	assert.NilError(t, err)
	assert.Assert(t, s.Failure != "")
}

// TestSilentKubelet: it answers nothing, and lets go when whoever asks gives up.
func TestSilentKubelet(t *testing.T) {
	k := &Kubelet{Pods: NewPods(), Recordings: load(t), Faults: map[string]Fault{"simulated-00003": Silent}}
	pod, _ := planted(t, "markers.yaml", "simulated-00003")
	k.Pods.set(pod)
	_, err := podOn(t, behind(t, k), pod).Exec(t.Context(), 200*time.Millisecond, pod.Name, "one", "ls")
	assert.Error(t, err, "exec in container one did not end within 200ms: pod "+pod.Name+" is no longer there")
}

func TestPods(t *testing.T) {
	p := NewPods()
	pod, _ := planted(t, "markers.yaml", "simulated-00003")
	got := make(chan *corev1.Pod)
	_, appears := p.look("there/" + pod.Name)
	go func() {
		found, _ := p.get(context.Background(), "there", pod.Name)
		got <- found
	}()
	p.set("no pod")
	p.set(pod)
	<-appears
	assert.Equal(t, (<-got).Name, pod.Name)
	p.remove(cache.DeletedFinalStateUnknown{Obj: pod})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.get(ended, "there", pod.Name)
	assert.Error(t, err, "the simulated kubelet has no pod there/"+pod.Name)
}

// TestTrimmed: what is kept of a pod answers like the pod.
func TestTrimmed(t *testing.T) {
	r := load(t)
	pod, _ := planted(t, "markers.yaml", "simulated-00003")
	few, err := trimmed(pod)
	assert.NilError(t, err)
	want, _, err := r.Answer(pod, "one", "procns-0", nil, false)
	assert.NilError(t, err)
	kept, ok := few.(*corev1.Pod)
	assert.Assert(t, ok)
	got, _, err := r.Answer(kept, "one", "procns-0", nil, false)
	assert.NilError(t, err)
	assert.Equal(t, got, want)
	other, err := trimmed("no pod")
	assert.NilError(t, err)
	assert.Equal(t, other, "no pod")
}
