package incluster

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"gotest.tools/v3/assert"
	"gotest.tools/v3/golden"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"procns/e2e/internal/preflight"
)

func plain() Manifest {
	return Manifest{Image: "localhost/procns/procns:v1.2.3", Timeout: time.Hour, CleanUp: 4 * time.Minute, Linger: 10 * time.Minute}
}

func withFlags() Manifest {
	m := plain()
	m.Image = "registry.example/suite:v1"
	m.Arguments = []string{"-nodes=all", "-run=signals/*", `-pod-annotation=note="two words": # and more`, "-registry=mirror.example/lib"}
	m.Needs = preflight.Needs{SecretFrom: "registry/pull"}
	m.Claim, m.Linger = "reports", 0
	return m
}

func printed(t *testing.T, write func(io.Writer, Manifest) error, m Manifest) string {
	t.Helper()
	var text bytes.Buffer
	assert.NilError(t, write(&text, m))
	return text.String()
}

func TestGolden(t *testing.T) {
	golden.Assert(t, printed(t, WriteJob, plain()), "job.yaml")
	golden.Assert(t, printed(t, WriteJob, withFlags()), "job-flags.yaml")
	golden.Assert(t, printed(t, WriteSonobuoyPlugin, plain()), "sonobuoy.yaml")
	golden.Assert(t, printed(t, WriteSonobuoyPlugin, withFlags()), "sonobuoy-flags.yaml")
}

// jobOf reads the Job as the API server does: unknown fields are errors.
func jobOf(t *testing.T, m Manifest) batchv1.Job {
	t.Helper()
	documents := strings.Split(printed(t, WriteJob, m), "\n---\n")
	var namespace corev1.Namespace
	for _, document := range documents {
		if strings.Contains(document, "\nkind: Namespace\n") {
			assert.NilError(t, yaml.UnmarshalStrict([]byte(document), &namespace))
		}
	}
	assert.Equal(t, namespace.Labels["pod-security.kubernetes.io/enforce"], "restricted")
	var job batchv1.Job
	assert.NilError(t, yaml.UnmarshalStrict([]byte(documents[len(documents)-1]), &job))
	assert.Equal(t, job.Kind, "Job")
	assert.Equal(t, job.Namespace, namespace.Name)
	return job
}

func TestJob(t *testing.T) {
	for name, m := range map[string]Manifest{"plain": plain(), "flags": withFlags()} {
		job := jobOf(t, m)
		pod := job.Spec.Template.Spec
		assert.Equal(t, *job.Spec.BackoffLimit, int32(0), name)
		assert.Equal(t, pod.RestartPolicy, corev1.RestartPolicyNever)
		grace := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second
		assert.Assert(t, grace > m.CleanUp, "%s: a run that is told to end has %s, and cleans up for %s", name, grace, m.CleanUp)
		deadline := time.Duration(*job.Spec.ActiveDeadlineSeconds) * time.Second
		assert.Assert(t, deadline > m.Timeout+m.CleanUp+m.Linger, "%s: the Job ends after %s", name, deadline)
		assert.Equal(t, pod.ServiceAccountName, "procns")

		assert.Equal(t, len(pod.Containers), 1)
		c := pod.Containers[0]
		own := []string{"-in-cluster", "-linger=10m0s"}
		if m.Linger == 0 {
			own = own[:1]
		}
		assert.DeepEqual(t, c.Args, append(own, m.Arguments...))
		assert.Equal(t, c.Image, m.Image)
		assert.Equal(t, len(c.Command), 0, "the image's own")
		assert.DeepEqual(t, c.Env, []corev1.EnvVar{{Name: "ARTIFACTS", Value: c.VolumeMounts[0].MountPath}})
		restricted(t, pod)
	}
	claim := jobOf(t, withFlags()).Spec.Template.Spec.Volumes[0].PersistentVolumeClaim
	assert.Assert(t, claim != nil && claim.ClaimName == "reports")
}

// restricted demands what Pod Security's level of that name does, of a pod of these volumes.
func restricted(t *testing.T, pod corev1.PodSpec) {
	t.Helper()
	assert.Assert(t, !pod.HostPID && !pod.HostIPC && !pod.HostNetwork)
	assert.Assert(t, *pod.SecurityContext.RunAsNonRoot && *pod.SecurityContext.RunAsUser != 0)
	assert.Equal(t, pod.SecurityContext.SeccompProfile.Type, corev1.SeccompProfileTypeRuntimeDefault)
	for _, c := range pod.Containers {
		assert.Assert(t, !*c.SecurityContext.AllowPrivilegeEscalation)
		assert.DeepEqual(t, c.SecurityContext.Capabilities.Drop, []corev1.Capability{"ALL"})
		assert.Equal(t, len(c.SecurityContext.Capabilities.Add), 0)
	}
	for _, v := range pod.Volumes {
		assert.Assert(t, v.EmptyDir != nil || v.PersistentVolumeClaim != nil, v.Name)
	}
}

// plugin is a plugin's manifest, as far as Sonobuoy reads it: its container and pod are
// Kubernetes' own.
type plugin struct {
	Config struct {
		Driver       string   `json:"driver"`
		PluginName   string   `json:"plugin-name"`
		ResultFormat string   `json:"result-format"`
		ResultFiles  []string `json:"result-files"`
		Description  string   `json:"description"`
	} `json:"sonobuoy-config"`
	Spec    corev1.Container `json:"spec"`
	PodSpec corev1.PodSpec   `json:"podSpec"`
}

func TestSonobuoyPlugin(t *testing.T) {
	for name, m := range map[string]Manifest{"plain": plain(), "flags": withFlags()} {
		var p plugin
		assert.NilError(t, yaml.UnmarshalStrict([]byte(printed(t, WriteSonobuoyPlugin, m)), &p), name)
		assert.Equal(t, p.Config.Driver, "Job")
		assert.Equal(t, p.Config.ResultFormat, "manual")
		assert.DeepEqual(t, p.Config.ResultFiles, []string{"sonobuoy_results.yaml"})
		assert.Equal(t, p.PodSpec.ServiceAccountName, "sonobuoy-serviceaccount", "podSpec replaces Sonobuoy's own")
		assert.Equal(t, p.PodSpec.RestartPolicy, corev1.RestartPolicyNever)
		assert.Equal(t, *p.PodSpec.TerminationGracePeriodSeconds, int64(300))
		assert.Equal(t, p.Spec.VolumeMounts[0].MountPath, "/tmp/sonobuoy/results")
		assert.Equal(t, strings.Join(p.Spec.Args, "\n"), strings.Join(m.Arguments, "\n"))
		assert.Assert(t, *p.Spec.SecurityContext.RunAsNonRoot)
	}
}

func FuzzQuoted(f *testing.F) {
	f.Add(`a: "b" # c`)
	f.Add("line\nbreak\u2028\x7f")
	f.Fuzz(func(t *testing.T, text string) {
		m := plain()
		m.Arguments = []string{text}
		var p plugin
		if err := yaml.UnmarshalStrict([]byte(printed(t, WriteSonobuoyPlugin, m)), &p); err != nil {
			t.Fatal(err)
		}
		if len(p.Spec.Args) != 1 || utf8.ValidString(text) && p.Spec.Args[0] != text {
			t.Fatalf("%q is read as %q", text, p.Spec.Args)
		}
	})
}
