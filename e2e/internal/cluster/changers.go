package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"

	"procns/e2e/internal/difference"
	"procns/e2e/internal/suite"
)

// changed compares what was sent to be created with what the server returned, where
// both are a pod or a workload. What the API does not know of the object that was
// sent does not count: whether the server takes that is for others to judge.
func changed(sent, returned []byte) *suite.Changes {
	decode := func(raw []byte) runtime.Object {
		object, _, err := scheme.Codecs.UniversalDeserializer().Decode(raw, nil, nil)
		if err != nil {
			return nil
		}
		return object
	}
	a, okA := suite.TemplateOf(decode(sent))
	b, okB := suite.TemplateOf(decode(returned))
	if !okA || !okB {
		return nil
	}
	differences := difference.Pods(a, b, difference.Options{Before: true})
	differences = append(differences, difference.Workloads(decode(sent), decode(returned))...)
	if len(differences) == 0 {
		return nil
	}
	return &suite.Changes{Differences: differences}
}

// mutating is what may change pods, as it was last listed.
type mutating struct {
	difference.Mutating
	unread string
	listed time.Time
}

// fresh is how long a list is believed. Policies that come while a run lasts are rare,
// and a list of them for every pod would be many.
const fresh = 5 * time.Second

// Changers implements suite.Cluster.
func (s *Session) Changers(ctx context.Context, m suite.Manifest, later bool) difference.Attribution {
	s.mutatingMu.Lock()
	defer s.mutatingMu.Unlock()
	if time.Since(s.mutating.listed) > fresh {
		s.mutating = s.listMutating(ctx)
	}
	if s.mutating.unread != "" {
		return difference.Attribution{Unread: s.mutating.unread}
	}
	var subjects []difference.Subject
	// Whoever sets labels on namespaces, in all of them, can have a webhook asked there.
	for _, namespace := range s.labelsSeen() {
		for _, one := range subjectsOf(m, s.RunID, later) {
			one.Namespace = namespace
			subjects = append(subjects, one)
		}
	}
	return difference.Attribution{Matching: s.mutating.Match(subjects...)}
}

// subjectsOf are what becomes of a manifest on its way: the pod, and what makes it. later adds what may be
// done to the pod, and the workloads that its template may be sent in.
func subjectsOf(m suite.Manifest, runID string, later bool) []difference.Subject {
	pods := difference.Subject{Version: "v1", Resource: "pods", Labels: m.Pod.Labels}
	all := []difference.Subject{pods}
	updated, makers := []string{"pods", "pods/status", "pods/ephemeralcontainers", "pods/resize"}, suite.WorkloadResources()
	if !later {
		updated, makers = nil, m.Makers()
		if len(m.Ephemeral()) > 0 {
			updated = []string{"pods/ephemeralcontainers"}
		}
	}
	for _, resource := range updated {
		changed := pods
		changed.Resource, changed.Update = resource, true
		all = append(all, changed)
	}
	for _, maker := range makers {
		group, version, _ := strings.Cut(maker.API, "/")
		// A workload has the run's label alone; what it makes in turn has its template's.
		for _, labels := range []map[string]string{{suite.RunLabel: runID}, m.Pod.Labels} {
			made := difference.Subject{Group: group, Version: version, Resource: maker.Resource, Labels: labels}
			changed := made
			changed.Update = true
			all = append(all, made)
			if later {
				all = append(all, changed)
			}
		}
	}
	return all
}

// listMutating lists the webhooks and policies. A server that has no API of policies
// has no policies.
func (s *Session) listMutating(ctx context.Context) mutating {
	found := mutating{listed: time.Now()}
	var webhooks admissionregistrationv1.MutatingWebhookConfigurationList
	var policies admissionregistrationv1.MutatingAdmissionPolicyList
	var bindings admissionregistrationv1.MutatingAdmissionPolicyBindingList
	for resource, list := range map[string]any{
		"mutatingwebhookconfigurations": &webhooks, "mutatingadmissionpolicies": &policies, "mutatingadmissionpolicybindings": &bindings,
	} {
		if err := s.listInAnyVersion(ctx, resource, list); err != nil {
			found.unread = fmt.Sprintf("%s cannot be listed: %v", resource, err)
		}
	}
	found.Webhooks, found.Policies, found.Bindings = webhooks.Items, policies.Items, bindings.Items
	return found
}

// listInAnyVersion lists objects of admissionregistration.k8s.io in the first version
// that the server has; their fields are the same in all. Where it has none, the list
// stays empty.
func (s *Session) listInAnyVersion(ctx context.Context, resource string, list any) error {
	for _, version := range []string{"v1", "v1beta1", "v1alpha1"} {
		raw, err := s.Client.CoreV1().RESTClient().Get().AbsPath("/apis/admissionregistration.k8s.io/"+version+"/"+resource).
			SetHeader("Accept", runtime.ContentTypeJSON).Do(ctx).Raw()
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return err
		}
		return json.Unmarshal(raw, list)
	}
	return nil
}
