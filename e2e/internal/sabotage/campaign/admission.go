package campaign

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"procns/e2e/internal/pace"
	"procns/e2e/internal/sabotage/mutants"
	"procns/e2e/internal/suite"
)

// What the API server is told of webhooks and policies is told while a mutant needs it, and not longer:
// the suite judges the server itself where nothing that admits pods could have done what it sees.

// admission is what the API server has been told.
type admission struct {
	mu    sync.Mutex
	users int // of the webhook
}

// probeNamespace holds the pods, none of which is stored, by which it shows whether the API server
// goes by what it was told. It looks like a run's.
const probeNamespace = "procns-sabotage-probe"

// admit has the API server ask the webhook, or go by the policy, that a mutant needs. The function that
// it returns takes it back.
func (c *Campaign) admit(ctx context.Context, m mutants.Mutant) (takeBack func(context.Context) error, err error) {
	switch {
	case m.Policy != nil:
		return c.enforce(ctx, m)
	case m.Admission != nil:
		return c.useWebhook(ctx)
	}
	return func(context.Context) error { return nil }, nil
}

// useWebhook is for several mutants at one time: the first installs it, and the last removes it.
func (c *Campaign) useWebhook(ctx context.Context) (func(context.Context) error, error) {
	hooks := c.client.AdmissionregistrationV1().MutatingWebhookConfigurations()
	c.admission.mu.Lock()
	defer c.admission.mu.Unlock()
	if c.admission.users == 0 {
		authority, err := os.ReadFile(filepath.Join(c.programs, certificateFile))
		if err != nil {
			return nil, err
		}
		if err := hooks.Delete(ctx, mutants.WebhookDomain, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return nil, err
		}
		if _, err := hooks.Create(ctx, webhookConfiguration(authority), metav1.CreateOptions{}); err != nil {
			return nil, err
		}
		if err := c.untilAdmission(ctx, "the webhook", true, changedByWebhook, forWebhook); err != nil {
			return nil, err
		}
	}
	c.admission.users++
	return func(ctx context.Context) error {
		c.admission.mu.Lock()
		defer c.admission.mu.Unlock()
		if c.admission.users--; c.admission.users > 0 {
			return nil
		}
		if err := hooks.Delete(ctx, mutants.WebhookDomain, metav1.DeleteOptions{}); err != nil {
			return err
		}
		return c.untilAdmission(ctx, "the webhook", false, changedByWebhook, forWebhook)
	}, nil
}

// probed is a mutant whose change shows in a new pod.
const probed = "webhook-sets-false"

func forWebhook(spec *corev1.PodSpec) {
	class, share := probed, true
	spec.RuntimeClassName, spec.ShareProcessNamespace = &class, &share
}

func changedByWebhook(pod *corev1.Pod, err error) bool {
	return err == nil && pod.Spec.ShareProcessNamespace != nil && !*pod.Spec.ShareProcessNamespace
}

// enforce installs a mutant's policy.
func (c *Campaign) enforce(ctx context.Context, m mutants.Mutant) (func(context.Context) error, error) {
	api := c.client.AdmissionregistrationV1()
	policy, binding := policyOf(m)
	remove := func(ctx context.Context) error {
		var failed error
		for _, err := range []error{
			api.ValidatingAdmissionPolicyBindings().Delete(ctx, binding.Name, metav1.DeleteOptions{}),
			api.ValidatingAdmissionPolicies().Delete(ctx, policy.Name, metav1.DeleteOptions{}),
		} {
			if !apierrors.IsNotFound(err) {
				failed = errors.Join(failed, err)
			}
		}
		return failed
	}
	if err := remove(ctx); err != nil { // an earlier campaign may have left it
		return nil, err
	}
	if _, err := api.ValidatingAdmissionPolicies().Create(ctx, policy, metav1.CreateOptions{}); err != nil {
		return nil, err
	}
	if _, err := api.ValidatingAdmissionPolicyBindings().Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		return nil, err
	}
	refused := func(_ *corev1.Pod, err error) bool { return err != nil }
	if err := c.untilAdmission(ctx, "the policy "+m.Name, true, refused, m.Policy.Offends); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		if err := remove(ctx); err != nil {
			return err
		}
		return c.untilAdmission(ctx, "the policy "+m.Name, false, refused, m.Policy.Offends)
	}, nil
}

// policyOf are the objects of a mutant's policy. It is for the pods of runs of the suite alone.
func policyOf(m mutants.Mutant) (*admissionv1.ValidatingAdmissionPolicy, *admissionv1.ValidatingAdmissionPolicyBinding) {
	fail := admissionv1.Fail
	meta := metav1.ObjectMeta{Name: m.Name}
	return &admissionv1.ValidatingAdmissionPolicy{ObjectMeta: meta, Spec: admissionv1.ValidatingAdmissionPolicySpec{
			FailurePolicy: &fail,
			MatchConstraints: &admissionv1.MatchResources{
				NamespaceSelector: ofRuns(),
				ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Create},
					Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
				}}},
			},
			Validations: []admissionv1.Validation{{Expression: m.Policy.Expression, Message: m.Policy.Message}},
		}}, &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: meta, Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: m.Name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
		}}
}

// ofRuns selects the namespaces of runs of the suite.
func ofRuns() *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: suite.RunLabel, Operator: metav1.LabelSelectorOpExists}}}
}

// untilAdmission asks the API server to admit a pod, as a trial, until it goes by what it was told: that
// takes it a moment, which nothing tells of.
func (c *Campaign) untilAdmission(ctx context.Context, what string, inForce bool, shows func(*corev1.Pod, error) bool, edit func(*corev1.PodSpec)) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: probeNamespace, Labels: map[string]string{suite.RunLabel: "probe"}}}
	if _, err := c.client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	var last error
	over := pace.Until(ctx, pace.Forever, func() (bool, error) {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "probe"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "one", Image: "none.invalid/none"}}}}
		edit(&pod.Spec)
		admitted, err := c.client.CoreV1().Pods(probeNamespace).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		last = err
		return shows(admitted, err) == inForce && (inForce || err == nil), nil
	})
	if over != nil {
		return fmt.Errorf("%s is not in force, or still is, after a minute: %w", what, errors.Join(over, last))
	}
	return nil
}
