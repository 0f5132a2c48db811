package cluster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"

	"procns/e2e/internal/pace"
)

// TestCreatePodLooksBeforeItRepeats: a creation that was not answered is looked up by the pod's
// name; what is not there is created again, for a while; what is refused is not.
func TestCreatePodLooksBeforeItRepeats(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	late := apierrors.NewTimeoutError("the server was busy", 1)
	refused := apierrors.NewForbidden(pods, "p", errors.New("policy"))
	cut := errors.New("unexpected EOF")
	const again = -1 // until the time is over
	for name, row := range map[string]struct {
		answers []error // to the creations; the last one to all that follow
		stores  int     // which creation stores the pod; 0: none
		foreign bool    // what is stored is another run's
		creates int
		gets    int
		wrong   bool
	}{
		"answered":              {[]error{nil}, 1, false, 1, 0, false},
		"refused":               {[]error{refused}, 0, false, 1, 0, true},
		"late, and stored":      {[]error{late}, 1, false, 1, 1, false},
		"late, and not stored":  {[]error{late, nil}, 2, false, 2, 1, false},
		"no answer, and stored": {[]error{errors.New("the API server did not answer POST within 1m15s")}, 1, false, 1, 1, false},
		"late again and again":  {[]error{late}, 0, false, again, again, true},
		"cut, and stored":       {[]error{cut}, 1, false, 1, 1, false},
		"cut, and not stored":   {[]error{cut, nil}, 2, false, 2, 1, false},
		"too busy for long":     {[]error{apierrors.NewTooManyRequests("later", 1), nil}, 2, false, 2, 1, false},
		"another's is there":    {[]error{late}, 1, true, 1, 1, true},
		"stored after the look": {[]error{late, apierrors.NewAlreadyExists(pods, "p")}, 2, false, 2, 2, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			client := fake.NewClientset()
			creates, gets := 0, 0
			var there *corev1.Pod
			client.PrependReactor("create", "pods", func(a clienttesting.Action) (bool, runtime.Object, error) {
				creates++
				sent, _ := a.(clienttesting.CreateAction).GetObject().(*corev1.Pod)
				if creates == row.stores {
					there = sent.DeepCopy()
					if row.foreign {
						there.Labels = nil
					}
				}
				err := row.answers[min(creates, len(row.answers))-1]
				return true, sent, err
			})
			client.PrependReactor("get", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
				gets++
				if there == nil {
					return true, nil, apierrors.NewNotFound(pods, "p")
				}
				return true, there, nil
			})
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Labels: map[string]string{"run": "r"}}}
			began := time.Now()
			stored, err := createPod(t.Context(), client, pod, "ns")
			assert.LessOrEqual(t, time.Since(began), answerComes+pace.Longest, name)
			assert.Equal(t, row.wrong, err != nil, "%s: %v", name, err)
			assert.Equal(t, row.wrong, stored == nil || err != nil, name)
			if row.creates == again {
				assert.Equal(t, creates, gets, name)
				assert.Greater(t, time.Since(began), answerComes, name)
				return
			}
			assert.Equal(t, [2]int{row.creates, row.gets}, [2]int{creates, gets}, name)
		})
	}
}

// TestCreatedAgain: what is named by whoever creates it is created again when that was not answered, and
// may be there by then.
func TestCreatedAgain(t *testing.T) {
	secrets := schema.GroupResource{Resource: "secrets"}
	refused := apierrors.NewForbidden(secrets, "s", errors.New("policy"))
	for name, row := range map[string]struct {
		answers []error
		wrong   error
	}{
		"answered":           {[]error{nil}, nil},
		"refused":            {[]error{refused}, refused},
		"by an earlier try":  {[]error{apierrors.NewAlreadyExists(secrets, "s")}, nil},
		"cut, and stored":    {[]error{errors.New("unexpected EOF"), apierrors.NewAlreadyExists(secrets, "s")}, nil},
		"late, and not":      {[]error{errors.New("the API server did not answer POST within 1m15s"), nil}, nil},
		"late, then refused": {[]error{apierrors.NewServerTimeout(secrets, "create", 1), refused}, refused},
	} {
		synctest.Test(t, func(t *testing.T) {
			asked := 0
			err := created(t.Context(), &corev1.Secret{}, func(_ context.Context, s *corev1.Secret, _ metav1.CreateOptions) (*corev1.Secret, error) {
				asked++
				return s, row.answers[asked-1]
			})
			assert.Equal(t, row.wrong, err, name)
			assert.Equal(t, len(row.answers), asked, name)
		})
	}
}

// TestThrottlingIsObeyed: client-go comes again when the API server's Priority and Fairness says so
// (429 with Retry-After), so that nobody else has to.
func TestThrottlingIsObeyed(t *testing.T) {
	const refusals = 3
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if asked.Add(1) <= refusals {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"TooManyRequests","code":429}`)
			return
		}
		fmt.Fprint(w, `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"}}`)
	}))
	defer server.Close()
	var counts Counts
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL, WrapTransport: func(next http.RoundTripper) http.RoundTripper {
		return countingTransport{next: next, counts: &counts}
	}})
	assert.NoError(t, err)
	stored, err := createPod(t.Context(), client, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}}, "ns")
	assert.NoError(t, err)
	assert.Equal(t, "p", stored.Name)
	assert.Equal(t, int64(refusals+1), asked.Load())
	assert.Equal(t, int64(refusals+1), counts.Requests.Load(), "each try counts")
}

// TestDeletePodsByPage: each page is deleted by a request of its own, and where pages are no
// more, the rest is deleted as a whole.
func TestDeletePodsByPage(t *testing.T) {
	expired := apierrors.NewResourceExpired("too old")
	for name, row := range map[string]struct {
		pages   int
		expires string // the page that is no more when it is listed
		want    []string
	}{
		"one page":    {1, "", []string{"/500"}},
		"three pages": {3, "", []string{"/500", "1/500", "2/500"}},
		"expired":     {3, "2", []string{"/500", "1/500", "/0"}},
	} {
		client := fake.NewClientset()
		client.PrependReactor("list", "pods", func(a clienttesting.Action) (bool, runtime.Object, error) {
			at := listed(a).Continue
			if at != "" && at == row.expires {
				return true, nil, expired
			}
			list := &corev1.PodList{}
			n := 0
			_, _ = fmt.Sscan(at, &n)
			if n+1 < row.pages {
				list.Continue = fmt.Sprint(n + 1)
			}
			return true, list, nil
		})
		var got []string
		client.PrependReactor("delete-collection", "pods", func(a clienttesting.Action) (bool, runtime.Object, error) {
			options := listed(a)
			got = append(got, fmt.Sprintf("%s/%d", options.Continue, options.Limit))
			return true, nil, nil
		})
		assert.NoError(t, deletePods(context.Background(), client, "ns"), name)
		assert.Equal(t, row.want, got, name)
	}
}

// TestDeletePodsUnanswered: a page whose request had no answer is deleted again, for a while,
// and what the API server answers is final.
func TestDeletePodsUnanswered(t *testing.T) {
	cut := errors.New("stream error: stream ID 7; INTERNAL_ERROR")
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", nil)
	for name, row := range map[string]struct {
		err   error
		fails int
		asked int // 0: again and again, until the time is over
		ends  error
	}{
		"once":      {cut, 1, 2, nil},
		"for good":  {cut, math.MaxInt, 0, cut},
		"forbidden": {forbidden, 1, 1, forbidden},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, asked := fake.NewClientset(), 0
				client.PrependReactor("delete-collection", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
					if asked++; asked <= row.fails {
						return true, nil, row.err
					}
					return true, nil, nil
				})
				began := time.Now()
				assert.Equal(t, row.ends, deletePods(t.Context(), client, "ns"))
				assert.LessOrEqual(t, time.Since(began), answerComes+pace.Longest)
				if row.asked == 0 {
					assert.Greater(t, time.Since(began), answerComes)
					return
				}
				assert.Equal(t, row.asked, asked)
			})
		})
	}
}

func listed(a clienttesting.Action) metav1.ListOptions {
	switch a := a.(type) {
	case clienttesting.ListActionImpl:
		return a.ListOptions
	case clienttesting.DeleteCollectionActionImpl:
		return a.ListOptions
	}
	return metav1.ListOptions{}
}
