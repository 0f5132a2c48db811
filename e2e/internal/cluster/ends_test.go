package cluster

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// TestRememberEnds feeds the statuses that kubelet reports one after the other,
// and looks at the last.
func TestRememberEnds(t *testing.T) {
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	ended := func(code int32) corev1.ContainerState {
		return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: "Error"}}
	}
	waiting := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
	none := corev1.ContainerState{}
	type status struct {
		restarts    int32
		state, last corev1.ContainerState
	}
	for _, test := range []struct {
		name       string
		statuses   []status
		want       int32 // -1: none
		remembered bool
	}{
		{"kubelet knows", []status{{0, ended(143), none}, {1, running, ended(143)}}, 143, false},
		{"forgotten after it was the state", []status{{0, running, none}, {0, ended(143), none}, {1, running, none}}, 143, true},
		{"forgotten after it was the last state", []status{{0, waiting, none}, {1, waiting, ended(137)}, {1, running, none}}, 137, true},
		{"never reported", []status{{0, running, none}, {1, running, none}}, -1, false},
		{"not restarted", []status{{0, running, none}}, -1, false},
		{"the one before is another's end", []status{{0, ended(1), none}, {1, running, ended(1)}, {2, running, none}}, -1, false},
		{"of two ends the later", []status{{0, ended(1), none}, {1, ended(2), ended(1)}, {2, running, none}}, 2, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			memory := &ends{}
			var last *corev1.Pod
			for _, s := range test.statuses {
				last = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", UID: "1"}, Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{
					{Name: "victim", RestartCount: s.restarts, State: s.state, LastTerminationState: s.last},
				}}}
				got, err := memory.remember(last)
				if err != nil || got != any(last) {
					t.Fatalf("remember: %v, %v", got, err)
				}
			}
			got := int32(-1)
			if end := last.Status.ContainerStatuses[0].LastTerminationState.Terminated; end != nil {
				got = end.ExitCode
			}
			if got != test.want {
				t.Errorf("the last end has exit code %d, want %d", got, test.want)
			}
			if noted := last.Annotations[RememberedEnds] == "victim"; noted != test.remembered {
				t.Errorf("annotated as remembered: %v, want %v", noted, test.remembered)
			}
		})
	}
	t.Run("another pod of that name", func(t *testing.T) {
		memory := &ends{}
		pod := func(uid string, s status) *corev1.Pod {
			return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", UID: types.UID(uid)}, Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{
				{Name: "victim", RestartCount: s.restarts, State: s.state},
			}}}
		}
		first, second := pod("1", status{0, ended(9), none}), pod("2", status{1, running, none})
		for _, p := range []*corev1.Pod{first, second} {
			if _, err := memory.remember(p); err != nil {
				t.Fatal(err)
			}
		}
		if end := second.Status.ContainerStatuses[0].LastTerminationState.Terminated; end != nil {
			t.Errorf("it was given the end of another pod: %v", end)
		}
	})
	t.Run("a deletion that was missed", func(t *testing.T) {
		missed := cache.DeletedFinalStateUnknown{Key: "ns/p"}
		if got, err := (&ends{}).remember(missed); err != nil || got != any(missed) {
			t.Errorf("got %v, %v", got, err)
		}
	})
}
