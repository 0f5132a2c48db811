// Package preflight says what a run needs of a cluster, and puts what was found
// into one table. It is pure: internal/cluster does the asking.
package preflight

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
)

// Permission is one thing that a run must be allowed to do. The list of them is
// what the preflight asks for and what -print-rbac prints.
type Permission struct {
	Group    string // of the API; empty means the core one
	Resource string // with its subresource behind a slash
	Verbs    []string
	// Cluster means that it is not about objects of the run's own namespace.
	Cluster bool
	// Why completes "without it …".
	Why string
	// Some means that only some cases need it: without it they end inconclusive,
	// and the others run.
	Some bool
	// Spare means that a run goes on as well without it: nobody is asked for it.
	Spare bool
}

// Needs are the circumstances that make a run need more, or less.
type Needs struct {
	RuntimeClasses bool
	// SecretFrom is the namespace of the Secret that -pull-secret names.
	SecretFrom string
	// Upgrade: witnesses are left, or judged.
	Upgrade bool
	// Cleanup: only what -cleanup needs.
	Cleanup bool
}

// What changes pods on their way into the cluster.
const (
	admission  = "admissionregistration.k8s.io"
	whoChanged = "who changes pods on their way is not known"
)

// Permissions are what a run needs. Namespaces have random names, so that two
// runs at one time do not touch: that is why a Role cannot hold any of it.
func Permissions(needs Needs) []Permission {
	namespaces := Permission{
		Resource: "namespaces", Verbs: []string{"create", "get", "list", "watch", "delete"}, Cluster: true,
		Why: "no run has a namespace of its own, nor can it be cleaned up",
	}
	if needs.Cleanup {
		namespaces.Verbs = []string{"list", "watch", "delete"}
		return []Permission{
			namespaces,
			{Resource: "pods", Verbs: []string{"deletecollection"}, Why: "pods are not deleted at once"},
			{Group: "coordination.k8s.io", Resource: "leases", Verbs: []string{"list"}, Cluster: true, Why: "a dead run cannot be told from a living one"},
		}
	}
	all := []Permission{
		namespaces,
		{Resource: "nodes", Verbs: []string{"list"}, Cluster: true, Why: "there are no targets"},
		{Resource: "nodes", Verbs: []string{"watch"}, Cluster: true, Spare: true, Why: "a cordon is noticed later"},
		{Resource: "serviceaccounts", Verbs: []string{"get", "list", "watch"}, Why: "nobody knows when pods can be created"},
		{Resource: "pods", Verbs: []string{"create", "get", "list", "watch", "delete", "deletecollection"}, Why: "there are no pods to look at"},
		{Resource: "pods/exec", Verbs: []string{"create", "get"}, Why: "nothing can be seen from inside a container (get is for WebSockets, create for SPDY)"},
		{Resource: "secrets", Verbs: []string{"create"}, Why: "there is nothing for containers to read in each other's files"},
		{Resource: "configmaps", Verbs: []string{"create"}, Why: "there is nothing for containers to read in each other's files"},
		{Group: "coordination.k8s.io", Resource: "leases", Verbs: []string{"create", "patch"}, Why: "-cleanup takes this run for dead"},
		{Resource: "pods/attach", Verbs: []string{"create", "get"}, Some: true, Why: "the page's own way in is not tried"},
		{Resource: "pods/log", Verbs: []string{"get"}, Some: true, Why: "what containers print is not judged"},
		{Resource: "pods/ephemeralcontainers", Verbs: []string{"update", "patch"}, Some: true, Why: "no container for debugging is added"},
		{Resource: "pods/eviction", Verbs: []string{"create"}, Some: true, Why: "no pod is evicted"},
		{Resource: "pods", Verbs: []string{"update", "patch"}, Some: true, Why: "whether the field can be changed is not tried"},
		{Resource: "pods/status", Verbs: []string{"patch"}, Some: true, Why: "whether the field can be changed is not tried"},
		{Resource: "pods/resize", Verbs: []string{"patch"}, Some: true, Why: "whether the field can be changed is not tried"},
		{Resource: "events", Verbs: []string{"list", "watch"}, Some: true, Why: "events are neither judged nor kept as evidence, and a workload whose pods are refused is waited for"},
		{Group: "apps", Resource: "deployments", Verbs: []string{"create", "patch", "watch", "delete"}, Some: true, Why: "no workload makes pods"},
		{Group: "apps", Resource: "replicasets", Verbs: []string{"create", "delete"}, Some: true, Why: "no workload makes pods"},
		{Group: "apps", Resource: "statefulsets", Verbs: []string{"create", "delete"}, Some: true, Why: "no workload makes pods"},
		{Group: "apps", Resource: "daemonsets", Verbs: []string{"create", "delete"}, Some: true, Why: "no workload makes pods"},
		{Group: "batch", Resource: "jobs", Verbs: []string{"create", "list", "watch", "delete"}, Some: true, Why: "no workload makes pods"},
		{Group: "batch", Resource: "cronjobs", Verbs: []string{"create", "delete"}, Some: true, Why: "no workload makes pods"},
		{Resource: "resourcequotas", Verbs: []string{"list"}, Some: true, Why: "a quota is met by pods only"},
		{Resource: "limitranges", Verbs: []string{"list"}, Some: true, Why: "limits are met by pods only"},
		{Group: admission, Resource: "mutatingwebhookconfigurations", Verbs: []string{"list"}, Cluster: true, Some: true, Why: whoChanged},
		{Group: admission, Resource: "mutatingadmissionpolicies", Verbs: []string{"list"}, Cluster: true, Some: true, Why: whoChanged},
		{Group: admission, Resource: "mutatingadmissionpolicybindings", Verbs: []string{"list"}, Cluster: true, Some: true, Why: whoChanged},
	}
	if needs.Upgrade {
		all = append(all,
			Permission{Resource: "configmaps", Verbs: []string{"list"}, Why: "what was seen of the witnesses before the upgrade cannot be read (-phase)"},
			Permission{Resource: "namespaces", Verbs: []string{"patch"}, Cluster: true, Why: "witnesses cannot be marked as waiting (-phase)"})
	}
	if needs.RuntimeClasses {
		all = append(all, Permission{
			Group: "node.k8s.io", Resource: "runtimeclasses", Verbs: []string{"list"}, Cluster: true, Why: "-runtime-classes cannot be looked up",
		})
	}
	return all
}

// Question is one question to the server's authorizer.
type Question struct {
	Permission Permission
	Verb       string
	Review     authorizationv1.SelfSubjectAccessReview
}

// Questions are what to ask for the permissions: one for each verb. namespace is
// the run's own, which need not exist yet.
func Questions(permissions []Permission, needs Needs, namespace string) []Question {
	var all []Question
	ask := func(p Permission, verb, namespace, name string) {
		resource, subresource, _ := strings.Cut(p.Resource, "/")
		all = append(all, Question{p, verb, authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: namespace, Verb: verb, Group: p.Group, Resource: resource, Subresource: subresource, Name: name,
			},
		}}})
	}
	for _, p := range permissions {
		if p.Spare {
			continue
		}
		in := namespace
		if p.Cluster {
			in = ""
		}
		for _, verb := range p.Verbs {
			ask(p, verb, in, "")
		}
	}
	if from, name, ok := strings.Cut(needs.SecretFrom, "/"); ok {
		ask(Permission{Resource: "secrets", Why: "-pull-secret cannot be copied", Cluster: true}, "get", from, name)
	}
	return all
}

// Name is how a question is told of: "create pods/exec", with its group.
func (q Question) Name() string {
	name := q.Verb + " " + q.Permission.Resource
	if q.Permission.Group != "" {
		name += "." + q.Permission.Group
	}
	return name
}

// Denied says in one line what is not allowed: what no run can do without, or
// else "", and what only some cases need.
func Denied(questions []Question, denied func(Question) bool) (required, some string) {
	var must, whys []string
	may := map[string][]string{} // by what is the matter without it
	for i := 0; i < len(questions); {
		p := questions[i].Permission
		var verbs []string // of one permission, whose questions stand together
		for ; i < len(questions) && questions[i].Permission.is(p); i++ {
			if denied(questions[i]) {
				verbs = append(verbs, questions[i].Verb)
			}
		}
		what := Question{p, strings.Join(verbs, ", "), authorizationv1.SelfSubjectAccessReview{}}.Name()
		switch {
		case len(verbs) == 0:
		case p.Some:
			if len(may[p.Why]) == 0 {
				whys = append(whys, p.Why)
			}
			may[p.Why] = append(may[p.Why], what)
		default:
			must = append(must, what+": without it "+p.Why)
		}
	}
	for i, why := range whys {
		whys[i] = strings.Join(may[why], ", ") + ": without it " + why
	}
	return strings.Join(must, "; "), strings.Join(whys, "; ")
}

func (p Permission) is(other Permission) bool {
	return p.Group == other.Group && p.Resource == other.Resource && p.Why == other.Why
}

// roleName is the name of the objects that -print-rbac prints, Namespace that of the
// namespace among them.
const (
	roleName  = "procns"
	Namespace = roleName
)

// WriteRBAC prints the permissions as a manifest: a namespace with the
// ServiceAccount of the run, the ClusterRole, and their binding.
func WriteRBAC(w io.Writer, needs Needs) error {
	out := bufio.NewWriter(w)
	p := func(format string, args ...any) { fmt.Fprintf(out, format, args...) }
	p("# What a run of procns needs, and no more. Namespaces have random names, so that runs do not touch:\n")
	p("# a Role cannot hold it. Who may create pods in a namespace of any name, and enter them, can do on the\n")
	p("# cluster what a pod can: bind it for as long as runs last.\n")
	p("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: %s\n", Namespace)
	p("  labels: {pod-security.kubernetes.io/enforce: restricted}\n")
	p("---\napiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: %[1]s\n  namespace: %[1]s\n", roleName)
	p("---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: %s\nrules:\n", roleName)
	for _, each := range merged(append(Permissions(needs), Permissions(Needs{Cleanup: true})...)) {
		p("- apiGroups: [%q]\n  resources: [%s]\n  verbs: [%s]\n", each.Group, each.Resource, strings.Join(each.Verbs, ", "))
	}
	p("---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata:\n  name: %s\n", roleName)
	p("roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: ClusterRole\n  name: %s\n", roleName)
	p("subjects:\n- kind: ServiceAccount\n  name: %[1]s\n  namespace: %[1]s\n", roleName)
	if from, name, ok := strings.Cut(needs.SecretFrom, "/"); ok {
		p("---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata:\n  name: %s\n  namespace: %s\n", roleName, from)
		p("rules:\n- apiGroups: [\"\"]\n  resources: [secrets]\n  resourceNames: [%s]\n  verbs: [get]\n", name)
		p("---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata:\n  name: %s\n  namespace: %s\n", roleName, from)
		p("roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: Role\n  name: %s\n", roleName)
		p("subjects:\n- kind: ServiceAccount\n  name: %[1]s\n  namespace: %[1]s\n", roleName)
	}
	return out.Flush()
}

// merged joins the permissions on one resource into one rule, in their order.
func merged(permissions []Permission) []Permission {
	var rules []Permission
	for _, p := range permissions {
		i := slices.IndexFunc(rules, func(r Permission) bool { return r.Group == p.Group && r.Resource == p.Resource })
		if i < 0 {
			p.Verbs = slices.Clone(p.Verbs)
			rules = append(rules, p)
			continue
		}
		for _, verb := range p.Verbs {
			if !slices.Contains(rules[i].Verbs, verb) {
				rules[i].Verbs = append(rules[i].Verbs, verb)
			}
		}
	}
	return rules
}
