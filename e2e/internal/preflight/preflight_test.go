package preflight

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"procns/e2e/internal/suite"
	"procns/e2e/internal/targets"
)

// rules decodes what WriteRBAC prints, and returns its rules by kind and name.
func rules(t *testing.T, needs Needs) map[string][]rbacv1.PolicyRule {
	t.Helper()
	var manifest bytes.Buffer
	require.NoError(t, WriteRBAC(&manifest, needs))
	all := map[string][]rbacv1.PolicyRule{}
	for document := range strings.SplitSeq(manifest.String(), "\n---\n") {
		var kind metav1.TypeMeta
		require.NoError(t, yaml.Unmarshal([]byte(document), &kind))
		switch kind.Kind {
		case "ClusterRole":
			var role rbacv1.ClusterRole
			require.NoError(t, yaml.UnmarshalStrict([]byte(document), &role))
			all[kind.Kind] = role.Rules
		case "Role":
			var role rbacv1.Role
			require.NoError(t, yaml.UnmarshalStrict([]byte(document), &role))
			all[kind.Kind+" "+role.Namespace] = role.Rules
		case "ClusterRoleBinding":
			var binding rbacv1.ClusterRoleBinding
			require.NoError(t, yaml.UnmarshalStrict([]byte(document), &binding))
			assert.Equal(t, "procns", binding.Subjects[0].Namespace)
		case "RoleBinding":
			var binding rbacv1.RoleBinding
			require.NoError(t, yaml.UnmarshalStrict([]byte(document), &binding))
			assert.Equal(t, "Role", binding.RoleRef.Kind)
		case "Namespace", "ServiceAccount":
		default:
			t.Errorf("prints a %s", kind.Kind)
		}
	}
	return all
}

func allows(rules []rbacv1.PolicyRule, group, resource, verb string) bool {
	for _, r := range rules {
		if r.APIGroups[0] == group && r.Resources[0] == resource {
			for _, v := range r.Verbs {
				if v == verb {
					return true
				}
			}
		}
	}
	return false
}

// TestRBAC: the manifest allows what the preflight asks for, and nothing else.
func TestRBAC(t *testing.T) {
	for name, needs := range map[string]Needs{
		"plain": {}, "with classes": {RuntimeClasses: true}, "with a Secret": {SecretFrom: "registry/pull"},
	} {
		t.Run(name, func(t *testing.T) {
			printed := rules(t, needs)
			asked := append(Permissions(needs), Permissions(Needs{Cleanup: true})...)
			granted := map[string]bool{}
			for _, p := range asked {
				for _, verb := range p.Verbs {
					assert.True(t, allows(printed["ClusterRole"], p.Group, p.Resource, verb), "%s %s", verb, p.Resource)
					granted[p.Group+"/"+p.Resource+"/"+verb] = true
				}
				assert.NotEmpty(t, p.Why, p.Resource)
			}
			for _, r := range printed["ClusterRole"] {
				for _, verb := range r.Verbs {
					assert.True(t, granted[r.APIGroups[0]+"/"+r.Resources[0]+"/"+verb], "not asked for: %s %s", verb, r.Resources[0])
					assert.NotEqual(t, "*", verb)
				}
			}
			if needs.SecretFrom != "" {
				role := printed["Role registry"]
				require.Len(t, role, 1)
				assert.Equal(t, []string{"pull"}, role[0].ResourceNames)
				assert.Equal(t, []string{"get"}, role[0].Verbs)
			}
		})
	}
	assert.False(t, allows(rules(t, Needs{})["ClusterRole"], "", "nodes/proxy", "get"), "nodes/proxy is the way into every container")
	assert.False(t, allows(rules(t, Needs{})["ClusterRole"], "", "secrets", "get"), "no run reads Secrets")
}

func TestQuestions(t *testing.T) {
	questions := Questions(Permissions(Needs{}), Needs{SecretFrom: "registry/pull"}, "procns-1")
	byName := map[string]Question{}
	for _, q := range questions {
		byName[q.Name()] = q
	}
	exec := byName["create pods/exec"].Review.Spec.ResourceAttributes
	require.NotNil(t, exec)
	assert.Equal(t, "pods exec procns-1", exec.Resource+" "+exec.Subresource+" "+exec.Namespace)
	assert.Empty(t, byName["list nodes"].Review.Spec.ResourceAttributes.Namespace)
	assert.Equal(t, "apps", byName["patch deployments.apps"].Review.Spec.ResourceAttributes.Group)
	secret := byName["get secrets"].Review.Spec.ResourceAttributes
	assert.Equal(t, "registry pull", secret.Namespace+" "+secret.Name)
}

func TestOfPermissions(t *testing.T) {
	questions := Questions(Permissions(Needs{}), Needs{}, "procns-1")
	denying := func(names ...string) func(Question) bool {
		return func(q Question) bool {
			for _, name := range names {
				if q.Name() == name {
					return true
				}
			}
			return false
		}
	}
	checks := OfPermissions(questions, denying())
	assert.Equal(t, OK, checks[0].State)
	assert.Empty(t, Failed(checks))

	checks = OfPermissions(questions, denying("create pods/exec"))
	assert.Equal(t, []Check{{"permissions", Fail,
		"not allowed to create pods/exec: without it nothing can be seen from inside a container (get is for WebSockets, create for SPDY)"}}, checks)
	assert.Equal(t, checks[0].Said, Failed(checks))

	checks = OfPermissions(questions, denying("create pods/exec", "get pods/exec"))
	assert.Contains(t, checks[0].Said, "not allowed to create, get pods/exec: without it")

	checks = OfPermissions(questions, denying("list events", "patch deployments.apps"))
	assert.Equal(t, []Check{{"permissions", Warn, "not allowed to list events: without it events are neither judged nor kept as evidence, and a workload whose pods are refused is waited for; " +
		"patch deployments.apps: without it no workload makes pods. Cases that need it end inconclusive"}}, checks)
	assert.Empty(t, Failed(checks), "the other cases run")
}

func TestOfVersion(t *testing.T) {
	for version, state := range map[string]State{"v1.9.0": Fail, "v1.16.3": Note, "v1.37.2": OK} {
		parsed, err := suite.ParseVersion(version)
		require.NoError(t, err)
		assert.Equal(t, state, OfVersion(version, "linux/amd64", suite.GateOf(parsed)).State, version)
	}
}

func TestOfTargets(t *testing.T) {
	checks := OfTargets(targets.Selection{
		Targets:     []suite.Target{{Node: "a", Kernel: "6.18", Architecture: "amd64"}},
		LeftOut:     []targets.LeftOut{{Node: "b", Reason: "not Ready"}},
		Tolerations: map[string][]corev1.Toleration{"a": {{}}},
	})
	require.Len(t, checks, 2)
	assert.Contains(t, checks[0].Said, "kernel 6.18 amd64")
	assert.Contains(t, checks[0].Said, "tainted and tolerated")
	assert.Equal(t, Check{"nodes", Note, "b is left out: not Ready"}, checks[1])
}

func TestNormal(t *testing.T) {
	for _, same := range [][2]string{
		{"nginx", "docker.io/library/nginx:latest"},
		{"nginx:1", "docker.io/library/nginx:1"},
		{"user/app", "docker.io/user/app:latest"},
		{"localhost/app", "localhost/app:latest"},
		{"r.example:5000/app", "r.example:5000/app:latest"},
		{"nginx:1@sha256:ab", "docker.io/library/nginx@sha256:ab"},
	} {
		assert.Equal(t, normal(same[0]), normal(same[1]))
	}
	for _, other := range [][2]string{
		{"nginx", "nginx:1"}, {"nginx", "r.example/nginx"}, {"localhost/app", "docker.io/localhost/app"},
		{"nginx@sha256:ab", "nginx@sha256:cd"}, {"nginx:1", "nginx@sha256:ab"},
	} {
		assert.NotEqual(t, normal(other[0]), normal(other[1]))
	}
}

func TestOfImages(t *testing.T) {
	images := []string{"busybox", "r.example/nginx:1"}
	everything := []string{"docker.io/library/busybox:latest", "r.example/nginx:1"}
	assert.Equal(t, OK, OfImages(images, map[string][]string{"a": everything, "b": everything})[0].State)
	checks := OfImages(images, map[string][]string{"a": everything, "b": everything[:1]})
	require.Len(t, checks, 1)
	assert.Contains(t, checks[0].Said, "b does not report r.example/nginx:1")
}

func TestOfNamespaceAndPods(t *testing.T) {
	const key = "pod-security.kubernetes.io/enforce"
	sent := map[string]string{key: "privileged"}
	assert.Equal(t, OK, OfNamespace(sent, sent).State)
	changed := OfNamespace(sent, map[string]string{key: "restricted"})
	assert.Equal(t, Warn, changed.State)
	assert.Contains(t, changed.Said, `from "privileged" to "restricted"`)

	run := map[string]string{key: "privileged", suite.RunLabel: "1"}
	assert.Equal(t, OK, OfNamespace(run, map[string]string{key: "privileged", suite.RunLabel: "1", "team": "a"}).State)
	stripped := OfNamespace(run, sent)
	assert.Equal(t, Warn, stripped.State)
	assert.Contains(t, stripped.Said, `changed the label procns.run from "1" to ""`)

	assert.Equal(t, []Check{{"admission", OK, "2 of 2 manifests would be admitted"}}, OfPods(map[string]string{"a.yaml": "", "b.yaml": ""}, nil))
	const no = "violates PodSecurity"
	checks := OfPods(map[string]string{"a.yaml": no, "b.yaml": "", "c.yaml": no, "d.yaml": no, "e.yaml": no, "f.yaml": no}, []suite.TallyRow{
		{What: "sets spec.runtimeClassName to \"other\"", By: "policy a", Manifests: []string{"b.yaml"}, Without: []string{"pid1/is-the-sandbox"}, WayOut: "this"},
		{What: "drops capability MKNOD", By: "policy b", Manifests: []string{"b.yaml"}},
	})
	assert.Equal(t, []Check{
		{"admission", Warn, "a.yaml, c.yaml, d.yaml and 2 more refused: violates PodSecurity"},
		{"admission", OK, "1 of 6 manifests would be admitted"},
		{"admission", Warn, `the cluster changes pods: sets spec.runtimeClassName to "other" (policy a), in b.yaml: 1 case is inconclusive; way out: this`},
		{"admission", Note, "the cluster changes pods: drops capability MKNOD (policy b), in b.yaml: no case of this run turns on it"},
	}, checks)
}

func TestOfLimits(t *testing.T) {
	quota := func(hard corev1.ResourceList) []corev1.ResourceQuota {
		q := corev1.ResourceQuota{Spec: corev1.ResourceQuotaSpec{Hard: hard}}
		q.Name = "team"
		return []corev1.ResourceQuota{q}
	}
	limits := []corev1.LimitRange{{ObjectMeta: metav1.ObjectMeta{Name: "defaults"}}}
	for name, row := range map[string]struct {
		quotas []corev1.ResourceQuota
		ranges []corev1.LimitRange
		want   []Check
	}{
		"nothing":      {nil, nil, []Check{{"quota", OK, "nothing in the way"}}},
		"enough pods":  {quota(corev1.ResourceList{"pods": resource.MustParse("24")}), nil, []Check{{"quota", OK, "nothing in the way"}}},
		"too few pods": {quota(corev1.ResourceList{"count/pods": resource.MustParse("10")}), nil, []Check{{"quota", Note, "team allows 10 pods; the run would have up to 24 at one time, and has fewer"}}},
		"limits demanded": {quota(corev1.ResourceList{"limits.cpu": resource.MustParse("4"), "memory": resource.MustParse("4Gi")}), nil, []Check{
			{"quota", Warn, "team demands that every pod sets limits.cpu, memory, which the manifests do not, and no LimitRange adds it: pods are refused"},
		}},
		"limits added": {quota(corev1.ResourceList{"limits.cpu": resource.MustParse("4")}), limits, []Check{
			{"limits", Note, "the LimitRange defaults adds its limits to every pod"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, row.want, OfLimits(row.quotas, row.ranges, 24))
		})
	}
}

func TestWriteTable(t *testing.T) {
	var table bytes.Buffer
	require.NoError(t, WriteTable(&table, []Check{
		{"server", OK, "v1.37.2"}, {"nodes", OK, "a"}, {"nodes", Note, "b is left out: \x1b[31mred"}, {"permissions", Fail, "no"},
	}))
	assert.Equal(t, `    server       ok    v1.37.2
    nodes        ok    a
                 note  b is left out: `+"\\x1b"+`[31mred
    permissions  FAIL  no
`, table.String())
}
