package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"

	"procns/e2e/internal/difference"
	"procns/e2e/internal/suite"
)

// createWorkload creates what makes the pod, and waits for the pod.
func (s *Session) createWorkload(ctx context.Context, m suite.Manifest) (*corev1.Pod, error) {
	var settings []difference.Difference
	err := untilAnswered(ctx, func() (final bool, err error) {
		settings, err = s.postWorkload(ctx, m.Workload)
		return false, err
	})
	if err != nil && !apierrors.IsAlreadyExists(err) { // by an earlier try
		return nil, suite.Failed(err, "creating %s from %s", m.Pod.Name, m.File)
	}
	if idle := difference.Idle(settings); len(idle) > 0 { // there will be no pod to wait for
		by := s.Changers(ctx, m, false)
		return nil, &suite.ChangedError{Decisive: idle, By: &by}
	}
	s.noteSettings(m.Pod.Name, settings)
	waiting, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	go s.watchRefusals(waiting, m.Pod.Name, giveUp)
	pod, err := s.AwaitOne(waiting, "pod of the workload", func(pod *corev1.Pod) bool { return pod.Labels[suite.PodLabel] == m.Pod.Name })
	if err != nil {
		return nil, fmt.Errorf("the workload %s of %s made no pod: %w", m.Pod.Name, m.File, err)
	}
	return pod, nil
}

// refusalLasts is how long a controller may be refused its pod for a reason that can pass: a webhook that
// is started again, a namespace's limits that are mended.
const refusalLasts = 45 * time.Second

// watchRefusals gives up the wait for a workload's pod where its controller is told
// that there will be none, and by whom; where the reason may pass, after refusalLasts. A
// quota that is used up passes with the run's other pods. Without the right to watch
// events, the wait lasts until its time is over.
func (s *Session) watchRefusals(ctx context.Context, workload string, giveUp context.CancelCauseFunc) {
	events, err := s.Client.CoreV1().Events(s.Namespace).Watch(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("reason", "FailedCreate").String(),
	})
	if err != nil {
		return
	}
	defer events.Stop()
	var over <-chan time.Time
	var last *suite.RefusedError
	for {
		select {
		case e, ok := <-events.ResultChan():
			if !ok {
				return
			}
			// A Deployment's events are its ReplicaSet's, whose name begins with its own.
			event, ok := e.Object.(*corev1.Event)
			if !ok || !strings.HasPrefix(event.InvolvedObject.Name, workload) {
				continue
			}
			refusal := suite.RefusalIn(event.Message)
			last = &suite.RefusedError{Doing: event.Reason, Refusal: refusal}
			switch {
			case refusal.Lasting():
				giveUp(s.refusedPod(ctx, last))
				return
			case suite.UsedUp(event.Message):
				over = nil
			case over == nil:
				over = time.After(refusalLasts)
			}
		case <-over:
			giveUp(last)
			return
		}
	}
}

// postWorkload returns which of the workload's settings were changed on their way.
func (s *Session) postWorkload(ctx context.Context, workload runtime.Object) ([]difference.Difference, error) {
	body, err := encode(workload)
	if err != nil {
		return nil, err
	}
	api, resource := suite.ResourceOf(workload)
	result := s.Client.CoreV1().RESTClient().Post().AbsPath(prefixOf(api)+"/namespaces/"+s.Namespace+"/"+resource).
		SetHeader("Content-Type", runtime.ContentTypeJSON).SetHeader("Accept", runtime.ContentTypeJSON).Body(body).Do(ctx)
	if err := result.Error(); err != nil {
		return nil, err
	}
	raw, _ := result.Raw() // there is no error
	var sent, stored map[string]any
	if json.Unmarshal(body, &sent) != nil || json.Unmarshal(raw, &stored) != nil {
		return nil, nil // it was created, whatever was answered
	}
	return difference.Workloads(sent, stored), nil
}

// noteSettings keeps what became of a workload's settings.
func (s *Session) noteSettings(workload string, changed []difference.Difference) {
	if len(changed) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.settings == nil {
		s.settings = map[string][]difference.Difference{}
	}
	s.settings[workload] = changed
}

// WorkloadChanges implements suite.Cluster.
func (s *Session) WorkloadChanges(workload string) []difference.Difference {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.settings[workload])
}
