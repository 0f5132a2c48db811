package difference

import (
	"encoding/json"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Attribution is who may have changed a pod, as far as the server tells.
type Attribution struct {
	// Unread is why the webhooks and policies could not be listed; empty where they
	// were.
	Unread string `json:"unread,omitempty"`
	// Matching are the mutating webhooks and policies whose rules match the pod, or
	// what makes it: "policy NAME", "webhook CONFIGURATION/NAME".
	Matching []string `json:"matching,omitempty"`
	// Managers are the field managers, other than the sender, that own what was
	// changed.
	Managers []string `json:"managers,omitempty"`
}

// Known tells whether the server said what changes pods.
func (a *Attribution) Known() bool { return a != nil && a.Unread == "" }

// Server tells whether nothing but the API server itself can have made a change:
// the lists could be read, nothing in them matches, and nobody else owns the field.
func (a *Attribution) Server() bool {
	return a.Known() && len(a.Matching) == 0 && len(a.Managers) == 0
}

// String completes "probably by …".
func (a *Attribution) String() string {
	switch {
	case a == nil || a.Unread != "" && len(a.Managers) == 0:
		return "an admission webhook or policy, which this user may not list"
	case a.Server():
		return "the API server itself: no mutating webhook and no mutating policy matches"
	}
	said := slices.Clone(a.Matching)
	for _, manager := range a.Managers {
		said = append(said, "field manager "+manager)
	}
	return strings.Join(said, ", ")
}

// Mutating are the objects of a cluster that may change what is sent.
type Mutating struct {
	Webhooks []admissionregistrationv1.MutatingWebhookConfiguration
	Policies []admissionregistrationv1.MutatingAdmissionPolicy
	Bindings []admissionregistrationv1.MutatingAdmissionPolicyBinding
}

// Subject is what was sent.
type Subject struct {
	Group, Version, Resource string
	// Update: it is changed, and not created.
	Update bool
	// Labels are the object's, and Namespace those of its namespace.
	Labels, Namespace map[string]string
}

// Match names the webhooks and the policies whose rules match one of the subjects.
// Conditions in CEL are not evaluated: what they may exclude is named as well.
func (m Mutating) Match(subjects ...Subject) []string {
	var all []string
	add := func(name string) {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	for _, s := range subjects {
		for _, configuration := range m.Webhooks {
			for _, w := range configuration.Webhooks {
				if s.ruled(w.Rules) && selects(w.NamespaceSelector, s.Namespace) && selects(w.ObjectSelector, s.Labels) {
					add("webhook " + configuration.Name + "/" + w.Name)
				}
			}
		}
		for _, policy := range m.Policies {
			bound := slices.ContainsFunc(m.Bindings, func(b admissionregistrationv1.MutatingAdmissionPolicyBinding) bool {
				return b.Spec.PolicyName == policy.Name && s.matches(b.Spec.MatchResources, true)
			})
			if bound && s.matches(policy.Spec.MatchConstraints, false) {
				add("policy " + policy.Name)
			}
		}
	}
	slices.Sort(all)
	return all
}

// matches tells whether the subject is among a policy's resources. A binding that
// names none matches all that its policy does.
func (s Subject) matches(m *admissionregistrationv1.MatchResources, binding bool) bool {
	if m == nil {
		return binding
	}
	rules := func(named []admissionregistrationv1.NamedRuleWithOperations) []admissionregistrationv1.RuleWithOperations {
		var all []admissionregistrationv1.RuleWithOperations
		for _, n := range named {
			all = append(all, n.RuleWithOperations)
		}
		return all
	}
	included := s.ruled(rules(m.ResourceRules)) || binding && len(m.ResourceRules) == 0
	return included && !slices.ContainsFunc(m.ExcludeResourceRules, s.excluded) && selects(m.NamespaceSelector, s.Namespace) && selects(m.ObjectSelector, s.Labels)
}

// excluded tells whether a rule surely leaves the subject out: a rule for some objects by their names,
// for another version, or for objects without a namespace need not.
func (s Subject) excluded(r admissionregistrationv1.NamedRuleWithOperations) bool {
	return len(r.ResourceNames) == 0 && names(r.APIVersions, s.Version) && (r.Scope == nil || *r.Scope != admissionregistrationv1.ClusterScope) &&
		s.ruled([]admissionregistrationv1.RuleWithOperations{r.RuleWithOperations})
}

// ruled tells whether one of the rules is about the subject. A rule
// for another version matches as well: the server converts (matchPolicy Equivalent).
func (s Subject) ruled(rules []admissionregistrationv1.RuleWithOperations) bool {
	return slices.ContainsFunc(rules, func(r admissionregistrationv1.RuleWithOperations) bool {
		operation := admissionregistrationv1.Create
		if s.Update {
			operation = admissionregistrationv1.Update
		}
		sent := slices.Contains(r.Operations, operation) || slices.Contains(r.Operations, admissionregistrationv1.OperationAll)
		return sent && names(r.APIGroups, s.Group) && slices.ContainsFunc(r.Resources, s.isOf)
	})
}

// isOf tells whether the subject is of the resource that a rule names, as the server reads it: "*" is
// every resource and none of their subresources, "pods/*" are pods and all of theirs.
func (s Subject) isOf(rule string) bool {
	ofRule, subOfRule, _ := strings.Cut(rule, "/")
	resource, sub, _ := strings.Cut(s.Resource, "/")
	return (ofRule == "*" || ofRule == resource) && (subOfRule == "*" || subOfRule == sub)
}

func names(of []string, name string) bool {
	return slices.Contains(of, "*") || slices.Contains(of, name)
}

// selects tells whether a selector takes the labels. None takes all; one that
// cannot be read is taken to.
func selects(selector *metav1.LabelSelector, of map[string]string) bool {
	if selector == nil {
		return true
	}
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	return err != nil || parsed.Matches(labels.Set(of))
}

// Managers are the field managers that own one of the changed paths, but for the
// first: whoever sent the object, to whom the server counts what webhooks changed.
func Managers(stored metav1.ObjectMeta, differences []Difference) []string {
	var all []string
	if len(stored.ManagedFields) == 0 {
		return nil
	}
	sender := stored.ManagedFields[0].Manager
	for _, entry := range stored.ManagedFields {
		if entry.FieldsV1 == nil || entry.Manager == sender || entry.Subresource != "" || slices.Contains(all, entry.Manager) {
			continue
		}
		var owned map[string]json.RawMessage
		if json.Unmarshal(entry.FieldsV1.GetRawBytes(), &owned) != nil {
			continue
		}
		if slices.ContainsFunc(differences, func(d Difference) bool { return owns(owned, stepsOf(d.Path)) }) {
			all = append(all, entry.Manager)
		}
	}
	slices.Sort(all)
	return all
}
