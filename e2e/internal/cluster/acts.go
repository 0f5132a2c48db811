package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"

	"procns/e2e/internal/suite"
)

// AwaitOne implements suite.Cluster.
func (s *Session) AwaitOne(ctx context.Context, what string, chosen func(*corev1.Pod) bool) (*corev1.Pod, error) {
	for {
		changed := s.change()
		for _, item := range s.store.List() {
			if pod, ok := item.(*corev1.Pod); ok && pod.DeletionTimestamp == nil && chosen(pod) {
				return pod, nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("there is no %s: %w", what, context.Cause(ctx))
		}
	}
}

// Submit implements suite.Cluster.
func (s *Session) Submit(ctx context.Context, m suite.Manifest, podSecurity string) (suite.Answer, error) {
	namespace, err := s.level(ctx, podSecurity)
	if err != nil {
		return suite.Answer{}, err
	}
	var object runtime.Object = m.New()
	if m.Workload != nil {
		object = m.Workload
	}
	body, err := encode(object)
	if err != nil {
		return suite.Answer{}, err
	}
	api, resource := suite.ResourceOf(object)
	submit := suite.Request{Verb: "POST", API: api, Path: resource, Query: map[string]string{"dryRun": "All"}, Body: body}
	if podSecurity == "" {
		return s.request(ctx, namespace, submit)
	}
	doubt, err := s.unenforced(ctx, namespace, podSecurity, m.Pod)
	if err != nil {
		return suite.Answer{}, err
	}
	answer, err := s.request(ctx, namespace, submit)
	// The labels are looked at last: they may have been changed since the first look.
	if changed := s.levelDoubt(ctx, namespace); changed != "" {
		doubt = changed
	}
	answer.Doubt = doubt
	return answer, err
}

// encode writes an object in JSON, with its kind, as kubectl would send it.
func encode(object runtime.Object) ([]byte, error) {
	raw, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	kinds, _, err := scheme.Scheme.ObjectKinds(object)
	if err != nil {
		return nil, err
	}
	var data map[string]any
	if err := json.Unmarshal(raw, &data); err != nil {
		return nil, err
	}
	data["apiVersion"], data["kind"] = kinds[0].GroupVersion().String(), kinds[0].Kind
	return json.Marshal(data)
}

// Request implements suite.Cluster.
func (s *Session) Request(ctx context.Context, r suite.Request) (suite.Answer, error) {
	return s.request(ctx, s.Namespace, r)
}

func (s *Session) request(ctx context.Context, namespace string, r suite.Request) (suite.Answer, error) {
	path := r.Path
	if !strings.HasPrefix(path, "/") {
		path = prefixOf(r.API) + "/namespaces/" + namespace + "/" + path
	}
	request := s.Client.CoreV1().RESTClient().Verb(r.Verb).AbsPath(path)
	for name, value := range r.Query {
		request.Param(name, value)
	}
	request.WarningHandler(rest.NoWarnings{}) // they are in the answer
	request.SetHeader("Accept", orJSON(r.Accept))
	if r.Body != nil {
		request.SetHeader("Content-Type", orJSON(r.ContentType)).Body(r.Body)
	}
	answer, raw, err := ask(ctx, request, r)
	refused, ok := suite.AnswerOf(err)
	switch {
	case ok:
		refused.Warnings = answer.Warnings
		answer = refused
	case err != nil:
		return answer, fmt.Errorf("%s %s: %w", r.Verb, r.Path, err)
	default:
		answer.Sharing, answer.Body = returned(raw)
		if r.Verb == http.MethodPost {
			answer.Changes = changed(r.Body, raw)
		}
		answer.Protobuf = bytes.HasPrefix(raw, protobufBegins)
	}
	if r.Keep != nil {
		answer.Body = r.Keep(answer.Body)
	}
	if namespace == s.Namespace && answer.Refusal().By == suite.ByPodSecurity {
		answer.Doubt = s.levelDoubt(ctx, namespace)
	}
	return answer, nil
}

// ask sends a request, and reads its answer: all of it, or of a watch the first
// event that is waited for.
func ask(ctx context.Context, request *rest.Request, r suite.Request) (suite.Answer, []byte, error) {
	var answer suite.Answer
	if r.Until == nil {
		result := request.Do(ctx)
		result.StatusCode(&answer.Code)
		for _, w := range result.Warnings() {
			answer.Warnings = append(answer.Warnings, w.Text)
		}
		raw, _ := result.Raw() // its error is without the server's own message, unlike Error's
		return answer, raw, result.Error()
	}
	watching, end := context.WithTimeout(ctx, r.Within)
	defer end()
	request.Param("watch", "1")
	event, err := watchUntil(watching, request.Stream, r.Until)
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		answer.Code = http.StatusOK
	}
	return answer, event, err
}

// protobufBegins is what the protobuf form of every object begins with (API Concepts,
// Kubernetes Protobuf encoding).
var protobufBegins = []byte("k8s\x00")

func prefixOf(api string) string {
	if api == "" || api == "v1" {
		return "/api/v1"
	}
	return "/apis/" + api
}

func orJSON(mediaType string) string {
	if mediaType == "" {
		return runtime.ContentTypeJSON
	}
	return mediaType
}

// returned reads the field out of the object that the server returned, in JSON
// or in Kubernetes' protobuf form. What is no pod and no workload is kept as text.
func returned(raw []byte) (sharing, body string) {
	object, _, err := scheme.Codecs.UniversalDeserializer().Decode(raw, nil, nil)
	if err != nil {
		return "", string(raw)
	}
	if sharing, ok := suite.SharingOf(object); ok {
		return sharing, ""
	}
	return "", string(raw)
}

// AddEphemeral implements suite.Cluster.
func (s *Session) AddEphemeral(ctx context.Context, pod *corev1.Pod, containers []corev1.EphemeralContainer) error {
	pods := s.Client.CoreV1().Pods(s.Namespace)
	// kubelet may write the status of a pod between the reading of it and the writing.
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		with := pod.DeepCopy()
		with.Spec.EphemeralContainers = append(with.Spec.EphemeralContainers, containers...)
		_, err := pods.UpdateEphemeralContainers(ctx, pod.Name, with, metav1.UpdateOptions{})
		if !apierrors.IsConflict(err) {
			return err
		}
		fresh, readErr := pods.Get(ctx, pod.Name, metav1.GetOptions{})
		if readErr != nil {
			return readErr
		}
		pod = fresh
		return err
	})
	if err != nil {
		return suite.Failed(err, "adding ephemeral containers to pod %s", pod.Name)
	}
	return nil
}

// Delete implements suite.Cluster.
func (s *Session) Delete(ctx context.Context, name string, graceSeconds int64, within time.Duration) (bool, *corev1.Pod, error) {
	last, _ := s.Current(name)
	err := s.Client.CoreV1().Pods(s.Namespace).Delete(ctx, name, metav1.DeleteOptions{GracePeriodSeconds: &graceSeconds})
	// One that is no longer there, and was, has gone meanwhile: its last state is still to be told.
	known := last != nil || s.lastState(name) != nil
	if err != nil && !(known && apierrors.IsNotFound(err)) {
		return false, last, suite.Failed(err, "deleting pod %s", name)
	}
	deadline := time.After(within)
	for {
		changed := s.change()
		pod, ok := s.Current(name)
		// The informer forgets a pod before it tells of its last state, which is the
		// one that says how its containers ended.
		end := s.lastState(name)
		switch {
		case ok:
			last = pod
		case end != nil:
			return true, end, nil
		}
		select {
		case <-changed:
		case <-deadline:
			gone, err := s.isGone(ctx, name, last)
			return gone, last, err
		case <-ctx.Done():
			return false, last, context.Cause(ctx)
		}
	}
}

// isGone asks the server itself whether a pod is gone. What the watch has told by the end of a wait may be old: the connection
// may be dead, or this program may have stood still.
func (s *Session) isGone(ctx context.Context, name string, was *corev1.Pod) (bool, error) {
	var is *corev1.Pod
	err := untilAnswered(ctx, func() (final bool, err error) {
		is, err = s.Client.CoreV1().Pods(s.Namespace).Get(ctx, name, metav1.GetOptions{})
		return false, err
	})
	switch {
	case apierrors.IsNotFound(err):
		return true, nil
	case err != nil:
		return false, suite.Failed(err, "asking whether pod %s is gone", name)
	}
	return was != nil && is.UID != was.UID, nil
}

// lastState is a pod as its deletion told of it, or nil.
func (s *Session) lastState(name string) *corev1.Pod {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deleted[name]
}

// Discard implements suite.Cluster.
func (s *Session) Discard(ctx context.Context, m suite.Manifest) {
	background := metav1.DeletePropagationBackground
	options := metav1.DeleteOptions{GracePeriodSeconds: new(podGrace), PropagationPolicy: &background}
	api, resource := "v1", "pods"
	if m.Workload != nil {
		api, resource = suite.ResourceOf(m.Workload)
		options.GracePeriodSeconds = nil // of the workload's own: its pods say theirs
	}
	// What cannot be deleted now goes with the namespace, or is said there.
	_ = s.Client.CoreV1().RESTClient().Delete().AbsPath(prefixOf(api) + "/namespaces/" + s.Namespace + "/" + resource + "/" + m.Pod.Name).
		Body(&options).Do(ctx).Error()
}

// Events implements suite.Cluster.
func (s *Session) Events(ctx context.Context, pod string) ([]suite.Event, error) {
	list, err := s.Client.CoreV1().Events(s.Namespace).List(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("involvedObject.name", pod).String(),
	})
	if err != nil {
		return nil, suite.Failed(notAllowed(err), "events of pod %s", pod)
	}
	var events []suite.Event
	for _, e := range list.Items {
		events = append(events, suite.Event{Reason: e.Reason, Message: e.Message, Container: e.InvolvedObject.FieldPath, Count: int(e.Count), At: cameLast(e)})
	}
	return events, nil
}

// cameLast is when an event came last, in Unix seconds, or 0.
func cameLast(e corev1.Event) int64 {
	switch {
	case e.Series != nil && !e.Series.LastObservedTime.IsZero():
		return e.Series.LastObservedTime.Unix()
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Unix()
	case !e.EventTime.IsZero():
		return e.EventTime.Unix()
	}
	return 0
}

var _ suite.Cluster = (*Session)(nil)
