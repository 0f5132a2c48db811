package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"

	"procns/e2e/internal/suite"
)

// TestRequest: what a server answers, and what of it the observation keeps.
func TestRequest(t *testing.T) {
	session := sessionWith(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == "/openapi/v3":
			fmt.Fprint(w, `{"paths":{}}`)
		case r.URL.Path == "/api/v1/namespaces/ns/pods/refused":
			refuse(w, http.StatusUnprocessableEntity, "Invalid", "no")
		case r.URL.Query().Get("watch") != "":
			for _, phase := range []string{"Pending", "Running", "Succeeded"} {
				fmt.Fprintf(w, `{"type":"MODIFIED","object":{"kind":"Pod","apiVersion":"v1","status":{"phase":%q}}}`+"\n", phase)
			}
		case r.URL.Path == "/api/v1/namespaces/ns/pods/stored":
			w.Header().Set("Warning", `299 - "beware"`)
			fmt.Fprint(w, `{"kind":"Pod","apiVersion":"v1","spec":{"shareProcessNamespace":true}}`)
		default:
			http.NotFound(w, r)
		}
	})

	ended := func(phase string) func([]byte) bool {
		return func(event []byte) bool { return bytes.Contains(event, []byte(phase)) }
	}
	for name, row := range map[string]struct {
		request suite.Request
		answer  suite.Answer
	}{
		"a pod":              {suite.Request{Path: "pods/stored"}, suite.Answer{Code: 200, Sharing: "true", Warnings: []string{"beware"}}},
		"a refusal":          {suite.Request{Path: "pods/refused"}, suite.Answer{Code: 422, Reason: "Invalid", Message: "no"}},
		"the server's own":   {suite.Request{Path: "/openapi/v3"}, suite.Answer{Code: 200, Body: `{"paths":{}}`}},
		"a part of the text": {suite.Request{Path: "/openapi/v3", Keep: func(body string) string { return body[:8] }}, suite.Answer{Code: 200, Body: `{"paths"`}},
		"a watched event":    {suite.Request{Path: "pods", Until: ended("Running"), Within: time.Minute, Keep: lastWord}, suite.Answer{Code: 200, Body: "Running"}},
		"a watch in vain":    {suite.Request{Path: "pods", Until: ended("Failed"), Within: 300 * time.Millisecond}, suite.Answer{Code: 200}},
		"a refused watch":    {suite.Request{Path: "pods/refused", Until: ended("Failed"), Within: time.Minute}, suite.Answer{Code: 422, Reason: "Invalid", Message: "no"}},
	} {
		t.Run(name, func(t *testing.T) {
			row.request.Verb = "GET"
			answer, err := session.Request(t.Context(), row.request)
			require.NoError(t, err)
			assert.Equal(t, row.answer, answer)
		})
	}
}

// lastWord is the last text in quotes.
func lastWord(body string) string {
	parts := strings.Split(body, `"`)
	return parts[len(parts)-2]
}

// TestDeleteWaitsForTheLastState: the watch's store forgets a pod before its
// deletion is told, and only the deletion says how the containers ended.
func TestDeleteWaitsForTheLastState(t *testing.T) {
	running := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "ns"}}
	ended := running.DeepCopy()
	ended.Status.Phase = corev1.PodSucceeded
	store := cache.NewStore(cache.MetaNamespaceKeyFunc)
	require.NoError(t, store.Add(running))
	s := newSession(fake.NewClientset(running), nil, "run", &Counts{}, "ns")
	s.store = store

	type answer struct {
		gone bool
		last *corev1.Pod
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		gone, last, err := s.Delete(t.Context(), "p", 1, time.Minute)
		answered <- answer{gone, last, err}
	}()
	require.NoError(t, store.Delete(running))
	s.announce() // another pod's change comes first
	select {
	case a := <-answered:
		t.Fatalf("it did not wait: %+v", a)
	case <-time.After(50 * time.Millisecond): // the time in which it would have answered
	}
	s.noteDeleted(ended)
	a := <-answered
	require.NoError(t, a.err)
	assert.True(t, a.gone)
	assert.Equal(t, corev1.PodSucceeded, a.last.Status.Phase)
}

// TestDeleteAsksInTheEnd: when the time is over, the server is asked and not the watch, which may have been dead.
func TestDeleteAsksInTheEnd(t *testing.T) {
	pod := func(uid types.UID) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "ns", UID: uid}}
	}
	refused := apierrors.NewForbidden(corev1.Resource("pods"), "p", errors.New("no"))
	for name, row := range map[string]struct {
		is   *corev1.Pod
		err  error
		gone bool
	}{
		"it is there":                   {is: pod("1")},
		"it is gone":                    {err: apierrors.NewNotFound(corev1.Resource("pods"), "p"), gone: true},
		"another one has its name":      {is: pod("2"), gone: true},
		"nobody can tell whether it is": {err: refused},
	} {
		t.Run(name, func(t *testing.T) {
			client := fake.NewClientset()
			client.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, nil })
			client.PrependReactor("get", "pods", func(clienttesting.Action) (bool, runtime.Object, error) { return true, row.is, row.err })
			s := newSession(client, nil, "run", &Counts{}, "ns")
			s.store = cache.NewStore(cache.MetaNamespaceKeyFunc)
			require.NoError(t, s.store.Add(pod("1")))
			gone, last, err := s.Delete(t.Context(), "p", 1, time.Millisecond)
			assert.Equal(t, row.err == refused, err != nil, "%v", err)
			assert.Equal(t, row.gone, gone)
			assert.Equal(t, types.UID("1"), last.UID)
		})
	}
}

// TestDeleteWhatHasGone: a pod whose deletion was requested before may go before it is requested again.
func TestDeleteWhatHasGone(t *testing.T) {
	ended := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "ns"}, Status: corev1.PodStatus{Phase: corev1.PodSucceeded}}
	store := cache.NewStore(cache.MetaNamespaceKeyFunc)
	s := newSession(fake.NewClientset(), nil, "run", &Counts{}, "ns")
	s.store = store
	_, _, err := s.Delete(t.Context(), "p", 1, time.Minute)
	assert.ErrorContains(t, err, "not found", "it was never there")
	s.noteDeleted(ended)
	gone, last, err := s.Delete(t.Context(), "p", 1, time.Minute)
	require.NoError(t, err)
	assert.True(t, gone)
	assert.Equal(t, corev1.PodSucceeded, last.Status.Phase)
}

// TestDoneNodesAreForgotten: of the pods of a node that is done with nothing is kept, whether they go
// before or after; and of no pod that has gone how its containers ended.
func TestDoneNodesAreForgotten(t *testing.T) {
	s := newSession(fake.NewClientset(), nil, "run", &Counts{}, "ns")
	s.store = cache.NewStore(cache.MetaNamespaceKeyFunc)
	goes := func(name, node string) {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)}, Spec: corev1.PodSpec{NodeName: node}}
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "one", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}}}
		_, err := s.ends.remember(pod)
		require.NoError(t, err)
		s.noteDeleted(pod)
	}
	goes("before", "n1")
	goes("elsewhere", "n2")
	s.DiscardOn(t.Context(), []string{"n1"})
	goes("after", "n1")
	assert.Equal(t, []string{"elsewhere"}, slices.Collect(maps.Keys(s.deleted)))
	assert.Empty(t, s.ends.seen)
}

func sessionWith(t *testing.T, answer http.HandlerFunc) *Session {
	t.Helper()
	return &Session{Client: clientOf(t, answer), Namespace: "ns"}
}

// TestAddEphemeralAgain: a pod whose status was written meanwhile is read again.
func TestAddEphemeralAgain(t *testing.T) {
	for name, row := range map[string]struct{ conflicts, puts int }{
		"no conflict":       {0, 1},
		"one conflict":      {1, 2},
		"nothing but these": {99, 4},
	} {
		t.Run(name, func(t *testing.T) {
			puts := 0
			s := sessionWith(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPut {
					puts++
					if puts <= row.conflicts {
						refuse(w, http.StatusConflict, "Conflict", "the object has been modified")
						return
					}
				}
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprint(w, `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","namespace":"ns","resourceVersion":"2"}}`)
			})
			err := s.AddEphemeral(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "ns"}}, []corev1.EphemeralContainer{{}})
			assert.Equal(t, row.puts, puts)
			assert.Equal(t, row.conflicts > puts, err != nil, "%v", err)
		})
	}
}

// TestLogGone: only of a previous instance can kubelet have nothing left.
func TestLogGone(t *testing.T) {
	s := sessionWith(t, func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusBadRequest, "BadRequest", `previous terminated container "victim" in pod "a" not found`)
	})
	_, err := s.Logs(t.Context(), "a", "victim", true)
	assert.ErrorIs(t, err, suite.ErrLogGone)
	_, err = s.Logs(t.Context(), "a", "victim", false)
	require.Error(t, err)
	assert.NotErrorIs(t, err, suite.ErrLogGone)
}

// TestRefusedWorkloadIsNotWaitedFor: where a policy refuses the pods of a workload, its
// controller's event ends the wait and names the policy.
func TestRefusedWorkloadIsNotWaitedFor(t *testing.T) {
	client := fake.NewClientset(&corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: "ns", Name: "one"},
		InvolvedObject: corev1.ObjectReference{Kind: "ReplicaSet", Name: "web-1-5d7f"},
		Reason:         "FailedCreate",
		Message:        `Error creating: pods "web-1-5d7f-x" is forbidden: ValidatingAdmissionPolicy 'no-pods' with binding 'no-pods' denied request: no`,
	})
	session := newSession(client, nil, "run", &Counts{}, "ns")
	session.store = cache.NewStore(cache.MetaNamespaceKeyFunc)
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("it was waited for"))
	defer cancel()
	watching, giveUp := context.WithCancelCause(ctx)
	go session.watchRefusals(watching, "web-1", giveUp)
	_, err := session.AwaitOne(watching, "pod of the workload", func(*corev1.Pod) bool { return false })
	require.ErrorContains(t, err, `the admission policy "no-pods" refused it: no`)
}

// TestRefusalThatMayPass: where a controller is refused its pod again and again for a reason that may pass,
// the wait ends soon all the same; a quota that the run's other pods use up is waited for.
func TestRefusalThatMayPass(t *testing.T) {
	for name, row := range map[string]struct {
		said []string // what the events say, ten seconds apart
		took time.Duration
		says string
	}{
		"limits are demanded": {[]string{`Error creating: pods "web-1-x" is forbidden: failed quota: one: must specify limits.cpu for: shell`}, refusalLasts,
			`a quota or a limit of the namespace "one" refused it: failed quota`},
		"a limit is kept":       {[]string{`Error creating: pods "web-1-x" is forbidden: maximum cpu usage per Container is 1, but limit is 2`}, refusalLasts, "maximum cpu usage"},
		"a webhook is down":     {[]string{`Error creating: Internal error occurred: failed calling webhook "m.example": failed to call webhook: refused`}, refusalLasts, `"m.example"`},
		"made invalid":          {[]string{`Error creating: Pod "web-1-x" is invalid: spec.containers[1].image: Required value`}, refusalLasts, "the API server found it invalid: spec.containers[1].image"},
		"an image policy":       {[]string{`Error creating: pods "web-1-x" is forbidden: image policy webhook backend denied one or more images: no`}, refusalLasts, "image policy"},
		"one after the other":   {[]string{"Error creating: timeout", `Error creating: pods "web-1-x" is forbidden: no such PriorityClass`}, refusalLasts, "no such PriorityClass"},
		"then a policy":         {[]string{"Error creating: timeout", "Error creating: admission webhook \"a.example\" denied the request: no"}, 10 * time.Second, `"a.example"`},
		"used up":               {[]string{`Error creating: pods "web-1-x" is forbidden: exceeded quota: one, requested: pods=1, used: pods=2, limited: pods=2`}, 5 * time.Minute, "it was waited for"},
		"of another's workload": {[]string{""}, 5 * time.Minute, "it was waited for"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				events := watch.NewFakeWithChanSize(len(row.said), false)
				client := fake.NewClientset()
				client.PrependWatchReactor("events", func(clienttesting.Action) (bool, watch.Interface, error) { return true, events, nil })
				session := newSession(client, nil, "run", &Counts{}, "ns")
				session.store = cache.NewStore(cache.MetaNamespaceKeyFunc)
				ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Minute, errors.New("it was waited for"))
				defer cancel()
				watching, giveUp := context.WithCancelCause(ctx)
				defer giveUp(nil)
				go session.watchRefusals(watching, "web-1", giveUp)
				var telling sync.WaitGroup
				telling.Go(func() {
					for _, said := range row.said {
						involved := "web-1-5d7f"
						if said == "" {
							involved, said = "other", "Error creating: no"
						}
						events.Add(&corev1.Event{InvolvedObject: corev1.ObjectReference{Name: involved}, Reason: "FailedCreate", Message: said})
						time.Sleep(10 * time.Second)
					}
				})
				began := time.Now()
				_, err := session.AwaitOne(watching, "pod of the workload", func(*corev1.Pod) bool { return false })
				require.ErrorContains(t, err, row.says)
				assert.Equal(t, row.took, time.Since(began))
				telling.Wait()
				events.Stop()
			})
		})
	}
}

// TestIdleWorkload: a workload that a queue holds back makes no pod, and is not waited for; one that makes
// more pods is told of.
func TestIdleWorkload(t *testing.T) {
	for name, row := range map[string]struct{ stored, says string }{
		"held back": {`{"spec":{"suspend":true}}`, "the cluster changed the pod, and the claim turns on it: sets spec.suspend to true; probably by webhook queue/jobs.example; way out"},
		"several":   {`{"spec":{"parallelism":2}}`, "made no pod: there is no pod of the workload: it was waited for"},
	} {
		t.Run(name, func(t *testing.T) {
			session := sessionWith(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if r.Method == http.MethodPost {
					w.WriteHeader(http.StatusCreated)
					fmt.Fprint(w, row.stored)
					return
				}
				refuse(w, http.StatusForbidden, "Forbidden", "no events")
			})
			session.RunID, session.changed, session.store = "1", make(chan struct{}), cache.NewStore(cache.MetaNamespaceKeyFunc)
			session.mutating = mutating{listed: time.Now()}
			session.mutating.Webhooks = []admissionregistrationv1.MutatingWebhookConfiguration{{
				ObjectMeta: metav1.ObjectMeta{Name: "queue"},
				Webhooks: []admissionregistrationv1.MutatingWebhook{{Name: "jobs.example", Rules: []admissionregistrationv1.RuleWithOperations{{
					Operations: []admissionregistrationv1.OperationType{"*"},
					Rule:       admissionregistrationv1.Rule{APIGroups: []string{"batch"}, APIVersions: []string{"v1"}, Resources: []string{"jobs"}},
				}}}},
			}}
			ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Millisecond, errors.New("it was waited for"))
			defer cancel()
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "job-1"}}
			_, err := session.createWorkload(ctx, suite.Manifest{File: "job.yaml", Pod: pod, Workload: &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "job-1"}}})
			require.ErrorContains(t, err, row.says)
			assert.Equal(t, name == "several", len(session.WorkloadChanges("job-1")) > 0)
		})
	}
}

// TestPostWorkload: each kind goes where the API server has it, with its name and kind, and a refusal
// is the server's own.
func TestPostWorkload(t *testing.T) {
	posted := map[string]metav1.TypeMeta{}
	session := sessionWith(t, func(w http.ResponseWriter, r *http.Request) {
		var object metav1.TypeMeta
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || json.NewDecoder(r.Body).Decode(&object) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		posted[r.URL.Path] = object
		w.Header().Set("Content-Type", "application/json")
		if object.Kind == "CronJob" {
			w.WriteHeader(http.StatusForbidden)
			_ = json.NewEncoder(w).Encode(apierrors.NewForbidden(schema.GroupResource{Group: "batch", Resource: "cronjobs"}, "web", errors.New("no")).Status())
			return
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte("{}"))
	})
	for _, workload := range []runtime.Object{&appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "web"}}, &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "web"}}} {
		changed, err := session.postWorkload(t.Context(), workload)
		require.NoError(t, err)
		assert.Empty(t, changed)
	}
	_, err := session.postWorkload(t.Context(), &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Name: "web"}})
	assert.True(t, apierrors.IsForbidden(err), "%v", err)
	assert.Equal(t, map[string]metav1.TypeMeta{
		"/apis/apps/v1/namespaces/ns/statefulsets": {APIVersion: "apps/v1", Kind: "StatefulSet"},
		"/apis/batch/v1/namespaces/ns/jobs":        {APIVersion: "batch/v1", Kind: "Job"},
		"/apis/batch/v1/namespaces/ns/cronjobs":    {APIVersion: "batch/v1", Kind: "CronJob"},
	}, posted)
}

// TestCameLast: an event is as old as its last time, however the server tells of it.
func TestCameLast(t *testing.T) {
	first, last := time.Unix(1000, 0), time.Unix(2000, 0)
	for name, row := range map[string]struct {
		event corev1.Event
		want  int64
	}{
		"nothing":                   {corev1.Event{}, 0},
		"once":                      {corev1.Event{FirstTimestamp: metav1.NewTime(first), LastTimestamp: metav1.NewTime(first)}, 1000},
		"again":                     {corev1.Event{FirstTimestamp: metav1.NewTime(first), LastTimestamp: metav1.NewTime(last)}, 2000},
		"once, by the new API":      {corev1.Event{EventTime: metav1.NewMicroTime(first)}, 1000},
		"a series":                  {corev1.Event{EventTime: metav1.NewMicroTime(first), Series: &corev1.EventSeries{LastObservedTime: metav1.NewMicroTime(last)}}, 2000},
		"a series without its time": {corev1.Event{EventTime: metav1.NewMicroTime(first), Series: &corev1.EventSeries{}}, 1000},
	} {
		assert.Equal(t, row.want, cameLast(row.event), name)
	}
}
