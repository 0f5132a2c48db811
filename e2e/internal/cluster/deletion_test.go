package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
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
