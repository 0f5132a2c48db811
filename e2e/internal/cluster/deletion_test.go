package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
)

func conditions(of ...corev1.NamespaceConditionType) []corev1.NamespaceCondition {
	all := []corev1.NamespaceCondition{{Type: corev1.NamespaceDeletionContentFailure, Status: corev1.ConditionFalse, Message: "not this"}}
	for _, c := range of {
		all = append(all, corev1.NamespaceCondition{Type: c, Status: corev1.ConditionTrue, Message: "the words of " + string(c)})
	}
	return all
}

// TestDeparture: when it is of no use to wait, and whether what is left is only the
// cluster's to finish.
func TestDeparture(t *testing.T) {
	const discovery, content, finalizers = corev1.NamespaceDeletionDiscoveryFailure, corev1.NamespaceContentRemaining, corev1.NamespaceFinalizersRemaining
	for name, row := range map[string]struct {
		conditions []corev1.NamespaceCondition
		running    int
		waited     time.Duration
		terminal   string
		pending    bool
	}{
		"nothing said as yet":                {nil, 0, time.Hour, "", true},
		"an API is down":                     {conditions(discovery), 0, firstLook, "before every API of the cluster answers", true},
		"an API is down, a pod runs":         {conditions(discovery, content), 1, time.Hour, "", false},
		"an API is down, nobody knows":       {conditions(discovery), -1, time.Hour, "", false},
		"pods are ending":                    {conditions(content), 2, firstLook, "", false},
		"a finalizer, for a while":           {conditions(content, finalizers), 0, firstLook, "", true},
		"a finalizer that stays":             {conditions(content, finalizers), 0, finalizersLast, "a finalizer that is not taken off", true},
		"a finalizer, on a pod that runs on": {conditions(content, finalizers), 1, finalizersLast, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			now := metav1.Now()
			d := departure{name: "procns-a", running: row.running, last: &corev1.Namespace{
				ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &now}, Status: corev1.NamespaceStatus{Conditions: row.conditions},
			}}
			why := d.terminal(row.waited)
			assert.Equal(t, row.terminal == "", why == "", why)
			assert.Contains(t, why, row.terminal)
			left := d.leftover("it is over")
			assert.Equal(t, row.pending, left.Pending)
			for _, c := range row.conditions {
				assert.Equal(t, c.Status == corev1.ConditionTrue, strings.Contains(left.Error(), c.Message), left.Error())
			}
			d.last.DeletionTimestamp = nil
			assert.False(t, d.leftover("it is over").Pending, "its deletion was never accepted")
		})
	}
}

// stuck is a server on which one namespace does not go.
type stuck struct{ namespace corev1.Namespace }

func (s stuck) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.Method == http.MethodDelete:
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Success"}`)
	case r.URL.Path == namespacesPath && r.URL.Query().Get("watch") != "":
		raw, _ := json.Marshal(s.namespace)
		fmt.Fprintf(w, `{"type":"ADDED","object":%s}`, raw)
		fmt.Fprint(w, `{"type":"BOOKMARK","object":{"kind":"Namespace","apiVersion":"v1","metadata":{"resourceVersion":"1","annotations":{"k8s.io/initial-events-end":"true"}}}}`)
		w.(http.Flusher).Flush() //nolint:forcetypeassert // as every ResponseWriter of net/http
		<-r.Context().Done()
	case strings.HasSuffix(r.URL.Path, "/pods"):
		fmt.Fprint(w, `{"kind":"PodList","apiVersion":"v1","items":[]}`)
	default:
		refuse(w, http.StatusNotFound, "NotFound", "not found")
	}
}

// TestStuckNamespace: its own condition is quoted, soon.
func TestStuckNamespace(t *testing.T) {
	pace := looks{first: 50 * time.Millisecond, next: 50 * time.Millisecond}
	assert.Less(t, firstLook, 30*time.Second)
	now := metav1.Now()
	of := func(which ...corev1.NamespaceConditionType) stuck {
		return stuck{corev1.Namespace{
			TypeMeta:   metav1.TypeMeta{Kind: "Namespace", APIVersion: "v1"},
			ObjectMeta: metav1.ObjectMeta{Name: "procns-a", DeletionTimestamp: &now, ResourceVersion: "1"},
			Status:     corev1.NamespaceStatus{Conditions: conditions(which...)},
		}}
	}
	var said []string
	say := func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
	err := deletePaced(t.Context(), clientOf(t, of(corev1.NamespaceDeletionDiscoveryFailure)), []string{"procns-a"}, say, pace)
	var left Leftovers
	require.ErrorAs(t, err, &left)
	require.Len(t, left, 1)
	assert.True(t, left[0].Pending)
	assert.EqualError(t, err, "namespace procns-a is left: the server cannot finish its deletion before every API of the cluster answers "+
		"(kubectl get apiservices); NamespaceDeletionDiscoveryFailure: the words of NamespaceDeletionDiscoveryFailure")

	// What is only slow is said, once, and waited for.
	said = nil
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err = deletePaced(ctx, clientOf(t, of(corev1.NamespaceContentRemaining)), []string{"procns-a"}, func(format string, args ...any) {
		say(format, args...)
		time.AfterFunc(4*pace.next, cancel) // it is looked at again meanwhile
	}, pace)
	assert.ErrorContains(t, err, "its deletion did not finish in time; NamespaceContentRemaining: the words of NamespaceContentRemaining")
	assert.Equal(t, []string{"==> waiting for namespace procns-a to go: NamespaceContentRemaining: the words of NamespaceContentRemaining"}, said)
}

// TestHinderedDeletion: what passes is tried again; who refuses a deletion for good is named, in one line;
// and where our own deletion of the pods is refused, the namespace is waited for all the same.
func TestHinderedDeletion(t *testing.T) {
	const (
		down     = `Internal error occurred: failed calling webhook \"ns.example\": failed to call webhook: connection refused`
		noPods   = `admission webhook \"pods.example\" denied the request: \n\nresource Pod/procns-a/one was blocked due to the following policies\n\nkeep-pods:\n  rule: 'no deletion'`
		noSpaces = `ValidatingAdmissionPolicy 'keep' with binding 'keep' denied request: namespaces stay`
	)
	type refusal struct {
		code            int
		reason, message string
	}
	for name, row := range map[string]struct {
		namespace, pods []refusal // one for each try, before it is accepted
		stays           bool
		says            string // "" where nothing is left
	}{
		"as it should be":            {},
		"a webhook that was down":    {namespace: []refusal{{500, "InternalError", down}}, pods: []refusal{{500, "InternalError", down}}},
		"the server in trouble":      {namespace: []refusal{{503, "ServiceUnavailable", "etcd leader changed"}, {504, "Timeout", "request did not complete"}}},
		"asked too much":             {namespace: []refusal{{429, "TooManyRequests", "too many requests"}}},
		"under way already":          {namespace: []refusal{{409, "Conflict", "The system is ensuring all content is removed from this namespace."}}},
		"refused by a policy":        {namespace: []refusal{{422, "Invalid", `namespaces \"procns-a\" is forbidden: ` + noSpaces}}, says: `namespace procns-a is left: deleting it: the admission policy "keep" refused it: namespaces stay (exempt`},
		"refused in another way":     {namespace: []refusal{{400, "BadRequest", `no\n\nway`}}, says: "namespace procns-a is left: no way"},
		"its pods, but it goes":      {pods: []refusal{{403, "Forbidden", noPods}}},
		"its pods, and so it stays":  {pods: []refusal{{403, "Forbidden", noPods}}, stays: true, says: `did not finish in time; NamespaceContentRemaining: the words of NamespaceContentRemaining; deleting its pods: the admission webhook "pods.example" by its policy "keep-pods" refused it: resource Pod/procns-a/one`},
		"both with what passes soon": {namespace: []refusal{{500, "InternalError", down}}, pods: []refusal{{429, "TooManyRequests", "later"}, {503, "ServiceUnavailable", "later"}}},
	} {
		t.Run(name, func(t *testing.T) {
			now := metav1.Now()
			there := stuck{corev1.Namespace{
				TypeMeta:   metav1.TypeMeta{Kind: "Namespace", APIVersion: "v1"},
				ObjectMeta: metav1.ObjectMeta{Name: "procns-a", DeletionTimestamp: &now, ResourceVersion: "1"},
				Status:     corev1.NamespaceStatus{Conditions: conditions(corev1.NamespaceContentRemaining)},
			}}
			gone := &shelf{answers: map[string]string{namespacesPath: list("Namespace", "v1")}}
			var mu sync.Mutex
			left := map[string][]refusal{namespacesPath + "/procns-a": row.namespace, namespacesPath + "/procns-a/pods": row.pods}
			client := clientOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				refusals := left[r.URL.Path]
				if r.Method == http.MethodDelete && len(refusals) > 0 {
					left[r.URL.Path] = refusals[1:]
				}
				mu.Unlock()
				switch {
				case r.Method == http.MethodDelete && len(refusals) > 0:
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(refusals[0].code)
					fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"%s","message":"%s","code":%d}`, refusals[0].reason, refusals[0].message, refusals[0].code)
				case row.stays:
					there.ServeHTTP(w, r)
				default:
					gone.ServeHTTP(w, r)
				}
			}))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			err := deletePaced(ctx, client, []string{"procns-a"}, func(string, ...any) {
				time.AfterFunc(100*time.Millisecond, cancel) // it is waited for
			}, looks{first: 50 * time.Millisecond, next: 50 * time.Millisecond})
			if row.says == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, row.says)
				assert.NotContains(t, err.Error(), "\n")
			}
			assert.Empty(t, left[namespacesPath+"/procns-a"])
			if name != "refused by a policy" && name != "refused in another way" {
				assert.Empty(t, left[namespacesPath+"/procns-a/pods"])
			}
		})
	}
}

// TestOwns: a namespace whose creation was not answered is the run's, if it is there.
func TestOwns(t *testing.T) {
	cut := errors.New("unexpected EOF")
	for name, row := range map[string]struct {
		failed error
		there  string // the run's ID that the namespace carries, if it is there
		owns   bool
	}{
		"answer lost, made":                 {cut, "a", true},
		"answer lost, not made":             {cut, "", false},
		"answer lost, another's":            {cut, "b", false},
		"server's time is over, made":       {apierrors.NewTimeoutError("late", 1), "a", true},
		"refused":                           {apierrors.NewForbidden(schema.GroupResource{Resource: "namespaces"}, "procns-a", cut), "a", false},
		"there already":                     {apierrors.NewAlreadyExists(schema.GroupResource{Resource: "namespaces"}, "procns-a"), "a", false},
		"interrupted while it was answered": {context.Canceled, "a", true},
	} {
		t.Run(name, func(t *testing.T) {
			client := fake.NewClientset()
			if row.there != "" {
				client = fake.NewClientset(namespaceAt("procns-a", row.there, "privileged", nil))
			}
			s := &Session{Client: client, Namespace: "procns-a", RunID: "a"}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			assert.Equal(t, row.owns, s.owns(ctx, "procns-a", fmt.Errorf("creating: %w", row.failed)))
		})
	}
}
